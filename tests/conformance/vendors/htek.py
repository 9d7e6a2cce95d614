import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import MADRID, NEW_YORK, Kind, Pairs, Vendor


def hl_provision(body: bytes) -> Pairs:
    """One ``<config>`` of numbered parameters, each with what it is called beside it."""
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<hl_provision version="1">\n'), body[:60]
    assert b"\n\n" not in body
    (config,) = ET.fromstring(body)
    assert (config.tag, config.get("version")) == ("config", "1")
    pairs = []
    for element in config:
        assert not len(element)
        assert (element.tail or "").strip() == ""
        assert re.fullmatch(r"P[0-9]{1,5}", element.tag)
        assert list(element.attrib) == ["para"]
        pairs.append((element.tag, element.text or ""))
    return pairs


VENDOR = Vendor(
    parse=hl_provision,
    first=b"<?xml ",
    enabled=("P271",),
    private=("<p34>", "<p2>", "passw", "account"),
    phones=(
        Kind("UC926", "2.0.4.6.41", MADRID, "001fc10a0001"),
        Kind("UC903", "", NEW_YORK, "001fc10a0002"),
        Kind("UC902", "2.0.4.2", NEW_YORK, "001fc10a0003"),
    ),
    full=("UC926",),
    clock="UC903",
    places=True,
    texts=("UC903",),
    patience=10,
)
