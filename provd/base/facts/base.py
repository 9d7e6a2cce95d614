"""The base class of all facts, their catalogue and their one-line text form."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.types import Mac, is_thing, mac_text


class Level(enum.IntEnum):
    """Severity, with the numbers of the standard logging module."""

    DEBUG = 10
    INFO = 20
    WARNING = 30
    ERROR = 40


CATALOGUE: dict[str, type[Fact]] = {}
"""Every fact class by its id, filled as the classes are defined and never changed afterwards."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Base of all facts.

    ``at`` is seconds since the epoch, ``mac`` the key of the device concerned (if one is known), ``boot`` the id that
    ties the steps of one boot together across DHCP, TFTP, HTTP and SIP.
    """

    ID: ClassVar[str] = ""
    LEVEL: ClassVar[Level] = Level.INFO

    at: float
    mac: Mac | None = None
    boot: str = ""

    def __init_subclass__(cls) -> None:
        # dataclass(slots=True) builds the class twice; the second one is the one that lives on.
        if cls.ID:
            CATALOGUE[cls.ID] = cls


def kinds_of(facts: Iterable[Fact]) -> set[type[Fact]]:
    """The classes that are among these facts: of a whole turn of the event loop there is often but one."""
    return set(map(type, facts))


FactSink = Callable[[Fact], None]
"""Where facts go. Never blocks, never raises."""


def _shown(value: object) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    # Text that came from the network must not forge log lines or drive a terminal.
    if text.isprintable() and text and not (set(text) & {" ", '"', "="}):
        return text
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'


def text_of(fact: Fact) -> str:
    """``ID key=value …`` on one printable line, without empty fields and flags not set; secrets are ``***``."""
    parts = [fact.ID]
    for field in fields(fact):
        value = getattr(fact, field.name)
        if field.name == "at" or value is None or value is False or value in ("", ()):
            continue
        if field.name != "mac":
            parts.append(f"{field.name}={_shown(value)}")
        elif not is_thing(value):
            parts.append(f"mac={mac_text(value)}")
        elif not hasattr(fact, "sn"):
            parts.append(f"device={_shown(mac_text(value))}")
    return " ".join(parts)
