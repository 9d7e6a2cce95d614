import re

from tests.conformance.vendors import MADRID, NEW_YORK, Kind, Pairs, Vendor, as_it_is


def modules(body: bytes) -> Pairs:
    """``name :value`` lines in modules; the names of keys get the title of their page in front."""
    first, *lines = body.decode("utf-8").split("\n")
    assert first in {f"<<VOIP CONFIG FILE>>Version:{version}".ljust(62) for version in ("2.0000000000", "2.0002")}
    assert lines[-2:] == ["<<END OF FILE>>", ""]
    pairs, page, inside = [], "", False
    for line in lines[:-2]:
        if re.fullmatch(r"<[A-Z ]+ MODULE>", line):
            inside, page = True, ""
        elif title := re.fullmatch(r"--([A-Za-z0-9 ]+?) ?-- *:", line):
            page = f"{title[1]} "
        else:
            match = re.fullmatch(r"([A-Za-z][A-Za-z0-9 ]*?) *:(.*)", line)
            assert match is not None, line
            assert inside
            assert "2.0002" not in first or len(match[1]) <= 19, line
            pairs.append((page + match[1] if match[1].startswith("Fkey") else match[1], match[2].strip(" ")))
    return pairs


def meant(name: str, marked: str, text: str) -> str:
    """Blanks at the ends of a value go."""
    return as_it_is(name, marked, text).strip(" ")


VENDOR = Vendor(
    parse=modules,
    first=b"<<VOIP CONFIG FILE>>",
    enabled=("SIP1 Enable Reg",),
    private=("password", "pswd", "sip1 register"),
    phones=(
        Kind("X4U", "2.12.1.7", MADRID, "0c383e0a0001"),
        Kind("X6", "", NEW_YORK, "0c383e0a0002"),
        Kind("X4", "2.10.2.6887", MADRID, "0c383e0a0003"),
    ),
    full=("X4U", "X4"),
    clock="X4U",
    texts=("X4U", "X4"),
    meant=meant,
    patience=15,
)
