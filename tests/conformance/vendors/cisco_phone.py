from collections.abc import Iterator
from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, MADRID, NEW_YORK, Kind, Pairs, Vendor

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n<device>\n'


def device(body: bytes) -> Pairs:
    """Elements by their paths, those of a line behind its button. Attributes are lines' and the group's alone."""
    assert body.startswith(HEAD), body[:60]
    assert body.endswith(b"</device>\n")
    assert b"\n\n" not in body
    root = ET.fromstring(body.decode("utf-8"))
    buttons = [int(line.get("button", "")) for line in root.findall("sipProfile/sipLines/line")]
    assert buttons == sorted(set(buttons))
    return list(_below(root, ""))


def _below(element: ET.Element, path: str) -> Iterator[tuple[str, str]]:
    assert not (element.text or "").strip() or not len(element)
    for child in element:
        assert not (child.tail or "").strip()
        known = {"line": {"button", "lineIndex"}, "member": {"priority"}}.get(child.tag, set())
        assert {*child.attrib} <= known
        if child.tag == "line":
            yield f"line {child.get('button')}", child.get("lineIndex", "")
            yield from _below(child, f"line {child.get('button')} ")
        elif len(child):
            yield from _below(child, f"{path}{child.tag}/")
        else:
            yield path + child.tag, child.text or ""


VENDOR = Vendor(
    parse=device,
    first=HEAD,
    enabled=("line 1 featureID",),
    private=("password",),
    phones=(
        Kind("7965G", "9.4.2", MADRID, "001b540a0001"),
        Kind("7942G", "", NEW_YORK, "001b540a0002"),
        Kind("9951", "9.4.2", BERLIN, "001b540a0003"),
    ),
    full=("7965G",),
    clock="7942G",
    places=True,
    replaces=True,
    texts=("7942G",),
    grammar=("firmware.url",),  # its last part is the name of the load
    sheets=("{mac}-dialplan.xml",),
    never_again=("7965G", "7942G", "9951"),
)
