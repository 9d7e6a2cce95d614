"""Dial plans in the notation of sequences between bars, ``(9xx|<0:0049>[1-9]x.|!x.)``, as simulated phones read them.

``x`` is a digit, ``[2-9]`` one of a set, ``.`` any number of what stands before it, ``,`` a second dial tone,
``<a:b>`` what is sent in place of what was keyed in; ``!`` bars what a sequence fits; ``S0``, ``L8`` and ``P5`` are
timers. The first sequence that fits counts.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from provd.plugin.phone import Dialed

_ELEMENT = re.compile(
    r"<(?P<from>[^:>]*):(?P<to>[^>]*)>|\[(?P<set>[^\]]*)\]|(?P<timer>[SLP]\d+)|(?P<one>[\dx*#.,!])", re.ASCII
)


class _Sequence(NamedTuple):
    """A group of the pattern for each element, what is sent in place of some of them, and whether it bars."""

    pattern: re.Pattern[str]
    replacements: dict[str, str]
    barred: bool


def dialed(digits: str, plan: str) -> Dialed:
    """What becomes of the digits. A sequence that cannot be read fits nothing."""
    for text in plan.strip().removeprefix("(").removesuffix(")").split("|"):
        sequence = _compiled(text)
        match = sequence and sequence.pattern.fullmatch(digits)
        if not sequence or not match:
            continue
        if sequence.barred:
            return Dialed("", f"barred by {text}")
        sent = (sequence.replacements.get(name, part or "") for name, part in match.groupdict().items())
        return Dialed("".join(sent), f"by {text}")
    return Dialed("", f"no sequence of the dial plan {plan} fits")


def _compiled(text: str) -> _Sequence | None:
    parts: list[str] = []
    replacements: dict[str, str] = {}
    barred = False
    end = 0
    for match in _ELEMENT.finditer(text):
        if match.start() != end:
            return None
        end = match.end()
        one = match["one"]
        if match["to"] is not None:
            replacements[f"e{len(parts)}"] = match["to"]
            parts.append(re.escape(match["from"]).replace("x", r"\d"))
        elif match["set"] is not None:
            parts.append(f"[{re.escape(match['set']).replace(chr(92) + '-', '-').replace('x', '0-9')}]")
        elif one == "." and parts:
            parts[-1] += "*"
        elif one == "!":
            barred = True
        elif one is not None and one not in ",.":
            parts.append(r"\d" if one == "x" else re.escape(one))
    if end != len(text):
        return None
    pattern = re.compile("".join(f"(?P<e{number}>{part})" for number, part in enumerate(parts)))
    return _Sequence(pattern, replacements, barred)
