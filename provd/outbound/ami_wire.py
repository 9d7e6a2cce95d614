"""Asterisk Manager Interface on the wire: octets in, messages out, and back.

A message is a block of ``Key: value`` lines, ended by an empty one, all with CR LF. The server greets with a line of
its own (``Asterisk Call Manager/5.0.1``). Answers to an action carry its ``ActionID``; events come in between.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError, WireError
from provd.base.secrets import Secret

LONGEST_LINE = 8192
LONGEST_MESSAGE = 65536
"""Octets; what is longer comes from nobody who speaks this protocol."""

_KEY = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_BANNER = re.compile(r"Asterisk Call Manager/([0-9.]{1,20})")
_LONGEST_VALUE = 500


@dataclass(frozen=True, slots=True)
class Message:
    """One block: the first value of each key, keys in lower case."""

    fields: Mapping[str, str]

    def get(self, key: str) -> str:
        """The value, or an empty text."""
        return self.fields.get(key, "")

    @property
    def is_response(self) -> bool:
        """Whether it answers an action."""
        return "response" in self.fields

    @property
    def good(self) -> bool:
        """Whether it says that the action was carried out."""
        return self.get("response").lower() in {"success", "goodbye", "pong"}


def version_of(banner: str) -> str:
    """The protocol's version from the line that greets. Raises WireError when it is another protocol's."""
    found = _BANNER.fullmatch(banner)
    if found is None:
        raise WireError(f"no Asterisk Call Manager: greeted with {banner[:40]!r}")
    return found[1]


def action(name: str, fields: Iterable[tuple[str, str]]) -> bytes:
    """One action as octets. Raises UsageError where a key or a value would be something else on the wire."""
    lines = []
    for key, value in (("Action", name), *fields):
        if not _KEY.fullmatch(key):
            raise UsageError(f"{key[:40]!r} is no key of an action")
        # A line break would begin another line, and two of them another action.
        if not value.isprintable() or len(value) > _LONGEST_VALUE:
            raise UsageError(f"the value of {key} cannot be sent: it is too long or not printable")
        lines.append(f"{key}: {value}\r\n")
    return "".join([*lines, "\r\n"]).encode()


def variable(name: str, value: str) -> tuple[str, str]:
    """A ``Variable`` field (a header of a NOTIFY). Raises UsageError where the value would become several."""
    if not _KEY.fullmatch(name):
        raise UsageError(f"{name[:40]!r} is no name of a header")
    if "," in value:
        raise UsageError(f"{name}: a comma would end the value")
    return "Variable", f"{name}={value}"


def response_to(challenge: str, secret: Secret) -> str:
    """The ``Key`` of a login with ``AuthType: MD5``."""
    return hashlib.md5((challenge + secret.reveal()).encode(), usedforsecurity=False).hexdigest()


class Reader:
    """Octets as they come, in any pieces. ``banner`` is the first line, once it is there."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._lines: list[str] = []
        self._size = 0
        self.banner: str | None = None

    def feed(self, octets: bytes) -> list[Message]:
        """The messages that are complete now. Raises WireError for what is too long."""
        self._rest += octets
        messages = []
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end]).rstrip(b"\r").decode("utf-8", "replace")
            del self._rest[: end + 1]
            if end > LONGEST_LINE:
                break
            if self.banner is None:
                self.banner = line
            elif line:
                self._keep(line)
            elif self._lines:
                messages.append(_message(self._lines))
                self._lines, self._size = [], 0
        if len(self._rest) > LONGEST_LINE or end > LONGEST_LINE:
            raise WireError(f"a line of more than {LONGEST_LINE} octets")
        return messages

    def _keep(self, line: str) -> None:
        self._size += len(line)
        if self._size > LONGEST_MESSAGE:
            raise WireError(f"a message of more than {LONGEST_MESSAGE} octets")
        self._lines.append(line)


def _message(lines: Iterable[str]) -> Message:
    fields: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if colon:
            fields.setdefault(key.strip().lower(), value.strip())
    return Message(MappingProxyType(fields))
