"""Facts about files that devices ask for, whatever the transport."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class FileServed(Fact):
    """A device has a file whole, or was told that the one it has is still the right one (``unchanged``).

    Do: nothing.
    """

    ID: ClassVar[str] = "FILE-SERVED"

    name: str
    via: str
    peer: str
    size: int
    kind: str = ""
    plugin: str = ""
    etag: str = ""
    unchanged: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FileUnknown(Fact):
    """A device asked for a file that no plugin offers.

    Do: nothing for names like ``*.boot``, which phones try first; otherwise ask ``provd identify --path NAME``.
    """

    ID: ClassVar[str] = "FILE-UNKNOWN"

    name: str
    via: str
    peer: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRefused(Fact):
    """A file with secrets was not given, because the requester did not prove to be that device. It was told
    exactly what it would have been told about an unknown file.

    Do: when it is your phone, let it boot through our DHCP or give it its token URL (``provd device show``); when one
    source asks for many devices, somebody is trying MAC addresses. ``used_by`` is the MAC that stands for the phone's
    address in ``ip neigh`` at present, where the phone itself stood before: another host has taken the address over;
    find it by that MAC. Where it belongs to a repeater or a router that the phone is behind by now, restart the phone.
    """

    ID: ClassVar[str] = "FILE-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    name: str
    via: str
    peer: str
    reason: str
    used_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileThrottled(Fact):
    """A source asked for so many files that it may not have that it is answered "unknown" for a while.

    Do: find the host; a phone with a lease of ours is slowed down but never locked out.
    """

    ID: ClassVar[str] = "FILE-THROTTLED"
    LEVEL: ClassVar[Level] = Level.WARNING

    via: str
    peer: str
    misses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingBeyondDevice(Fact):
    """A device was given a setting that its model or firmware does not carry out, or not as it is meant. Told once
    for each model and firmware with the same settings, of the first such device.

    Do: read the reason; ``provd device check`` lists all of a device. Change the setting for this model, or live with
    it.
    """

    ID: ClassVar[str] = "SETTING-BEYOND-DEVICE"
    LEVEL: ClassVar[Level] = Level.WARNING

    model: str
    setting: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderFailed(Fact):
    """A file could not be made for a device: its template could not be rendered, or a line or tenant is not among the
    records. The device was given its last good file if there is one, else it keeps what it has. Where ``overrides`` of
    yours are in force and there is no such file it was given the one of the plugin's own templates (``default``).

    Do: read the reason; ``provd plugin check`` and ``provd device render`` reproduce it. An override is mended with
    ``provd template edit``, or taken away with ``provd template restore``. A value with a line break or a control
    character in it is refused rather than written into a file. For what is not among the records look for
    ``STORE-ROW-SKIPPED``: mostly it is sealed with a key that is not in the key file, which has to come back.
    """

    ID: ClassVar[str] = "RENDER-FAILED"
    LEVEL: ClassVar[Level] = Level.ERROR

    name: str
    plugin: str
    reason: str
    last_good: bool = False
    overrides: str = ""
    default: bool = False
