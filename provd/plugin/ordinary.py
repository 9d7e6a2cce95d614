"""A simulated phone that asks one server for a few files in turn, takes over what they say, and comes back later.

Most phones are like that. A vendor's ``phone.py`` derives from :class:`OrdinaryPhone` and says how its phones name
their files, how they read them, and what their parameters mean; phones that do more write their script themselves.
"""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Mapping
from datetime import datetime
from typing import ClassVar
from xml.etree import ElementTree as ET

from provd.base.dataclass import dataclass
from provd.plugin.contract import Model
from provd.plugin.phone import (
    NEVER,
    Account,
    Complaint,
    Dhcp,
    Dialed,
    Failed,
    Fetch,
    Fetched,
    Handset,
    LeaseGot,
    Notified,
    Notify,
    Reaction,
    Report,
    Result,
    Script,
    Settled,
    Step,
    Wait,
    suspicious,
)

Pairs = list[tuple[str, str]]
"""Parameters and their values, in the order of the file."""

Steps = Generator[Step, Result, None]
NO_ADDRESS = 10.0
"""Seconds after which DHCP is tried again."""
SILENCE = 300.0
"""Seconds after which a server that did not answer is asked again."""


class UnreadableError(Exception):
    """The phone takes nothing from this file; the text says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a file says: its parameters, and further files it names (relative to the server, or whole URLs)."""

    pairs: Pairs
    more: tuple[str, ...] = ()


class OrdinaryPhone(ABC):
    """One phone and what it remembers. An empty value takes a parameter back to what the factory had."""

    factory: ClassVar[Mapping[str, str]] = {}
    parameter_list: ClassVar[tuple[int, ...]] = (1, 3, 6, 15, 42, 66)
    options: ClassVar[tuple[int, ...]] = (66,)
    """DHCP options that may name the server, in the order in which they are believed."""
    first_found: ClassVar[bool] = False
    """Whether one file that is there ends the search for others."""
    own_words: ClassVar[frozenset[str]] = frozenset()
    """Values that are right although they look like a template's mistake."""
    events: ClassVar[tuple[str, ...]] = ("check-sync",)
    """Events of a NOTIFY that it obeys."""

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        self.mac = handset.mac
        self.handset = handset
        self.model = model
        self.rng = rng
        self.version = handset.version or self.usual_version
        self.settings: dict[str, str] = dict(self.factory)
        self._applied: dict[str, str] = {}

    # --- what a vendor says -------------------------------------------------------------------------------------------

    usual_version: ClassVar[str] = "1.0.0"

    @property
    def option60(self) -> str:
        """What it says of itself in DHCP; empty: nothing."""
        return ""

    @property
    def option77(self) -> str:
        """Its user class in DHCP; empty: none."""
        return ""

    @property
    def user_agent(self) -> str:
        """The header of its HTTP requests."""
        return self.model.name

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"{self.model.name} {self.version}"

    def names(self) -> Iterator[str]:
        """The files it asks for, in order."""
        yield f"{self.mac}.cfg"

    def offered(self, lease: LeaseGot) -> list[str]:
        """The servers that DHCP names, in the order in which they are believed."""
        return [text for code in self.options if (text := lease.text(code))]

    @abstractmethod
    def read(self, name: str, body: bytes) -> Reading:
        """What a file says. Raises UnreadableError."""

    @property
    def stored(self) -> str:
        """The server in its own settings; empty: none."""
        return ""

    @property
    def stored_first(self) -> bool:
        """Whether that one is asked before the one that DHCP names."""
        return False

    @property
    def pause(self) -> float:
        """Seconds until it asks again by itself."""
        return NEVER

    def restarts(self, event: str) -> bool:
        """Whether a NOTIFY that it obeys starts it anew."""
        return "reboot=true" in event.replace(" ", "").lower()

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts its configuration holds now."""
        return tuple(self.registering())

    def registering(self) -> Iterator[Account]:
        """Each of them in turn."""
        yield from ()

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys that do something."""
        return []

    def clock(self, at: datetime) -> datetime | None:
        """The wall clock on its display, where its settings tell."""
        del at
        return None

    def address(self, server: str, name: str) -> str:
        """The URL of a file on a server; ``server`` is what DHCP or the settings said."""
        if "://" in name:
            return name
        return f"{server if '://' in server else f'tftp://{server}'}".rstrip("/") + f"/{name}"

    # --- what they all do ---------------------------------------------------------------------------------------------

    def notified(self, notify: Notify) -> Reaction:
        """It obeys the events it knows, whoever sends them over the line."""
        known = notify.event.partition(";")[0].strip().lower() in self.events
        return Reaction(200, obeys=True) if known else Reaction(489)

    def dial(self, digits: str) -> Dialed:
        """Any digits are sent as they are."""
        return Dialed(digits) if self.accounts else Dialed("", "no account")

    def run(self) -> Script:
        """Power on: get an address, then provision for ever; start over where a NOTIFY says so."""
        while True:
            lease = yield Dhcp(self.option60, self.parameter_list, user_class=self.option77.encode())
            if not isinstance(lease, LeaseGot):
                yield Wait(NO_ADDRESS, "no address")
                continue
            while not (yield from self._settle(lease)):
                pass

    def _settle(self, lease: LeaseGot) -> Generator[Step, Result, bool]:
        """Provision and wait for the next time. True when the phone restarts."""
        answered = yield from self._provision(lease)
        yield Settled(self.accounts)
        pause = self.pause if answered else min(self.pause, SILENCE)
        woken = yield Wait(pause, "asks again" if pause < NEVER else "no periodic check is configured", wakes=True)
        if not isinstance(woken, Notified):
            return False
        restarts = self.restarts(woken.event)
        yield Report(f"{'restart' if restarts else 'fetches its files again'}: NOTIFY {woken.event}")
        return restarts

    def _provision(self, lease: LeaseGot) -> Generator[Step, Result, bool]:
        offered = self.offered(lease)
        own = [self.stored] if self.stored else []
        for server in own + offered if self.stored_first else offered + own:
            if (yield from self._provision_from(server)):
                return True
        yield Report("no server answers" if offered or own else "no provisioning server in the lease or on the phone")
        return False

    def _provision_from(self, server: str) -> Generator[Step, Result, bool]:
        """Ask for its files. False when nobody answers there."""
        names = list(self.names())
        while names:
            name = names.pop(0)
            answer = yield Fetch(self.address(server, name), {"User-Agent": self.user_agent})
            if isinstance(answer, Failed):
                return False
            if not isinstance(answer, Fetched):
                continue
            for oddity in answer.oddities:
                yield Complaint(f"{name}: {oddity}")
            try:
                reading = self.read(name, answer.body)
            except UnreadableError as error:
                yield Complaint(f"{name}: refused: {error}")
                continue
            yield from self._take(name, answer.body, reading.pairs)
            names = [*reading.more, *(() if self.first_found else names)]
        return True

    def _take(self, name: str, body: bytes, pairs: Pairs) -> Steps:
        digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
        new = self._applied.get(name) != digest
        self._applied[name] = digest
        seen: set[str] = set()
        for parameter, value in pairs:
            if new and parameter in seen:
                yield Complaint(f"{name}: {parameter} stands twice; the last one wins")
            seen.add(parameter)
            doubt = suspicious(value) if new and value and value not in self.own_words else ""
            if doubt:
                yield Complaint(f"{name}: {parameter}: {doubt}")
            self.settings.pop(parameter, None)
            if value or parameter in self.factory:
                self.settings[parameter] = value or self.factory[parameter]
        yield Report(f"{'applied' if new else 'unchanged'} {name}")


def tree(body: bytes) -> ET.Element:
    """The root of an XML file. Raises UnreadableError."""
    try:
        return ET.fromstring(body)  # noqa: S314 - a simulation reads what the server under test gives it
    except ET.ParseError as error:
        raise UnreadableError(str(error)) from error


def number(text: str, otherwise: int = 0) -> int:
    """The whole number that a value is, or ``otherwise``."""
    return int(text) if text.isascii() and text.isdigit() else otherwise


def host_and_port(text: str) -> tuple[str, int]:
    """``host``, ``host:port``; 0 where no port is said."""
    host, colon, port = text.rpartition(":")
    return (host, int(port)) if colon and port.isdigit() else (text, 0)
