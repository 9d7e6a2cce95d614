"""The Asterisk Gateway Interface on the wire: lines of text, one command and one answer at a time.

A call begins with its environment, ``agi_name: value`` lines up to an empty one. Then we send a command and read its
answer: ``200 result=1 (value)``, ``510 …``, ``511 …``, or a block that begins with ``520-`` and ends with ``520``. A
line ``HANGUP`` may stand before any of them: the caller has hung up, and the channel lives on for a moment.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError, WireError

LONGEST_LINE = 2048
MOST_LINES = 100
"""Lines of an environment, and of a block."""

_ENVIRONMENT = re.compile(r"agi_([A-Za-z0-9_]{1,40}): ?(.*)")
_ANSWER = re.compile(r"(\d{3})(?: result=(\S{0,20}))?(?: \((.*)\))?(?: .*)?")
_CHANNEL = re.compile(r"([A-Za-z0-9]{1,20})/([^\x00-\x20]{1,120})-[0-9a-f]{8}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,79}")
_SAID = 120


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command. ``value`` stood in the parentheses."""

    code: int
    result: str = ""
    value: str = ""

    @property
    def given(self) -> str:
        """The value of a variable; empty where it is not set."""
        return self.value if self.code == 200 and self.result == "1" else ""


@dataclass(frozen=True, slots=True)
class Environment:
    """What the PBX says of the call, names without ``agi_``."""

    fields: Mapping[str, str]

    def get(self, name: str) -> str:
        """The value, or an empty text; ``unknown`` is how the PBX says that it knows nothing."""
        value = self.fields.get(name, "")
        return "" if value == "unknown" else value

    @property
    def script(self) -> tuple[str, Mapping[str, str]]:
        """The script of the URL, and the parameters of its query."""
        path, _, query = self.get("network_script").partition("?")
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        return path.strip("/"), {name: value for name, _, value in pairs}

    @property
    def arguments(self) -> list[str]:
        """The arguments of the application, in order."""
        found: list[str] = []
        while (value := self.fields.get(f"arg_{len(found) + 1}")) is not None:
            found.append(value)
        return found

    @property
    def channel(self) -> tuple[str, str]:
        """Technology and endpoint of the caller's channel: ``PJSIP/101-0000002a`` is ("PJSIP", "101")."""
        found = _CHANNEL.fullmatch(self.get("channel"))
        return (found[1].upper(), found[2]) if found else ("", "")


def environment(lines: Iterable[str]) -> Environment:
    """The environment from its lines. Raises WireError when it is none."""
    fields: dict[str, str] = {}
    for line in lines:
        found = _ENVIRONMENT.fullmatch(line)
        if found is None or not found[2].isprintable():
            raise WireError(f"no line of an environment: {line[:40]!r}")
        fields.setdefault(found[1].lower(), found[2].strip())
    if "network" not in fields and "network_script" not in fields:
        raise WireError("the environment is not that of a call over the network")
    return Environment(MappingProxyType(fields))


def answer(lines: list[str]) -> Answer:
    """An answer from its line, or its block of lines. Raises WireError."""
    found = _ANSWER.fullmatch(lines[0].replace("520-", "520 ", 1))
    if found is None:
        raise WireError(f"no answer: {lines[0][:40]!r}")
    return Answer(int(found[1]), found[2] or "", found[3] or "")


def set_variable(name: str, value: str) -> bytes:
    """``SET VARIABLE``: the value in quotes, whatever it holds. Raises UsageError for a name that is none."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name[:40]!r} is no name of a variable")
    return f'SET VARIABLE {name} "{_quoted(value)}"\n'.encode()


def get_full_variable(expression: str) -> bytes:
    """``GET FULL VARIABLE``: the value of an expression such as ``${CHANNEL(pjsip,remote_addr)}``."""
    return f'GET FULL VARIABLE "{_quoted(expression)}"\n'.encode()


def stream_file(name: str) -> bytes:
    """``STREAM FILE``: play a prompt of the PBX; no key ends it."""
    return f'STREAM FILE "{_quoted(name)}" ""\n'.encode()


def _quoted(text: str) -> str:
    plain = "".join(each if each.isprintable() else " " for each in text[:_SAID])
    return plain.replace("\\", "\\\\").replace('"', '\\"')
