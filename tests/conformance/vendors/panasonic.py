import re

from tests.conformance.vendors import KOLKATA, MADRID, MARK, NEW_YORK, PARIS, Kind, Pairs, Vendor

FIRST = (b"# Panasonic SIP Phone Standard Format File #", b"# PCC Standard Format File #")


def between_quotes(body: bytes) -> Pairs:
    """``NAME="value"`` lines that end with CR LF, behind the line that tells the format; the last one is empty."""
    assert body.startswith(FIRST)
    first, *lines, empty, nothing = body.decode("utf-8").split("\r\n")
    assert first.endswith("# DO NOT CHANGE THIS LINE!")
    assert (empty, nothing) == ("", "")
    pairs = []
    for line in lines:
        assert len(line.encode()) <= 535
        match = re.fullmatch(r'([A-Z][A-Z0-9_]{1,31})="([^"\r\n]*)"', line)
        assert match is not None, line
        pairs.append((match[1], match[2]))
    return pairs


def no_quotes_within(_name: str, marked: str, text: str) -> str:
    return marked.replace(MARK, text.replace('"', "'"))


VENDOR = Vendor(
    parse=between_quotes,
    first=b"# P",
    enabled=("SIP_RGSTR_ADDR_1",),
    private=("pass", "sip_", "authid"),
    phones=(
        Kind("KX-UT136", "01.251", MADRID, "0080f00a0001"),
        Kind("KX-UT113", "", KOLKATA, "0080f00a0002"),
        Kind("KX-HDV330", "06.101", PARIS, "0080f00a0003"),
        Kind("KX-TGP500", "12.81", NEW_YORK, "0080f00a0004"),
    ),
    full=("KX-UT136", "KX-HDV330"),
    clock="KX-UT136",
    texts=("KX-UT136",),
    meant=no_quotes_within,
)
