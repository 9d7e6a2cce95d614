"""What a phone makes of a file: strict readers of the two formats, written without a look at the templates."""

import re
from xml.etree import ElementTree as ET

Pairs = list[tuple[str, str]]

VERSION_LINE = "#!version:1.0.0.1"
_LINE = re.compile(r"(?P<name>[a-z0-9_]+(?:\.[A-Za-z0-9_]+)+) = (?P<value>.+)")


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


def key_value(body: bytes) -> Pairs:
    """``name = value`` lines in order, without comments. A value reaches to the end of its line; no quoting."""
    text = body.decode("utf-8")
    first, *lines = text.split("\n")
    assert first == VERSION_LINE
    assert lines.pop() == ""
    pairs = []
    for line in lines:
        if line.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        assert match is not None, line
        pairs.append((match["name"], match["value"]))
    return pairs


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


def modules(body: bytes) -> Pairs:
    """``name :value`` lines in modules; the names of keys get the title of their page in front."""
    first, *lines = body.decode("utf-8").split("\n")
    assert first == "<<VOIP CONFIG FILE>>Version:2.0000000000".ljust(62)
    assert lines[-2:] == ["<<END OF FILE>>", ""]
    pairs, page, inside = [], "", False
    for line in lines[:-2]:
        if re.fullmatch(r"<[A-Z ]+ MODULE>", line):
            inside, page = True, ""
        elif title := re.fullmatch(r"--([A-Za-z0-9 ]+?) ?-- *:", line):
            page = f"{title[1]} "
        else:
            match = re.fullmatch(r"([A-Za-z][A-Za-z0-9 ]*?) *:(.*)", line)
            assert match is not None, line
            assert inside
            pairs.append((page + match[1] if match[1].startswith("Fkey") else match[1], match[2].strip(" ")))
    return pairs


PARSERS = {
    "cisco_spa": flat_profile,
    "yealink": key_value,
    "snom": snom_settings,
    "grandstream": gs_provision,
    "aastra": aastra_lines,
    "polycom": attributes,
    "fanvil": modules,
}
"""By plugin."""


def pattern(vendor: str, name: str) -> str:
    """A name with its indexes taken out, as ``names.txt`` lists it."""
    if vendor not in {"cisco_spa", "yealink"}:
        return name
    if vendor == "cisco_spa":
        if re.fullmatch(r"Unit_[12]_Enable", name):
            return name
        return re.sub(r"_\d+(?=_|$)", "_#", name) if re.search(r"_\d+_|_Key_\d+$", name) else name
    return re.sub(r"\.\d+(?=\.|$)", ".X", name)
