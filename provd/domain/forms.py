"""Forms of values: what fits, and how that is said to people and in a JSON schema."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import ip_address

from provd.base.dataclass import dataclass

Value = str | int | bool

_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_LONGEST_NAME = 253
# What ends a value in some phones' files is written with % in any URL (RFC 3986).
_URL = re.compile(r"(?:https?|tftp|ftp)://(?:(?![\"<>])[!-~]){1,240}")
_STAR_CODE = re.compile(r"[0-9*#]{1,16}")
_RULE = re.compile(r"(?:[0-9x*#+]|\[[0-9*#]+(?:-[0-9][0-9*#]*)*\])+\.?")
_POSITIONS = re.compile(r"[1-9][0-9]{0,2}")


@dataclass(frozen=True, slots=True)
class Form:
    """What a value must look like. ``wanted`` ends the sentence "must …"; the rest is for the schema."""

    wanted: str
    fits: Callable[[Value], bool]
    choices: tuple[str, ...] = ()
    low: int | None = None
    high: int | None = None

    def fault(self, value: Value) -> str:
        """Why a value of the right kind is refused, or an empty text."""
        return "" if self.fits(value) else f"must {self.wanted}"


def matching(pattern: re.Pattern[str], wanted: str) -> Form:
    """A text that is matched as a whole."""
    return Form(f"be {wanted}", lambda value: pattern.fullmatch(str(value)) is not None)


def between(low: int, high: int) -> Form:
    """A number with bounds, both included."""
    return Form(f"be between {low} and {high}", lambda value: low <= int(value) <= high, low=low, high=high)


def one_of(*choices: str) -> Form:
    """One of a few words."""
    return Form(f"be one of {', '.join(choices)}", lambda value: value in choices, choices)


def short(limit: int) -> Form:
    """Any text up to that many characters."""
    return Form(f"have at most {limit} characters", lambda value: len(str(value)) <= limit, high=limit)


def some_of(*choices: str) -> Form:
    """A list of different words out of a few."""

    def fits(value: Value) -> bool:
        members = str(value).split(",")
        return len(set(members)) == len(members) and set(members) <= set(choices)

    return Form(f"be a list, each once, of {', '.join(choices)}", fits, choices)


def list_of(pattern: re.Pattern[str], wanted: str, most: int) -> Form:
    """A list whose members match a pattern."""

    def fits(value: Value) -> bool:
        members = str(value).split(",")
        return len(members) <= most and all(pattern.fullmatch(member) for member in members)

    return Form(f"be a list of at most {most} {wanted}", fits)


def _is_address(value: Value) -> bool:
    try:
        # A zone (fe80::1%eth0) means something on one machine only.
        return "%" not in str(value) and bool(ip_address(str(value)))
    except ValueError:
        return False


def _is_host(value: Value) -> bool:
    """An address, or a name by RFC 1123 (underscores are met, too). What ends in a number is no name: 10.0.0.256."""
    text = str(value)
    labels = text.split(".")
    named = len(text) <= _LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)
    return (named and not labels[-1].isdigit()) or _is_address(text)


ADDRESS = Form("be an address", _is_address)
HOST = Form("be a host name or an address", _is_host)
URL = matching(_URL, "a URL that begins with http://, https://, tftp:// or ftp://, without quotation marks, < or >")
PORT = between(1, 65535)
STAR_CODE = matching(_STAR_CODE, "up to 16 of 0-9, * and #")
DIAL_RULES = list_of(_RULE, "patterns of 0-9 * # + x (any digit) [1-5], and . at the end (any more)", 20)
POSITIONS = list_of(_POSITIONS, "numbers of lines", 40)
FLAG = Form("be true or false", lambda value: isinstance(value, bool))
