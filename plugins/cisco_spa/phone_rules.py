"""The grammar of profile rules: ``[ (condition) ? ] [options] URL | next …`` with ``$`` macros."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

_MACRO = re.compile(
    r"\$(?:(?P<dollar>\$)|\((?P<long>\w+)(?::(?P<start>\d+))?(?::(?P<length>\d+))?\)|"
    r"(?P<short>MAU|MAC|MA|PSN|PN|PORT|PATH|PRVST|SERVIP|SERV|SCHEME|SWVER|HWVER|SN|CCERT|IP|EXTIP|UPGST|ERR|"
    r"S[A-D]|[A-P]))"
)
_CONDITION = re.compile(r"\((?P<test>[^()]*)\)\s*\?\s*(?P<rest>.*)", re.DOTALL)
_TEST = re.compile(
    r'\s*"?([^"\s]*?)"?\s*(==|!=|<=|>=|=|<|>|\blt\b|\ble\b|\bgt\b|\bge\b|\beq\b|\bne\b)\s*"?([^"\s]*)"?\s*'
)
_BRACKET = re.compile(r"\[(?P<options>[^\]]*)\]\s*(?P<rest>.*)", re.DOTALL)
_OPTION = re.compile(r'--(\w+)(?:\s+(?:"([^"]*)"|([^\s"-]\S*)))?')
_KNOWN_OPTIONS = frozenset({"key", "post", "alias", "uid", "pwd"})

_Compare = Callable[[list[tuple[int, str]], list[tuple[int, str]]], bool]
_OPERATORS: Mapping[str, _Compare] = {
    "==": operator.eq,
    "=": operator.eq,
    "eq": operator.eq,
    "!=": operator.ne,
    "ne": operator.ne,
    "<": operator.lt,
    "lt": operator.lt,
    "<=": operator.le,
    "le": operator.le,
    ">": operator.gt,
    "gt": operator.gt,
    ">=": operator.ge,
    "ge": operator.ge,
}


@dataclass(slots=True)
class Alternative:
    """One alternative of a rule. ``url`` is empty when its condition does not hold or nothing is asked for."""

    url: str = ""
    options: dict[str, str] = field(default_factory=dict)
    complaints: list[str] = field(default_factory=list)


def alternatives(rule: str, macros: Mapping[str, str]) -> list[Alternative]:
    """The alternatives of a rule in their order, conditions decided and macros expanded."""
    return [_alternative(text.strip(), macros) for text in _split(rule)]


def expand(text: str, macros: Mapping[str, str], complaints: list[str]) -> str:
    """``text`` with its macros replaced: ``$NAME``, ``$(NAME:start:length)`` and ``$$``."""

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["long"] or match["short"]
        if name not in macros:
            complaints.append(f"the macro ${name} is not known")
            return ""
        rest = macros[name][int(match["start"] or 0) :]
        return rest[: int(match["length"])] if match["length"] else rest

    if "$" in _MACRO.sub("", text):
        complaints.append(f"a $ that begins no known macro in {text!r}")
    return _MACRO.sub(value, text)


def _split(rule: str) -> list[str]:
    """The rule cut at each ``|`` that stands outside of quotes, brackets and parentheses."""
    parts = [""]
    depth = 0
    quoted = False
    for character in rule:
        if character == '"':
            quoted = not quoted
        elif not quoted and character in "[(":
            depth += 1
        elif not quoted and character in "])":
            depth -= 1
        if character == "|" and not quoted and depth <= 0:
            parts.append("")
        else:
            parts[-1] += character
    return parts


def _alternative(text: str, macros: Mapping[str, str]) -> Alternative:
    found = Alternative()
    condition = _CONDITION.fullmatch(text)
    if condition is not None:
        if not _holds(expand(condition["test"], macros, found.complaints), found.complaints):
            return found
        text = condition["rest"]
    bracket = _BRACKET.fullmatch(text)
    if bracket is not None:
        words = _OPTION.findall(expand(bracket["options"], macros, found.complaints))
        found.options = {name: quoted or bare for name, quoted, bare in words}
        found.complaints += [
            f"the option --{name} is not known" for name in found.options if name not in _KNOWN_OPTIONS
        ]
        text = bracket["rest"]
    found.url = expand(text.strip(), macros, found.complaints)
    if " " in found.url:
        found.complaints.append(f"a blank in the URL {found.url!r}")
        found.url = ""
    return found


def _holds(test: str, complaints: list[str]) -> bool:
    match = _TEST.fullmatch(test)
    if match is None:
        complaints.append(f"the condition ({test}) is not understood")
        return False
    return _OPERATORS[match[2]](_comparable(match[1]), _comparable(match[3]))


def _comparable(text: str) -> list[tuple[int, str]]:
    """A number or a version in an order that puts 7.4.9 before 7.5.2 and 7.5.2 before 7.5.2b."""
    return [(int(digits or 0), rest) for digits, rest in re.findall(r"(\d*)([^.]*)\.?", text) if digits or rest]
