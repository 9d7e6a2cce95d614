import re

from tests.conformance.vendors import MADRID, MARK, NEW_YORK, Kind, Pairs, Vendor


def text(body: bytes) -> Pairs:
    """``name: "value"``, a line each, without a quotation mark in a value."""
    lines = body.decode("utf-8").split("\n")
    assert lines.pop() == ""
    matches = [re.fullmatch(r'([a-z][a-z0-9_]*): "([^"]*)"', line) for line in lines]
    assert all(matches), lines
    return [(match[1], match[2]) for match in matches if match]


def meant(_name: str, marked: str, value: str) -> str:
    """A quotation mark becomes an apostrophe."""
    return marked.replace(MARK, value.replace('"', "'"))


VENDOR = Vendor(
    parse=text,
    first=b"",
    enabled=("line1_name",),
    private=("password", "line1", "proxy1"),
    phones=(
        Kind("7960G", "8.12.0", MADRID, "001b540b0001"),
        Kind("7940", "", NEW_YORK, "001b540b0002"),
    ),
    full=("7960G",),
    texts=("7940",),
    meant=meant,
    grammar=("firmware.url",),  # its last part is the name of the load
    orders=("image_version",),
    unset=("", "UNPROVISIONED"),
    sheets=("{mac}-dialplan.xml",),
    never_again=("7960G", "7940"),
)
