import re

from tests.conformance.vendors import KABUL, MADRID, NEW_YORK, Kind, Pairs, Vendor

SECTIONS = {"config", "ipp", "net", "sip", "sys", "qos", "ntp", "customer"}


def sections(body: bytes) -> Pairs:
    """``name=value`` in sections that begin once each; the number of the file, made of its text, is looked at apart."""
    lines = body.decode("utf-8").split("\n")
    assert lines.pop() == ""
    pairs: Pairs = []
    seen: list[str] = []
    for line in lines:
        if title := re.fullmatch(r"\[([a-z]+)\]", line):
            seen.append(title[1])
        elif number := re.fullmatch(r"config_sn=(.*)", line):
            assert seen[-1] == "sys"
            assert re.fullmatch(r"\d{12}", number[1])
        else:
            match = re.fullmatch(r"([A-Za-z][A-Za-z0-9_]*)=(.*)", line)
            assert match is not None, line
            assert seen, line
            pairs.append((match[1], match[2]))
    assert len(seen) == len(set(seen))
    assert set(seen) <= SECTIONS
    return pairs


VENDOR = Vendor(
    parse=sections,
    first=b"[",
    enabled=("TEL01Use",),
    private=("pwd", "regid", "tel1", "proxyserver"),
    phones=(
        Kind("ST2022", "4.78.1", MADRID, "00147f0a0001"),
        Kind("ST2030", "2.74", NEW_YORK, "00147f0a0002"),
        Kind("TB30", "", KABUL, "001f9f0a0003"),
    ),
    full=("ST2030",),
    clock="ST2022",
    places=True,
    texts=("ST2022",),
)
