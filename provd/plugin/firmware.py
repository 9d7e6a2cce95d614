"""What a vendor plugin knows of its devices' firmware and languages: names, versions, where they come from.

``firmware.toml`` beside the manifest is read into these classes. The images themselves are the operator's.
"""

from __future__ import annotations

from typing import Literal

from provd.base.dataclass import dataclass

NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,59}"
VERSION = r"[0-9][0-9A-Za-z._()-]{0,39}"
FILE = r"[A-Za-z0-9][A-Za-z0-9 ._()+&,-]{0,119}"
"""What packages, their versions and their files may be called: each is one segment of a path, and never hidden."""

PackageKind = Literal["firmware", "handset", "language"]
"""``firmware``: the image of a device; ``handset``: one that a base hands on to its handsets; ``language``: what a
display speaks. Only the first is rolled out: nobody hears of the version of the others."""


@dataclass(frozen=True, slots=True)
class Release:
    """One version of a package.

    ``files`` are the names that devices ask for. ``size`` (octets) and ``sha256`` are those of what is fetched or
    uploaded, the archive where ``unpack`` says that it comes in one; 0 and empty where nobody has told them.
    """

    version: str
    files: tuple[str, ...] = ()
    source: str = ""
    """URL where everybody may have it; empty: only the operator can get it."""
    size: int = 0
    sha256: str = ""
    unpack: bool = False
    """It comes as a zip archive, of which ``files`` are taken, or every plain file where none are named."""


@dataclass(frozen=True, slots=True)
class Package:
    """A firmware or language package in all its versions, the oldest first."""

    name: str
    kind: PackageKind
    models: tuple[str, ...]
    """The models that it is made for."""
    releases: tuple[Release, ...] = ()
    step: str = ""
    """Version that a device with an older one has to run before it takes a newer one."""
    obtain: str = ""
    """Where the operator gets it when there is no source."""
    xml: str = ""
    """Root element of its files, which are XML and checked when they come; empty: they are taken as they are."""

    def release(self, version: str) -> Release | None:
        """The release of that version."""
        return next((each for each in self.releases if each.version == version), None)
