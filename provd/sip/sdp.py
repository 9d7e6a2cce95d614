"""Session descriptions (RFC 4566) and their offer and answer (RFC 3264), for one audio stream over IPv4.

What is read is hostile until it is proven otherwise: sizes and numbers are bounded, and everything that cannot be meant
for us is a :class:`WireError`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Final, Literal, cast

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.types import ip_int

PCMU: Final = 0
PCMA: Final = 8
"""Static payload types (RFC 3551 section 6): G.711 mu-law and A-law, 8000 samples a second."""

CODECS: Final[Mapping[int, str]] = {PCMU: "PCMU/8000", PCMA: "PCMA/8000"}
PTIME: Final = 20
"""Milliseconds of audio in one packet."""

_LARGEST = 16384
_MOST_LINES = 512
_MOST_MEDIA = 16
_MOST_FORMATS = 64
_PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF"})

Direction = Literal["sendrecv", "sendonly", "recvonly", "inactive"]
_DIRECTIONS: Final = frozenset({"sendrecv", "sendonly", "recvonly", "inactive"})
_OPPOSITE: Final[Mapping[Direction, Direction]] = {
    "sendrecv": "sendrecv",
    "sendonly": "recvonly",
    "recvonly": "sendonly",
    "inactive": "inactive",
}


@dataclass(frozen=True, slots=True)
class Media:
    """One ``m=`` line with what belongs to it. Port 0 means that the stream is not wanted.

    ``address`` is that of its own ``c=`` or of the session's; ``formats`` are the words after the protocol.
    ``ptime`` is milliseconds, 0 where none was named; ``telephone_event`` a payload type (RFC 4733).
    """

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    address: str = ""
    direction: Direction = "sendrecv"
    ptime: int = 0
    rtpmaps: Mapping[int, str] = field(default_factory=dict)
    telephone_event: int | None = None

    @property
    def usable(self) -> bool:
        """Whether it is an audio stream that we could speak: open, plain RTP."""
        return self.kind == "audio" and self.port != 0 and self.protocol in _PROTOCOLS

    @property
    def codec(self) -> int | None:
        """The first payload type of the other side's preference that we have, or None."""
        for word in self.formats:
            number = int(word) if word in {"0", "8"} else -1
            if number in CODECS and self.rtpmaps.get(number, CODECS[number]).upper().startswith(CODECS[number]):
                return number
        return None


@dataclass(frozen=True, slots=True)
class Offer:
    """A session description as the other side sent it; ``index`` is that of the stream to speak on, or -1."""

    media: tuple[Media, ...]
    index: int = -1

    @property
    def audio(self) -> Media | None:
        """The stream to speak on: the first open audio stream with a codec of ours, else the first open one."""
        return self.media[self.index] if self.index >= 0 else None

    @property
    def remote(self) -> tuple[str, int]:
        """Where the other side wants to hear us; ("", 0) when nowhere."""
        audio = self.audio
        return (audio.address, audio.port) if audio is not None else ("", 0)

    @property
    def hears(self) -> bool:
        """Whether the other side wants to hear anything at all now (RFC 3264 sections 5.1 and 8.4)."""
        audio = self.audio
        return audio is not None and audio.direction in {"sendrecv", "recvonly"} and audio.address != "0.0.0.0"


def parse_offer(body: bytes) -> Offer:
    """Read a session description. Raises WireError for whatever is none, or needs IPv6."""
    lines = list(_lines(body))
    if not lines or lines[0] != ("v", "0"):
        raise WireError("a session description begins with v=0")
    session = _Section()
    media: list[_Section] = []
    for kind, value in lines[1:]:
        if kind == "m":
            if len(media) == _MOST_MEDIA:
                raise WireError(f"more than {_MOST_MEDIA} media lines")
            media.append(_Section(_media(value)))
        else:
            (media[-1] if media else session).take(kind, value)
    if not media:
        raise WireError("no media line")
    found = tuple(section.media(session) for section in media)
    index = _stream(found)
    if index >= 0 and not found[index].address:
        raise WireError("no c= line for the audio stream")
    return Offer(found, index)


def choose(offer: Offer) -> int | None:
    """The payload type that both sides speak, the other side's preference first; None when there is none."""
    return offer.audio.codec if offer.audio is not None else None


def answer(offer: Offer | None, *, address: str, port: int, payload_type: int, session: int) -> bytes:
    """Our description: the answer to an offer with :func:`choose`'s payload type, or an offer of ours to None.

    Further streams of the offer are refused with port 0 (RFC 3264 section 6). ``session`` becomes the id of ``o=``.
    """
    lines = ["v=0", f"o=- {session} {session} IN IP4 {address}", "s=-", f"c=IN IP4 {address}", "t=0 0"]
    if offer is None:
        codecs = " ".join(map(str, CODECS))
        lines += [f"m=audio {port} RTP/AVP {codecs}", *(f"a=rtpmap:{n} {name}" for n, name in CODECS.items())]
        lines += [f"a=ptime:{PTIME}", "a=sendrecv"]
    else:
        for index, media in enumerate(offer.media):
            lines += _accepted(media, port, payload_type) if index == offer.index else _refused(media)
    return "\r\n".join([*lines, ""]).encode()


def _accepted(media: Media, port: int, payload_type: int) -> list[str]:
    formats, maps = [str(payload_type)], [f"a=rtpmap:{payload_type} {CODECS[payload_type]}"]
    if media.telephone_event is not None:
        # Nobody listens to keys here; but a phone whose events are refused would send them as tones into the prompt.
        formats.append(str(media.telephone_event))
        maps += [f"a=rtpmap:{media.telephone_event} telephone-event/8000", f"a=fmtp:{media.telephone_event} 0-15"]
    line = f"m=audio {port} {media.protocol} {' '.join(formats)}"
    return [line, *maps, f"a=ptime:{PTIME}", f"a={_OPPOSITE[media.direction]}"]


def _refused(media: Media) -> list[str]:
    return [f"m={media.kind} 0 {media.protocol} {' '.join(media.formats)}"]


def _stream(media: tuple[Media, ...]) -> int:
    usable = [index for index, one in enumerate(media) if one.usable]
    return next((index for index in usable if media[index].codec is not None), usable[0] if usable else -1)


class _Section:
    """The lines of the session or of one stream while they are being read."""

    def __init__(self, start: tuple[str, int, str, tuple[str, ...]] = ("", 0, "", ())) -> None:
        self._start = start
        self._address = ""
        self._direction = ""
        self._ptime = 0
        self._maps: dict[int, str] = {}

    def take(self, kind: str, value: str) -> None:
        if kind == "c" and not self._address:
            self._address = _connection(value)
        elif kind == "a":
            name, _, rest = value.partition(":")
            if name in _DIRECTIONS and not rest:
                self._direction = name
            elif name == "ptime" and rest.isascii() and rest.isdigit() and len(rest) <= 4:
                self._ptime = int(rest)
            elif name == "rtpmap":
                number, _, encoding = rest.partition(" ")
                if number.isascii() and number.isdigit() and len(number) <= 3 and int(number) < 128:
                    self._maps.setdefault(int(number), encoding.strip())

    def media(self, session: _Section) -> Media:
        kind, port, protocol, formats = self._start
        events = (n for n, name in self._maps.items() if name.lower() == "telephone-event/8000" and str(n) in formats)
        return Media(
            kind=kind,
            port=port,
            protocol=protocol,
            formats=formats,
            address=self._address or session._address,
            direction=cast(Direction, self._direction or session._direction or "sendrecv"),
            ptime=self._ptime,
            rtpmaps=self._maps,
            telephone_event=next(events, None),
        )


def _lines(body: bytes) -> Iterator[tuple[str, str]]:
    """``(type, value)`` of each line. A lone LF ends a line as well (RFC 4566 section 5)."""
    if len(body) > _LARGEST:
        raise WireError(f"a session description of {len(body)} octets")
    lines = body.decode("utf-8", "replace").replace("\r\n", "\n").rstrip("\n").split("\n")
    if len(lines) > _MOST_LINES:
        raise WireError(f"a session description of {len(lines)} lines")
    for number, line in enumerate(lines, 1):
        if len(line) < 2 or line[1] != "=" or not line[0].isalpha():
            raise WireError(f"line {number} of the session description is not type=value")
        if not line.isprintable():
            raise WireError(f"line {number} of the session description has control characters in it")
        yield line[0], line[2:]


def _media(value: str) -> tuple[str, int, str, tuple[str, ...]]:
    """``audio 49170 RTP/AVP 0 8`` in its parts; ``49170/2`` names two ports, of which the first is meant."""
    words = value.split(" ")
    if len(words) < 4 or "" in words or len(words) > 3 + _MOST_FORMATS:
        raise WireError("a media line is: m=kind port protocol formats")
    number = words[1].partition("/")[0]
    if not (number.isascii() and number.isdigit()) or len(number) > 5 or int(number) > 65535:
        raise WireError(f"not a port: {words[1][:20]!r}")
    return words[0], int(number), words[2], tuple(words[3:])


def _connection(value: str) -> str:
    """The address of ``IN IP4 10.0.0.2``."""
    words = value.split(" ")
    if len(words) != 3 or words[0] != "IN":
        raise WireError("a connection line is: c=IN IP4 address")
    if words[1] != "IP4":
        raise WireError(f"only IPv4 is spoken here, not {words[1][:10]}")
    try:
        number = ip_int(words[2])
    except ValueError:
        raise WireError(f"not an IPv4 address in the connection line: {words[2][:40]!r}") from None
    if number >> 28 >= 0xE:
        raise WireError(f"{words[2]} is not the address of one host")
    return words[2]
