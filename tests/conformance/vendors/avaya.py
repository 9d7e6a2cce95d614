import re

from tests.conformance.vendors import BERLIN, MADRID, NEW_YORK, PARIS, Kind, Pairs, Vendor, as_it_is


def commands(body: bytes) -> Pairs:
    """SET with a name and a value between quotation marks, or GET, a line each; of a 12x0 a name and a value."""
    text = body.decode("utf-8")
    if text.startswith("[USER_CONFIG]\n"):
        return [("DOWNLOAD_MODE", "")] if "\nDOWNLOAD_MODE FORCED\n" in text else []
    pairs = []
    for line in text.split("\n"):
        if line and text.startswith("ADMIN_PASSWORD "):
            match = re.fullmatch(r"([A-Z][A-Z0-9_]*) (.*)", line)
            assert match is not None, line
            pairs.append((match[1], match[2]))
        elif line.startswith("GET "):
            pairs.append(("GET", line[4:]))
        elif line and not line.startswith("## "):
            match = re.fullmatch(r'SET ([A-Z0-9][A-Z0-9_]+) "([^"]*)"', line)
            assert match is not None, line
            pairs.append(key(match[2]) if match[1] == "PHONEKEY" else (match[1], match[2]))
    return pairs


def key(said: str) -> tuple[str, str]:
    """Name=value with semicolons between them, the last of them a word alone."""
    match = re.fullmatch(r"Key=(\d+);(Type=[^;=]+;Name=[^;=]+(;attr[12]=[^;]*)*(;Label=[^;]*)?;Forced)", said)
    assert match is not None, said
    return f"PHONEKEY {match[1]}", match[2]


def meant(name: str, marked: str, text: str) -> str:
    """Nothing can stand for what ends a value."""
    said = text.replace('"', "'")
    if name.startswith("PHONEKEY "):
        said = said.replace(";", ",")
    return as_it_is(name, marked, said)


VENDOR = Vendor(
    parse=commands,
    first=b"",
    enabled=("FORCE_SIP_EXTENSION", "SIP_DOMAIN1"),
    private=("passw", "force_sip", "autologin"),
    phones=(
        Kind("J179", "4.1.3.0.6", MADRID, "c81fea0a0001"),
        Kind("J129", "4.0.10.3.2", NEW_YORK, "c81fea0a0002"),
        Kind("96x1", "7.1.15.2.1", PARIS, "c81fea0a0003"),
        Kind("1230", "04.04.23.00", BERLIN, "0013650a0004", file="SIP{mac}.cfg"),
    ),
    full=("J179", "96x1", "1230"),
    clock="J179",
    texts=("J179",),
    meant=meant,
    orders=("PHONEKEY 1",),
    odd="BACKGROUND_IMAGE",
    free={"vendor.avaya.BACKGROUND_IMAGE": "old-picture"},
)
