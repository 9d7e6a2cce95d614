import re

from tests.conformance.vendors import (
    BERLIN,
    DUBLIN,
    KOLKATA,
    MADRID,
    NEW_YORK,
    NOWHERE,
    PARIS,
    SANTIAGO,
    Kind,
    Pairs,
    Vendor,
)

VERSION_LINE = "#!version:1.0.0.1"
_LINE = re.compile(r"(?P<name>[a-z0-9_]+(?:\.[A-Za-z0-9_]+)+) = (?P<value>.+)")


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


def pattern(name: str) -> str:
    return re.sub(r"\.\d+(?=\.|$)", ".X", name)


VENDOR = Vendor(
    parse=key_value,
    first=f"{VERSION_LINE}\n".encode(),
    enabled=("account.1.enable",),
    private=("user_password", "account."),
    phones=(
        Kind("T21P", "34.72.0.75", MADRID, "0015650a0001"),
        Kind("T21P_E2", "52.84.0.15", PARIS, "0015650a0002"),
        Kind("T23P", "44.80.0.95", BERLIN, "0015650a0003"),
        Kind("T27P", "45.83.0.35", KOLKATA, "0015650a0004"),
        Kind("T48G", "", NEW_YORK, "0015650a0005"),
        Kind("W52P", "25.81.0.60", DUBLIN, "0015650a0006"),
        Kind("W56P", "", NOWHERE, "0015650a0007"),
    ),
    generations=(
        Kind("T38G", "38.70.0.125", MADRID, "0015650a0011"),
        Kind("T28P", "2.73.0.50", PARIS, "0015650a0012"),
        Kind("T40P", "54.81.0.110", BERLIN, "0015650a0013"),
        Kind("T41S", "66.82.0.20", NEW_YORK, "0015650a0014"),
        Kind("W60B", "77.85.0.25", DUBLIN, "0015650a0015"),
        Kind("T33G", "124.86.0.75", KOLKATA, "0015650a0016"),
        Kind("W70B", "146.87.0.10", SANTIAGO, "0015650a0017"),
    ),
    full=("T48G", "W52P"),
    clock="T21P_E2",
    clock_part="time.cfg.j2",
    repeated=("security.user_password", "static.security.user_password"),  # one for each of its users
    unset=("%NULL%",),
    texts=("T21P", "T27P", "W52P", "W56P"),
    odd="phone_setting.phone_lock.unlock_pin",
    free={
        "vendor.yealink.phone_setting.phone_lock.unlock_pin": "old-pin",
        "vendor.yealink.multicast.codec": "old-codec",
    },
    web=True,
    listed=True,
    pattern=pattern,
)
