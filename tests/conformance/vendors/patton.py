import re
from collections import Counter

from tests.conformance.vendors import KOLKATA, MADRID, NEW_YORK, Kind, Pairs, Vendor

_WORD = re.compile(r' (?:"((?:[^"\\]|\\["\\])*)"|([^ "\\#]+))')
NAMES = {"clock": 3, "sntp-client": 3, "webserver": 2}
"""How many words the name of a command has, where it is not one."""


def commands(body: bytes) -> Pairs:
    """Commands by the mode that they stand in, two blanks for each; numbered where there are several of a name."""
    lines = body.decode("utf-8").split("\n")
    assert lines[0] == "cli version 3.20"
    assert lines.pop() == ""
    pairs: Pairs = []
    modes: list[str] = []
    counts: Counter[str] = Counter()
    for line in lines:
        command = line.lstrip(" ")
        depth, odd = divmod(len(line) - len(command), 2)
        assert not odd, line
        assert depth <= len(modes), line
        words, rest = [], " " + command
        while rest:
            word = _WORD.match(rest)
            assert word is not None, line
            words.append(re.sub(r"\\(.)", r"\1", word[1]) if word[1] is not None else word[2])
            rest = rest[word.end() :]
        size = NAMES.get(words[0], 1)
        name = "/".join([*modes[:depth], " ".join(words[:size])])
        counts[name] += 1
        name = f"{name} {counts[name]}" if counts[name] > 1 else name
        modes[depth:] = [name.rpartition("/")[2]]
        pairs.append((name, " ".join(words[size:])))
    return pairs


VENDOR = Vendor(
    parse=commands,
    first=b"cli version 3.20\n",
    enabled=("location-service",),
    private=("password", "username", "identity", "fxs"),
    phones=(
        Kind("SN4112", "6.2", MADRID, "00a0ba0a0001"),
        Kind("SN4118", "", NEW_YORK, "00a0ba0a0002"),
        Kind("SN4316", "6.9", KOLKATA, "00a0ba0a0003"),
    ),
    full=("SN4118",),
    clock="SN4118",
    texts=("SN4112",),
    replaces=True,
    names_calls=False,
)
