"""Ways to tell a device that it should fetch its files again, and what came of it."""

from __future__ import annotations

import enum
from collections.abc import Awaitable, Callable
from typing import Protocol

from provd.app.dialing import Flow
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.domain.records import Device
from provd.plugin import ActionUri


class Heard(enum.StrEnum):
    """What the device made of it."""

    ACCEPTED = "accepted"
    """It said yes (a 2xx)."""
    PASSED_ON = "passed-on"
    """Somebody between has taken the order and does not report what the device says to it (a PBX)."""
    REFUSED = "refused"
    """It, or who stands between, said no."""
    SILENT = "silent"
    """No answer within the protocol's time."""
    NO_WAY = "no-way"
    """This way does not lead to the device (it is not registered, its address is not known …)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One attempt: by which way, what was heard, and a detail for people (``401 Unauthorized``)."""

    way: str
    heard: Heard
    detail: str = ""


FlowOf = Callable[[str], Flow | None]
"""The flow of the live registration of that temporary account, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the device is to do, in the words of its vendor (from its plugin's ``[resync]``).

    ``event`` is the value of the SIP Event header (``check-sync``, ``check-sync;reboot=false``, ``resync``), ``body``
    the lines that the device wants to hear with it;
    ``action`` the way over the device's own web server, None where there is none, and ``passwords`` those of its
    administrator that it may have by now: the likeliest first. ``lines`` are the SIP users that the device is
    registered with at a PBX, and ``tenant`` is theirs: those of the file that it has, not of the one that it is to
    fetch. ``flow`` is the last one that its temporary account was registered by, for a way that knows no newer one:
    a daemon that has just been started again.
    """

    event: str
    action: ActionUri | None = None
    passwords: tuple[Secret, ...] = ()
    lines: tuple[str, ...] = ()
    tenant: str = ""
    flow: Flow | None = None
    body: tuple[str, ...] = ()


class Way(Protocol):
    """One way to the device: the SIP registration of its temporary account, a PBX, its web server."""

    @property
    def name(self) -> str:
        """``sip``, ``ami`` or ``http``."""
        ...

    def tell(self, device: Device, order: Order) -> Awaitable[Told]:
        """Tell it. Never raises; gives up by itself."""
        ...


class Resync(Protocol):
    """Sees to it that a device fetches its files, by the best way there is; survives a restart."""

    def wanted(self, device: Device, reason: str) -> None:
        """This device's files have changed and it should know. Returns at once; the outcome is a fact."""
        ...
