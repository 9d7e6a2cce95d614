import re

from tests.conformance.vendors import MADRID, Kind, Pairs, Vendor


def stations(body: bytes) -> Pairs:
    """``[section]``, then `` name=value``; names are told apart by themselves."""
    lines = body.decode("utf-8").split("\n")
    assert lines[0] == "[sip]"
    assert lines.pop() == ""
    assert lines.count("[call]") == 1
    pairs: Pairs = []
    for line in lines:
        if line not in {"[sip]", "[call]"}:
            match = re.fullmatch(r" ([a-z0-9_]+)=(.*)", line)
            assert match is not None, line
            pairs.append((match[1], match[2]))
    return pairs


VENDOR = Vendor(
    parse=stations,
    first=b"[sip]\n",
    enabled=("sip_domain",),
    private=("sip_id", "auth_pwd"),
    phones=(Kind("IP station", "", MADRID, "0013cb0a0001"),),
    full=("IP station",),
    texts=("IP station",),
    web=True,
)
