import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, KOLKATA, MADRID, NEW_YORK, Kind, Pairs, Vendor


def gs_provision(body: bytes) -> Pairs:
    """``<config>`` of numbered parameters (version 1) or of named items (version 2), never of both."""
    assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n<gs_provision version="1">\n'), body[:60]
    (config,) = ET.fromstring(body)
    assert (config.tag, config.get("version")) in {("config", "1"), ("config", "2")}
    pairs = []
    for element in config:
        assert not len(element)
        assert (element.tail or "").strip() == ""
        if config.get("version") == "2":
            assert (element.tag, list(element.attrib)) == ("item", ["name"])
            pairs.append((element.attrib["name"], element.text or ""))
        else:
            assert re.fullmatch(r"P[0-9]{1,5}", element.tag)
            assert not element.attrib
            pairs.append((element.tag, element.text or ""))
    return pairs


VENDOR = Vendor(
    parse=gs_provision,
    first=b"<?xml ",
    enabled=("P271", "account.1.enable"),
    private=("<p34>", "<p2>", "account.", "passw"),
    phones=(
        Kind("GXP1760", "1.0.1.133", NEW_YORK, "000b820a0001"),
        Kind("GXP2170", "1.0.11.85", MADRID, "000b820a0005"),
        Kind("GRP2614", "1.0.5.15", MADRID, "000b820a0002"),
        Kind("HT802", "", KOLKATA, "000b820a0003"),
        Kind("DP750", "", BERLIN, "000b820a0004"),
    ),
    full=("GRP2614", "GXP2170"),
    clock="GXP1760",
    texts=("GXP1760",),
    odd="P1552",
    folders=("firmware.url", "phonebook.url"),
    free={"vendor.grandstream.P1552": "old-proxy", "vendor.grandstream.network.proxy.http": "old-proxy"},
    patience=10,
)
