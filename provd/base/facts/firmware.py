"""Facts about firmware: packages that come and go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

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
