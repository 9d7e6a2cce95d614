import re

from tests.conformance.vendors import KOLKATA, NEW_YORK, PARIS, Kind, Pairs, Vendor

_PARAMETER = re.compile(r"!(?P<name>[a-z0-9 \[\]|-]+):(?: (?P<value>.+))?")


def aastra_lines(body: bytes) -> Pairs:
    """``!name: value`` lines, each locked; a value with "#" in it stands between quotes."""
    lines = body.decode("utf-8").split("\n")
    assert lines.pop() == ""
    pairs = []
    for line in lines:
        match = _PARAMETER.fullmatch(line)
        assert match is not None, line
        value = match["value"] or ""
        quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
        assert quoted or "#" not in value, line
        pairs.append((match["name"], value[1:-1] if quoted else value.strip()))
    return pairs


VENDOR = Vendor(
    parse=aastra_lines,
    first=b"!auto resync mode: 3\n",
    enabled=("sip line1 proxy ip",),
    private=("password", "sip line1"),
    phones=(
        Kind("6867i", "4.2.0.181", PARIS, "00085d0a0001"),
        Kind("6731i", "3.2.2.56", NEW_YORK, "00085d0a0002"),
        Kind("6757i", "", KOLKATA, "00085d0a0003"),
    ),
    full=("6867i",),
    clock="6867i",
    texts=("6867i",),
    odd="xml_application_title",
    free={"vendor.aastra.xml_application_uri": "http://old.example/menu.xml"},
    minutes=2880,  # looks once a day at most
)
