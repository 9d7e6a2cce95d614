"""The flat profile as an SPA phone reads it: a root, one element per parameter, five entities, nothing clever."""

from __future__ import annotations

import re
import zlib

ROOT = "flat-profile"
SECTIONS = "router-configuration"
"""Below it the names have those of their sections in front."""
LARGEST_PROFILE = 1 << 20

_TOKEN = re.compile(
    r"<!--.*?-->|<\?.*?\?>|</(?P<close>[^<>\s]+)\s*>|"
    r"<(?P<open>[A-Za-z_][^<>\s/]*)(?P<attributes>(?:\s+[\w\-]+\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*)\s*(?P<empty>/?)>|"
    r"(?P<text>[^<]+)|(?P<bad><)",
    re.DOTALL,
)
_ENTITY = re.compile(r"&(?:(amp|lt|gt|quot|apos);|(.{0,8}))", re.DOTALL)
_ENTITIES = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


class UnreadableProfileError(Exception):
    """The phone refuses the whole profile."""


def read_flat_profile(body: bytes) -> list[tuple[str, str]]:
    """Names and values in their order. ``<X/>`` means "leave alone" and is not among them; ``<X></X>`` is an empty
    value. Raises UnreadableProfileError.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableProfileError(f"octet {error.start} is not UTF-8") from error
    reader = _Reader()
    for match in _TOKEN.finditer(text):
        if match["bad"]:
            raise UnreadableProfileError(f"a stray < before {text[match.end() : match.end() + 20]!r}")
        if match["open"]:
            reader.start(match["open"], empty=bool(match["empty"]))
        elif match["close"]:
            reader.end(match["close"])
        elif match["text"]:
            reader.text(match["text"])
    return reader.done()


def unpacked(body: bytes) -> bytes:
    """The profile without its compression; the phone tells by the content, not by the name. Raises
    UnreadableProfileError."""
    if body.startswith(b"Salted__"):
        raise UnreadableProfileError("the profile is encrypted twice")
    if not body.startswith(b"\x1f\x8b"):
        return body
    unpack = zlib.decompressobj(wbits=31)
    try:
        plain = unpack.decompress(body, LARGEST_PROFILE)
    except zlib.error as error:
        raise UnreadableProfileError("damaged gzip") from error
    if not unpack.eof:
        raise UnreadableProfileError("the gzip is cut short, or its content is far too long")
    return plain


class _Reader:
    def __init__(self) -> None:
        self._pairs: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._value = ""
        self._ended = False
        self._leaf = False

    def start(self, name: str, *, empty: bool) -> None:
        if not self._open and (self._ended or name != ROOT):
            raise UnreadableProfileError(f"the root element is <{name[:40]}>, not <{ROOT}>")
        if len(self._open) > 1 and self._open[1] != SECTIONS:
            raise UnreadableProfileError(f"<{name[:40]}> inside <{self._open[-1][:40]}>: a flat profile has one level")
        self._value = ""
        self._leaf = not empty
        if not empty:
            self._open.append(name)

    def text(self, text: str) -> None:
        self._value += text
        if len(self._open) < 2 and text.strip():
            raise UnreadableProfileError(f"text outside of an element: {text.strip()[:40]!r}")

    def end(self, name: str) -> None:
        if not self._open or self._open.pop() != name:
            raise UnreadableProfileError(f"</{name[:40]}> closes nothing that is open")
        if self._open and self._leaf:
            self._pairs.append(("/".join((*self._open[1:], name)), " ".join(_decoded(self._value).split("\n")).strip()))
        self._ended = not self._open
        self._value = ""
        self._leaf = False

    def done(self) -> list[tuple[str, str]]:
        if self._open or not self._ended:
            raise UnreadableProfileError(f"<{(self._open or [ROOT])[-1]}> is not closed")
        return self._pairs


def _decoded(value: str) -> str:
    def character(match: re.Match[str]) -> str:
        if match[1] is None:
            raise UnreadableProfileError(f"an & that begins no known entity: {match[0]!r}")
        return _ENTITIES[match[1]]

    return _ENTITY.sub(character, value)
