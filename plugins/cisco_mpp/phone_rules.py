"""The grammar of profile rules: ``[ (condition) ? ] [options] URL | next …`` with ``$`` macros."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_MACRO = re.compile(
    r"\$(?:(?P<dollar>\$)|\((?P<long>\w+)\)|(?P<short>MAU|MAC|MA|PSN|PN|SWVER|HWVER|SN|CCERT|IP|S[A-D]|[A-P]))"
)
_CONDITION = re.compile(r"\((?P<test>[^()]*)\)\s*\?\s*(?P<rest>.*)", re.DOTALL)
_TEST = re.compile(r'\s*"?([^"\s]*?)"?\s*(==|!=|=|\beq\b|\bne\b)\s*"?([^"\s]*)"?\s*')
_BRACKET = re.compile(r"\[(?P<options>[^\]]*)\]\s*(?P<rest>.*)", re.DOTALL)
_OPTION = re.compile(r'--(\w+)(?:\s+(?:"([^"]*)"|([^\s"-]\S*)))?')
_KNOWN_OPTIONS = frozenset({"key", "uid", "pwd"})


@dataclass(slots=True)
class Choice:
    """What a rule comes to. ``url`` is empty when no condition holds or nothing is asked for."""

    url: str = ""
    options: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def chosen(rule: str, macros: Mapping[str, str]) -> Choice:
    """The first alternative whose condition holds, or that has none; its macros are expanded."""
    found = Choice()
    for text in _split(rule):
        condition = _CONDITION.fullmatch(text.strip())
        if condition is not None and not _holds(expand(condition["test"], macros, found), found):
            continue
        _take((condition["rest"] if condition else text).strip(), macros, found)
        break
    return found


def expand(text: str, macros: Mapping[str, str], found: Choice) -> str:
    """``text`` with its macros replaced: ``$NAME``, ``$(NAME)`` and ``$$``. What is no macro stays as it is."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        return macros.get(match["long"] or match["short"], match[0])

    if "$" in _MACRO.sub("", text):
        found.complaints.append(f"a $ that begins no known macro in {text!r}")
    return _MACRO.sub(value, text)


def _split(rule: str) -> list[str]:
    """The rule cut at each ``|`` that stands outside of quotes, brackets and parentheses."""
    parts, depth, quoted = [""], 0, False
    for character in rule:
        if character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character in "[(") - (character in "])")
        if character == "|" and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _take(text: str, macros: Mapping[str, str], found: Choice) -> None:
    bracket = _BRACKET.fullmatch(text)
    if bracket is not None:
        words = _OPTION.findall(expand(bracket["options"], macros, found))
        found.options = {name: quoted or bare for name, quoted, bare in words}
        found.complaints += [f"the option --{name} is not known" for name in found.options.keys() - _KNOWN_OPTIONS]
        text = bracket["rest"]
    found.url = expand(text.strip(), macros, found)
    if " " in found.url:
        found.complaints.append(f"a blank in the URL {found.url!r}")
        found.url = ""


def _holds(test: str, found: Choice) -> bool:
    match = _TEST.fullmatch(test)
    if match is None:
        found.complaints.append(f"the condition ({test}) is not understood")
        return False
    return (match[1] == match[3]) == (match[2] in {"==", "=", "eq"})
