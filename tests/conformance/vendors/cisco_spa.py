import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import (
    BERLIN,
    KABUL,
    MADRID,
    MARK,
    NEW_YORK,
    PARIS,
    SANTIAGO,
    Kind,
    Pairs,
    Vendor,
    as_it_is,
)


def flat_profile(body: bytes) -> Pairs:
    """Elements of a ``<flat-profile>`` in order. Refuses attributes, stray text and nesting, but for one part."""
    assert body.startswith(b"<flat-profile>\n"), body[:40]
    assert body.endswith(b"</flat-profile>\n"), body[-40:]
    # An empty element must be written as two tags: the short form means "leave alone" to the phone.
    assert b"/>" not in re.sub(rb">[^<]*<", b"><", body)
    root = ET.fromstring(body.decode("utf-8"))
    pairs = []
    for element in root:
        assert not element.attrib
        assert (element.tail or "").strip() == ""
        if element.tag == "router-configuration":
            pairs += [(f"{element.tag}/{name}", value) for name, value in _sections(element)]
            continue
        assert not len(element)
        pairs.append((element.tag, element.text or ""))
    assert (root.text or "").strip() == ""
    return pairs


def _sections(element: ET.Element) -> Pairs:
    pairs: Pairs = []
    for each in element:
        assert not each.attrib
        if len(each):
            pairs += [(f"{each.tag}/{name}", value) for name, value in _sections(each)]
        else:
            assert each.text
            pairs.append((each.tag, each.text))
    return pairs


def pattern(name: str) -> str:
    if re.fullmatch(r"Unit_[12]_Enable", name):
        return name
    return re.sub(r"_\d+(?=_|$)", "_#", name) if re.search(r"_\d+_|_Key_\d+$", name) else name


def meant(name: str, marked: str, text: str) -> str:
    """In a function of a key two characters cannot be written, and blanks at its end go."""
    if "Function" not in name and "Key" not in name:
        return as_it_is(name, marked, text)
    return marked.replace(MARK, text.replace(";", " ").replace("=", " ")).strip()


VENDOR = Vendor(
    parse=flat_profile,
    first=b"<flat-profile>\n",
    enabled=("Line_Enable_1_",),
    private=("password", "passwd", "user_id_", "proxy_"),
    phones=(
        Kind("SPA502G", "7.5.5", MADRID, "0026990a0001"),
        Kind("SPA504G", "7.5.2b", PARIS, "0026990a0002"),
        Kind("SPA509G", "7.4.8a", NEW_YORK, "0026990a0003"),
        Kind("SPA514G", "7.5.5", KABUL, "0026990a0004"),
        Kind("SPA525G", "7.4.7", BERLIN, "0026990a0005"),
        Kind("SPA525G2", "", SANTIAGO, "0026990a0006"),
        Kind("SPA112", "1.4.1", PARIS, "0026990a0007"),
        Kind("SPA8000", "6.1.12", MADRID, "0026990a0008"),
    ),
    full=("SPA509G", "SPA525G2"),
    clock="SPA502G",
    clock_part="time.xml.j2",
    unset=(),
    texts=("SPA504G", "SPA525G2"),
    odd="GPP_B",
    grammar=("firmware.url", "tls.ca_url"),
    meant=meant,
    free={"vendor.cisco_spa.GPP_A": "old-gpp", "vendor.cisco_spa.GPP_B": "old-gpp2"},
    option="/spa$PSN.cfg",
    web=True,
    listed=True,
    pattern=pattern,
)
