"""The contract of simulated phones: a vendor's ``phone.py`` says what its phones do, step by step, without a socket.

A phone is a generator. It yields what it wants to do next (a :data:`Step`) and is sent what came of it. Who performs
the steps decides whether that happens on a real network or in a test's memory.

    def run(self) -> Script:
        lease = yield Dhcp(option60="acme", parameter_list=(1, 3, 66))
        if isinstance(lease, LeaseGot):
            answer = yield Fetch(f"http://{lease.text(66)}/acme.cfg")
"""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Mapping
from dataclasses import field
from datetime import datetime
from ipaddress import IPv4Address
from typing import Protocol

from provd.base.dataclass import dataclass
from provd.base.types import Mac, mac_text
from provd.plugin.contract import Model

NEVER = float("inf")
"""A wait that only a power cycle ends."""


@dataclass(frozen=True, slots=True)
class Account:
    """A SIP account as the phone would register it."""

    line: int
    username: str
    password: str
    server: str
    port: int = 0
    auth_username: str = ""
    display_name: str = ""
    label: str = ""
    backup_server: str = ""
    transport: str = "udp"
    keep_alive: int = 0
    """Seconds between the empty datagrams that keep a NAT open (RFC 5626 section 4.4); 0 for none."""


@dataclass(frozen=True, slots=True)
class Dialed:
    """What became of typed digits: the user part of the Request-URI, or empty when no call was made; and why."""

    user: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Notify:
    """A SIP NOTIFY that arrived on a line: the value of its Event header, the address it came from and that of the
    line's registrar, and whether it carried the line's credentials (RFC 3261 section 22)."""

    line: int
    event: str
    source: str
    registrar: str
    authenticated: bool = False
    body: str = ""


@dataclass(frozen=True, slots=True)
class Reaction:
    """What a phone makes of a NOTIFY: the status of its answer (0: it gives none; 401: it wants to see the line's
    credentials first), and whether it does what the event says."""

    status: int
    obeys: bool = False


@dataclass(frozen=True, slots=True)
class Handset:
    """One phone of a kind: what is printed on its label, and the firmware it came with (empty: the vendor's usual)."""

    mac: Mac
    serial: str = ""
    version: str = ""
    stubborn: bool = False
    """It takes no firmware but the one it has, as a board of another revision does."""

    @property
    def mac_colon(self) -> str:
        """The MAC as people write it: ``80:5e:c0:11:22:33``."""
        return mac_text(self.mac)


# --- what a phone wants to do -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dhcp:
    """Get an address (DISCOVER to ACK, RFC 2131 section 3.1). Comes to :class:`LeaseGot` or :class:`Failed`.

    ``option60`` and ``hostname`` are left out when empty; ``client_id`` is option 61, ``parameter_list`` option 55,
    ``user_class`` option 77, as it is.
    """

    option60: str = ""
    parameter_list: tuple[int, ...] = ()
    hostname: str = ""
    client_id: bytes = b""
    user_class: bytes = b""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Get a file. Comes to :class:`Fetched`, :class:`NotFound` or :class:`Failed`.

    ``url`` is ``http://``, ``https://`` or ``tftp://host/name``, where the name is everything after that slash, so a
    name that itself begins with a slash makes two (RFC 3617).
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wait:
    """Do nothing for ``seconds`` (:data:`NEVER`: until somebody pulls the plug). Comes to None.

    With ``wakes`` a NOTIFY that the phone obeys ends it, also one that came before; it comes to :class:`Notified` then.
    """

    seconds: float
    why: str
    wakes: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """Something an onlooker may want to know. Comes to None."""

    text: str


@dataclass(frozen=True, slots=True)
class Complaint:
    """Something in a file or an option that a real phone would not understand, or not as it was meant. Comes to
    None."""

    text: str


@dataclass(frozen=True, slots=True)
class Settled:
    """A run of provisioning is over and the phone registers these accounts (none: it has nothing to register).
    Comes to None."""

    accounts: tuple[Account, ...]


@dataclass(frozen=True, slots=True)
class Upgraded:
    """The phone has installed another firmware and restarts with it. Comes to None."""

    version: str
    was: str


Step = Dhcp | Fetch | Wait | Report | Complaint | Settled | Upgraded

# --- what comes of it -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeaseGot:
    """The address of the phone, the options of the ACK by code, and the server identifier (option 54)."""

    ip: str
    options: Mapping[int, bytes]
    server: str

    def text(self, code: int) -> str:
        """An option as text, without the NULs some servers end it with; empty when it was not sent."""
        return self.options.get(code, b"").rstrip(b"\0").decode("latin-1")

    def addresses(self, code: int) -> list[str]:
        """The IPv4 addresses that an option is a list of, without what is too short to be one."""
        octets = self.options.get(code, b"")
        return [str(IPv4Address(octets[at : at + 4])) for at in range(0, len(octets) - 3, 4)]

    def suboption(self, code: int, inner: int) -> str:
        """What an option holds under a code of its own (as in RFC 2132 section 8.4), as text; empty: nothing."""
        octets = self.options.get(code, b"")
        while len(octets) > 1:
            found, length = octets[0], octets[1]
            if found == inner:
                return octets[2 : 2 + length].decode("latin-1")
            octets = octets[2 + length :]
        return ""


@dataclass(frozen=True, slots=True)
class Fetched:
    """The file. ``oddities`` are things about the transport that a phone of that age may not understand."""

    body: bytes
    status: int = 200
    oddities: tuple[str, ...] = ()
    coding: str = ""
    """Content-Encoding (RFC 9110 section 8.4)."""


@dataclass(frozen=True, slots=True)
class NotFound:
    """There is no such file: HTTP 404, or TFTP error 1 (RFC 1350)."""


@dataclass(frozen=True, slots=True)
class Failed:
    """It did not work: no answer, a refusal, an HTTP status that is neither 200 nor 404."""

    reason: str


@dataclass(frozen=True, slots=True)
class Notified:
    """The phone was told to do something; ``event`` is the value of the Event header (RFC 6665 section 8.2.1)."""

    event: str


Result = LeaseGot | Fetched | NotFound | Failed | Notified | None
Script = Generator[Step, Result, None]


class Phone(Protocol):
    """A phone with its memory. Made anew it is as it leaves the factory."""

    @property
    def mac(self) -> Mac:
        """Its MAC."""
        ...

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts its configuration holds now."""
        ...

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        ...

    def notified(self, notify: Notify) -> Reaction:
        """What it makes of a NOTIFY; doing it is the script's part, when its :class:`Wait` comes to Notified."""
        ...

    def dial(self, digits: str) -> Dialed:
        """Type digits and press the key that sends them, on the first account."""
        ...

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys that do something, those of expansion modules too: ``2: Anna [blf 101]``."""
        ...

    def clock(self, at: datetime) -> datetime | None:
        """The wall clock (naive) on its display at a moment (aware); None where it is not known, or where there is
        none."""
        ...

    def run(self) -> Script:
        """Power on. May be called again after the last script was closed: a power cycle keeps the configuration."""
        ...


class PhoneClass(Protocol):
    """What a vendor's ``phone.py`` exports as ``Phone``."""

    def __call__(self, model: Model, handset: Handset, rng: random.Random) -> Phone:
        """A factory-fresh phone of that model."""
        ...


INSTALLS = 60.0
"""Seconds that writing an image takes."""
_SMALLEST_IMAGE = 256


def not_an_image(body: bytes) -> str:
    """Why a phone would not write this into its flash memory, or an empty text.

    What real images look like inside is not known here; an empty file and a page that says "not found" are none.
    """
    if len(body) < _SMALLEST_IMAGE:
        return f"{len(body)} octets are no image"
    head = body[:_SMALLEST_IMAGE]
    if head.lstrip()[:1] in (b"<", b"{", b"#") and head.isascii():
        return "it is a text and no image"
    return ""


def install(fetch: Fetch, handset: Handset, was: str, version: str, *, about: str) -> Generator[Step, Result, bool]:
    """Get an image, look at it, write it. True: the phone runs that version and has to restart."""
    answer = yield fetch
    if not isinstance(answer, Fetched):
        yield Report(f"{about}: there is no image" + (f": {answer.reason}" if isinstance(answer, Failed) else ""))
        return False
    doubt = "this board takes no other firmware" if handset.stubborn else not_an_image(answer.body)
    if doubt:
        yield Complaint(f"{about}: {doubt}")
        return False
    yield Wait(INSTALLS, "installs firmware")
    yield Upgraded(version, was)
    return True


_TEMPLATE_RESIDUE = re.compile(r"\{\{|\}\}|\{%|%\}|\$\{")
_PYTHON_WORDS = frozenset({"None", "True", "False", "Undefined"})


def suspicious(value: str) -> str:
    """Why a value in a configuration file looks like a mistake of whoever wrote the file, or an empty text."""
    if value in _PYTHON_WORDS:
        return f"the word {value} is a programmer's, not a phone's"
    if _TEMPLATE_RESIDUE.search(value):
        return "template code was left in the value"
    if not value.isprintable():
        return "the value has control characters in it"
    return ""
