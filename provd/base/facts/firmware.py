"""Facts about firmware: packages that come and go."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareKept(Fact):
    """A firmware or language package is here now, whole, and is served over HTTP and TFTP. ``checked`` says that its
    SHA-256 had been known beforehand (from the plugin's catalogue or from who brought it); else it was only noted.

    Do: compare ``sha256`` with the vendor's where it was not checked. A device takes it when its setting
    ``firmware.version`` says so (``provd rollout``).
    """

    ID: ClassVar[str] = "FIRMWARE-KEPT"

    plugin: str
    name: str
    version: str
    size: int
    sha256: str
    checked: bool
    origin: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareDropped(Fact):
    """A firmware or language package was taken away. Devices that have it keep it.

    Do: nothing.
    """

    ID: ClassVar[str] = "FIRMWARE-DROPPED"

    plugin: str
    name: str
    version: str
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareBroken(Fact):
    """A package on disk is not what it was when it came: a file is missing or has another size. It is not served.

    Do: find out who writes below ``state_dir/firmware``; remove the folder that is named, and fetch or upload the
    package again.
    """

    ID: ClassVar[str] = "FIRMWARE-BROKEN"
    LEVEL: ClassVar[Level] = Level.ERROR

    folder: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutMoved(Fact):
    """A rollout of firmware goes on to another state (``running`` with the ring that begins, ``paused``, ``done``,
    ``aborted``, ``rolled-back``).

    Do: nothing where you wanted it.
    """

    ID: ClassVar[str] = "ROLLOUT-MOVED"

    rollout: str
    state: str
    ring: str = ""
    by: str = ""
    devices: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutPaused(Fact):
    """A rollout of firmware has stopped itself: more devices of a ring than its tolerance allows have not come back in
    time, or came back with another version. No further device is given the version.

    Do: ``provd rollout show NAME`` names them. Look at one of them. Then ``provd rollout resume NAME`` gives them
    their time once more, ``provd rollout set NAME --tolerance …`` lets more of them fail, ``provd rollout rollback
    NAME`` gives everybody back what was before.
    """

    ID: ClassVar[str] = "ROLLOUT-PAUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    rollout: str
    ring: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStuck(Fact):
    """A rollout of firmware is rolled back, and some devices stay as they are: the image that they ran before is not
    here. They are not to run any particular version from now on; what they have installed they keep.

    Do: fetch or upload the versions that ``reason`` names, and roll them out to these devices (``provd rollout add``),
    or leave them where they are.
    """

    ID: ClassVar[str] = "ROLLOUT-STUCK"
    LEVEL: ClassVar[Level] = Level.WARNING

    rollout: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutGiven(Fact):
    """A rollout has told a device's file which firmware it is to run; the device takes it when it has fetched the file.

    Do: nothing.
    """

    ID: ClassVar[str] = "ROLLOUT-GIVEN"

    rollout: str
    ring: str
    version: str
    was: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutReached(Fact):
    """A device of a rollout runs the version: it says so itself in what it sends.

    Do: nothing.
    """

    ID: ClassVar[str] = "ROLLOUT-REACHED"

    rollout: str
    version: str
    was: str
    tenant: str = ""
