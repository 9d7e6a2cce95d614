from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, MADRID, NEW_YORK, PARIS, Kind, Pairs, Vendor


def snom_settings(body: bytes) -> Pairs:
    """``<settings>`` with elements that have an index or none, and function keys whose label is an attribute."""
    assert body.startswith(b'<?xml version="1.0" encoding="utf-8"?>\n<settings>\n'), body[:60]
    pairs = []
    for part in ET.fromstring(body):
        assert part.tag in {"phone-settings", "functionKeys", "firmware-settings"}
        assert not part.attrib
        for element in part:
            assert not len(element)
            assert (element.tail or "").strip() == ""
            name = ".".join(filter(None, (element.tag, element.get("idx"))))
            pairs.append((name, element.text or ""))
            pairs += [(f"{name}.{key}", element.attrib[key]) for key in ("label", "context") if key in element.attrib]
    return pairs


VENDOR = Vendor(
    parse=snom_settings,
    first=b"<?xml ",
    enabled=("user_active.1",),
    private=("user_pass", "user_host", "password", "pass>"),
    phones=(
        Kind("D785", "10.1.159.12", MADRID, "0004130a0001"),
        Kind("725", "", NEW_YORK, "0004130a0002"),
        Kind("320", "8.4.18", BERLIN, "0004130a0003"),
        Kind("M700", "05.20.0001", PARIS, "0004130a0004"),
    ),
    full=("D785",),
    clock="D785",
    texts=("D785",),
    odd="lcserver1",
    free={"vendor.snom.lcserver1": "old-lcserver"},
    never_again=("M700",),
)
