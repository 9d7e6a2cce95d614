import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import MADRID, NEW_YORK, Kind, Pairs, Vendor


def attributes(body: bytes) -> Pairs:
    """Every attribute of the one element that has any, each on a line of its own; ``device.…`` follows its ``.set``."""
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n<'), body[:60]
    root = ET.fromstring(body)
    (holder,) = [element for element in root.iter() if element.attrib]
    pairs = list(holder.attrib.items())
    assert len(re.findall(rb'^[\w.-]+="[^"\n]*"$', body, re.MULTILINE)) == len(pairs)
    for place, (name, _) in enumerate(pairs):
        if name.startswith("device.") and not name.endswith("set"):
            assert pairs[place - 1] == (f"{name}.set", "1")
    return pairs


VENDOR = Vendor(
    parse=attributes,
    first=b"<?xml ",
    enabled=("reg.1.address",),
    private=("password", "passwd", "reg.1"),
    phones=(
        Kind("VVX411", "5.9.2.3446", MADRID, "0004f20a0001"),
        Kind("SPIP650", "", NEW_YORK, "0004f20a0002"),
    ),
    full=("VVX411",),
    clock="VVX411",
    texts=("VVX411",),
    odd="up.backlight.timeout",
    free={"vendor.polycom.up.backlight.timeout": "old-timeout"},
    patience=10,
)
