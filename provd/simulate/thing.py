"""A simulated device that is not a phone: asks for its key as the smallest firmware does, and judges each reply.

Such firmware reads once, into 200 octets, and finds its way by exact spellings. The thing here is the strictest of
those that are known, and speaks like one of three of them. It complains of what one of them would not understand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Literal
from urllib.parse import quote

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError
from provd.simulate.thing_home import PATH, PROVISION, QUERY, Heard, heard, message

PATIENCE = 3.0
"""Seconds that it waits for a reply."""
PAUSE = 10.0
"""Seconds until it asks again, whatever the answer was: it reads no Retry-After."""
ROOM = 198
"""Octets of a whole 200 reply that it can take in."""
_LONGEST = {"vendor": 20, "model": 20, "sn": 40}
_KEY = re.compile(rb"[0-9a-f]{40}")
_STATUS = re.compile(rb"HTTP/1\.1 (\d{3}) [^\r\n]*\r\n")
_NOT_ESCAPED = re.compile(r"[!-$'-*,-<>-~]+")
"""What a value may hold that is put into a form as it is: visible ASCII but ``%``, ``&``, ``+`` and ``=``."""

Dialect = Literal["sketch", "library", "script"]
DIALECTS: tuple[Dialect, ...] = ("sketch", "library", "script")
"""How the request is written: with ``println`` and a line end too many; in one piece and unescaped; each header on its
own, spelt as the author liked."""


@dataclass(frozen=True, slots=True)
class Label:
    """What is printed on the device. Raises UsageError for what its firmware has no room for."""

    vendor: str
    model: str
    sn: str

    def __post_init__(self) -> None:
        for name, most in _LONGEST.items():
            value = getattr(self, name)
            if not 0 < len(value) <= most:
                raise UsageError(
                    f"{name}: {value!r} is not 1 to {most} characters, which is all that firmware has room for"
                )
            if not _NOT_ESCAPED.fullmatch(value):
                raise UsageError(f"{name}: {value!r} would have to be escaped in a form, and firmware does not do that")

    def __str__(self) -> str:
        return f"{self.vendor}/{self.model}/{self.sn}"


# --- what a thing wants to do, and what comes of it


@dataclass(frozen=True, slots=True)
class Ask:
    """Open a connection, write these pieces, read the reply. Comes to :data:`Segments`, or to a text: why not.

    ``to`` is another server's URL, empty for the one that the device was made for.
    """

    writes: tuple[bytes, ...]
    to: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """Do nothing for so many seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Something that an onlooker may want to know."""

    kind: Kind
    text: str = ""


Kind = Literal[
    "start", "refused", "failed", "activated", "known", "recognised", "forgotten", "complaint", "done",
    "pending", "directed", "arrived", "remembered",
]  # fmt: skip
Step = Ask | Pause | Tell
Segments = tuple[bytes, ...]
"""A reply as it came: what each read has brought."""
Result = Segments | str | None
Script = Generator[Step, Result, None]


@dataclass(frozen=True, slots=True)
class Reading:
    """A reply as firmware understands it: the status (0: none that it finds), the body, and what is wrong with it."""

    status: int
    body: bytes
    complaints: tuple[str, ...] = ()


class Thing:
    """One device. ``key`` and ``home`` are what it has stored, and survive a restart: the object is the device.

    With ``travels`` it asks for its home once it has its key, goes there, and deals with no other server afterwards.
    """

    def __init__(self, label: Label, host: str, dialect: Dialect = "library", *, travels: bool = False) -> None:
        self.label = label
        self.key = ""
        self.home = ""
        self._host = host
        self._dialect = dialect
        self._travels = travels
        self._messages = 0

    def boot(self) -> Script:
        """Switch it on: it activates itself at every start, and then shows its key. Ends when that was recognised."""
        yield Tell("start", str(self.label))
        while True:
            yield from self._activate()
            if not (yield from self._show_key()):
                continue
            if self._travels and not self.home:
                yield from self._go_home()
                if not (yield from self._show_key()):
                    continue
            yield Tell("done")
            return

    def _activate(self) -> Generator[Step, Result, None]:
        while True:
            answer = yield Ask(self._activation(), self.home)
            if not isinstance(answer, tuple):
                yield Tell("failed", str(answer))
            else:
                found = read(answer)
                yield from _complaints(found)
                if found.status == 200 and (key := key_in(found)):
                    yield from _complaints(judged(answer, found))
                    self.key = key
                    yield Tell("activated")
                    return
                if found.status == 409 and self.key:
                    # It has its key, and asks at every start all the same: nothing is wrong.
                    yield Tell("known", "409, and it has its key")
                    return
                if found.status == 200:
                    yield Tell("complaint", f"no key of 40 digits 0-9a-f in the body: {found.body[:48]!r}")
                    yield Tell("failed", "no key that it can read")
                else:
                    yield from _complaints(judged(answer, found))
                    yield Tell("refused", str(found.status))
            yield Pause(PAUSE)

    def _show_key(self) -> Generator[Step, Result, bool]:
        """Ask for what there is to download. False when the key has ended: it is forgotten then."""
        while True:
            answer = yield Ask(self._download(), self.home)
            if isinstance(answer, tuple):
                found = read(answer)
                yield from _complaints(found)
                if found.status == 200:
                    yield Tell("recognised")
                    return True
                if found.status == 401:
                    self.key = ""
                    yield Tell("forgotten", "its key has ended")
                    return False
                yield Tell("refused", str(found.status))
            else:
                yield Tell("failed", str(answer))
            yield Pause(PAUSE)

    def _go_home(self) -> Generator[Step, Result, None]:
        """Ask where the home is until that is known, go there, and ask once more, as one that has lost its memory."""
        found = yield from self._message(QUERY, "", lambda heard: bool(heard.endpoint))
        yield Tell("directed", f"{found.state} {found.region} {found.endpoint}")
        there = found.endpoint.rstrip("/")
        found = yield from self._message(PROVISION, there, lambda heard: bool(heard.state))
        self.home = there
        yield Tell("arrived", found.state)
        found = yield from self._message(QUERY, "", lambda heard: heard.state == "GONE")
        yield Tell("remembered", f"{found.state} {found.region} {found.endpoint}")
        if found.endpoint.rstrip("/") != there:
            yield Tell("complaint", f"its home is {there}, and it is told {found.endpoint!r}")

    def _message(self, kind: str, to: str, good: Callable[[Heard], bool]) -> Generator[Step, Result, Heard]:
        """Say something until the answer is good. What is sent again is the very same message."""
        self._messages += 1
        body = message(kind, str(self.label), self._messages)
        while True:
            answer = yield Ask(self._post(body), to)
            if isinstance(answer, tuple):
                found = read(answer)
                yield from _complaints(found)
                said = heard(found.body)
                if said is None:
                    yield Tell("failed", f"{found.status}, and no message that it can read")
                elif found.status == 200 and good(said):
                    return said
                elif found.status in {200, 202}:
                    yield Tell("pending", said.state or said.reason)
                    if found.status == 200:
                        # That was an answer, if not the one: the next question is another one.
                        self._messages += 1
                        body = message(kind, str(self.label), self._messages)
                else:
                    yield Tell("refused", f"{found.status} {said.number} {said.reason}".rstrip())
            else:
                yield Tell("failed", str(answer))
            yield Pause(PAUSE)

    def _post(self, body: bytes) -> tuple[bytes, ...]:
        lines = (
            f"Authorization: Bearer {self.key}",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            "Connection: close",
        )
        return (_head("POST", PATH, self._host, lines) + body,)

    def _activation(self) -> tuple[bytes, ...]:
        values = {"vendor": self.label.vendor, "model": self.label.model, "sn": self.label.sn}
        escaped = self._dialect == "script"
        body = "&".join(f"{name}={quote(value, safe='') if escaped else value}" for name, value in values.items())
        form = "application/x-www-form-urlencoded"
        match self._dialect:
            case "sketch":
                # println: the line end behind the body is more than Content-Length says.
                lines = (
                    "User-Agent: Activator/1.0",
                    f"Content-Type: {form}; charset=utf-8",
                    f"Content-Length: {len(body)}",
                )
                return (_head("POST", "/provision/activate", self._host, lines) + body.encode() + b"\r\n",)
            case "library":
                lines = (
                    "Connection: Keep-Alive",
                    f"Content-Type: {form}; charset=utf-8",
                    f"Content-Length: {len(body)}",
                )
                return (_head("POST", "/provision/activate", self._host, lines) + body.encode(),)
            case "script":
                lines = ("Connection: Close ", f"Content-Type: {form}", f"content-length:{len(body)}")
                head = _head("POST", "/provision/activate", self._host, lines)
                return (*head.splitlines(keepends=True), body.encode())

    def _download(self) -> tuple[bytes, ...]:
        path = f"/provision/download?vendor={quote(self.label.vendor)}&model={quote(self.label.model)}"
        return (_head("GET", path, self._host, (f"X-Exosite-CIK: {self.key}", "Connection: close")),)


def _head(method: str, path: str, host: str, lines: tuple[str, ...]) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *lines, "", ""]).encode()


def _complaints(found: Reading) -> Generator[Step, Result, None]:
    for text in found.complaints:
        yield Tell("complaint", text)


def read(segments: Segments) -> Reading:
    """What firmware makes of a reply. It finds headers by their exact spelling, and knows no codings."""
    octets = b"".join(segments)
    head, separator, body = octets.partition(b"\r\n\r\n")
    status = _STATUS.match(head + b"\r\n")
    if status is None or not separator:
        return Reading(0, b"", (f"no reply of HTTP/1.1: {octets[:48]!r}",))
    complaints = []
    length = re.search(rb"\r\nContent-Length: (\d+)(?:\r\n|$)", head)
    if length is None:
        complaints.append("no header spelt Content-Length")
    elif int(length[1]) != len(body):
        complaints.append(f"Content-Length is {int(length[1])}, the body has {len(body)} octets")
    lowered = head.lower()
    complaints += [
        f"{name} is nothing that it understands"
        for name in ("Transfer-Encoding", "Content-Encoding")
        if f"\r\n{name.lower()}:".encode() in lowered
    ]
    return Reading(int(status[1]), body, tuple(complaints))


def key_in(found: Reading) -> str:
    """The key, empty when the body is anything else than 40 lower-case hexadecimal digits."""
    return found.body.decode("ascii") if _KEY.fullmatch(found.body) else ""


def judged(segments: Segments, found: Reading) -> Reading:
    """The same reply to an activation, with what the smallest firmware has against it."""
    complaints = []
    octets = sum(map(len, segments))
    if found.status == 200:
        if octets > ROOM:
            complaints.append(f"the reply has {octets} octets, and there is room for {ROOM}")
        if len(segments) > 1:
            complaints.append(f"the reply came in {len(segments)} segments, and only the first one is read")
    elif found.status and not found.body.startswith(b"HTTP/1.1 %d " % found.status):
        complaints.append(f"the body of {found.status} does not begin with its status line")
    return Reading(found.status, found.body, tuple(complaints))
