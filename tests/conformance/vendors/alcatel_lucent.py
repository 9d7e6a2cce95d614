import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, KOLKATA, MADRID, NEW_YORK, Kind, Pairs, Vendor, as_it_is

SECTIONS = ["dns", "sip", "sntp", "telnet", "audio", "admin", "appl"]


def settings(body: bytes) -> Pairs:
    """``<setting>`` elements, all of them with ``override`` or none; or sections of ``name=value`` lines."""
    if not body.startswith(b"<?xml"):
        return sections(body)
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<settings>\n'), body[:60]
    pairs, overrides = [], set()
    for element in ET.fromstring(body):
        assert element.tag == "setting"
        assert {*element.attrib} - {"override"} == {"id", "value"}
        overrides.add(element.get("override"))
        assert re.fullmatch(r"[A-Za-z_]+[A-Za-z0-9_]*", element.attrib["id"])
        pairs.append((element.attrib["id"], element.attrib["value"]))
    assert overrides in ({None}, {"true"})
    return pairs


def sections(body: bytes) -> Pairs:
    pairs, found = [], []
    for line in body.decode("utf-8").splitlines():
        if line.startswith("["):
            found.append(line[1:-1])
            assert line == f"[{found[-1]}]"
        elif line:
            match = re.fullmatch(r"([a-z0-9_]+)=(.*)", line)
            assert match is not None, line
            pairs.append((f"{found[-1]} {match[1]}", match[2]))
    assert found == SECTIONS
    return pairs


def meant(name: str, marked: str, text: str) -> str:
    """The password of an IP Touch is the factory's where it is not of digits alone."""
    if name in {"telnet telnet_password", "appl admin_password"}:
        return text if text.isdigit() else marked
    return as_it_is(name, marked, text)


VENDOR = Vendor(
    parse=settings,
    first=b"",
    enabled=("Account1Enable", "SIPServer1Address", "sip registrar_addr"),
    private=("pwd", "password", "passwd", "account1", "sipgroup1"),
    phones=(
        Kind("M5", "2.13.02.2001", MADRID, "3c28a60a0001"),
        Kind("M3", "", NEW_YORK, "3c28a60a0002"),
        Kind("8028s-GE", "1.51.52.2204", BERLIN, "487a550a0003"),
        Kind("4028", "2.01.20", KOLKATA, "00809f0a0004", file="sipconfig-{mac}.txt"),
    ),
    full=("M5", "8028s-GE", "4028"),
    clock="M5",
    texts=("M5", "4028"),
    meant=meant,
)
