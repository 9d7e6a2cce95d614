import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import KABUL, MADRID, MARK, NEW_YORK, PARIS, Kind, Pairs, Vendor, as_it_is


def flat_profile(body: bytes) -> Pairs:
    """Elements of a ``<flat-profile>`` in order. Refuses attributes, stray text, nesting and the short empty form."""
    assert body.startswith(b"<flat-profile>\n"), body[:40]
    assert body.endswith(b"</flat-profile>\n"), body[-40:]
    assert b"/>" not in re.sub(rb">[^<]*<", b"><", body)
    root = ET.fromstring(body.decode("utf-8"))
    for element in root:
        assert not element.attrib
        assert not len(element)
        assert (element.tail or "").strip() == ""
    assert (root.text or "").strip() == ""
    return [(element.tag, element.text or "") for element in root]


def pattern(name: str) -> str:
    return re.sub(r"_\d+(?=_|$)", "_#", name)


def meant(name: str, marked: str, text: str) -> str:
    """In a function of a key two characters cannot be written, and blanks at its end go."""
    if "Function" not in name and "Key" not in name:
        return as_it_is(name, marked, text)
    return marked.replace(MARK, text.replace(";", " ").replace("=", " ")).strip()


VENDOR = Vendor(
    parse=flat_profile,
    first=b"<flat-profile>\n",
    enabled=("Line_Enable_1_",),
    private=("password", "user_id_", "proxy_"),
    phones=(
        Kind("7841", "11.3.1", MADRID, "00562b0a0001"),
        Kind("8851", "12.0.1", NEW_YORK, "00562b0a0002"),
        Kind("7811", "11.0.1", PARIS, "00562b0a0003"),
        Kind("6851", "", KABUL, "00562b0a0004"),
    ),
    full=("8851",),
    clock="7811",
    clock_part="time.xml.j2",
    unset=("", '""'),
    texts=("7841",),
    odd="GPP_B",
    grammar=("firmware.url", "tls.ca_url"),
    meant=meant,
    free={"vendor.cisco_mpp.GPP_A": "old-gpp", "vendor.cisco_mpp.GPP_B": "old-gpp2"},
    option="/$PSN.xml",
    listed=True,
    pattern=pattern,
)
