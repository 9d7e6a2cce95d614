"""Facts about the daemon itself."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready(Fact):
    """Every listener is open; the service manager has been told.

    Do: nothing.
    """

    ID: ClassVar[str] = "READY"

    version: str
    seconds: float
    devices: int
    leases: int
    listeners: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping(Fact):
    """The daemon was asked to stop and lets the work in hand finish.

    Do: nothing.
    """

    ID: ClassVar[str] = "STOPPING"

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped(Fact):
    """The daemon has closed its listeners and its store.

    Do: nothing.
    """

    ID: ClassVar[str] = "STOPPED"

    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(Fact):
    """A new configuration is in force. ``restart_needed`` names the settings whose values in the file differ from
    those that the daemon was started with, and that it can only take when it starts.

    Do: restart when it suits, if something waits for that.
    """

    ID: ClassVar[str] = "RELOADED"

    changed: str = ""
    restart_needed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadFailed(Fact):
    """The new configuration has an error; the running one stays in force.

    Do: correct what the reason names and reload again.
    """

    ID: ClassVar[str] = "RELOAD-FAILED"
    LEVEL: ClassVar[Level] = Level.ERROR

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Degraded(Fact):
    """A part of the daemon cannot work; the rest goes on.

    Do: mend what the reason names; the part comes back by itself where it can (``RECOVERED``).
    """

    ID: ClassVar[str] = "DEGRADED"
    LEVEL: ClassVar[Level] = Level.ERROR

    part: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Fact):
    """A part that was degraded works again.

    Do: nothing.
    """

    ID: ClassVar[str] = "RECOVERED"

    part: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OutOfDescriptors(Fact):
    """A connection could not be accepted because this process has no file descriptor left; new connections wait for a
    second, everything else goes on. Told at most once a minute.

    Do: raise the limit (``LimitNOFILE=`` of the service), or look for the host that opens so many connections.
    """

    ID: ClassVar[str] = "OUT-OF-DESCRIPTORS"
    LEVEL: ClassVar[Level] = Level.WARNING

    reason: str
    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InternalError(Fact):
    """A handler met something it was not made for; that one request was dropped and the daemon goes on.

    Do: report the reason and where it happened: this is a defect of provd.
    """

    ID: ClassVar[str] = "INTERNAL-ERROR"
    LEVEL: ClassVar[Level] = Level.ERROR

    where: str
    reason: str
