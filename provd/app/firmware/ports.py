"""What the use cases of firmware need from the outside."""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from dataclasses import field
from typing import Protocol

from provd.app.works import Progress
from provd.base.dataclass import dataclass
from provd.plugin.firmware import PackageKind


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a package: its size in octets and its SHA-256 in hex."""

    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Held:
    """A package that is here and whole. ``files`` are by the names that devices ask for.

    ``sha256`` and ``size`` are those of what came (an archive, perhaps); ``checked`` tells that somebody had said
    beforehand what they have to be. ``origin`` is a URL, or the name of the file that was brought.
    """

    plugin: str
    name: str
    version: str
    kind: PackageKind
    models: tuple[str, ...]
    files: Mapping[str, Part] = field(default_factory=dict)
    step: str = ""
    size: int = 0
    sha256: str = ""
    checked: bool = False
    origin: str = ""
    at: float = 0.0
    by: str = ""

    @property
    def file(self) -> str:
        """The file of a package that has one."""
        return next(iter(self.files))


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to come: a package as the catalogue or the operator describes it. ``files`` empty: every file of the
    archive, or the one that comes, under the name ``called``. ``xml``: their root element, to be checked."""

    plugin: str
    name: str
    version: str
    kind: PackageKind
    models: tuple[str, ...]
    files: tuple[str, ...] = ()
    step: str = ""
    size: int = 0
    sha256: str = ""
    unpack: bool = False
    called: str = ""
    origin: str = ""
    by: str = ""
    xml: str = ""


class Depot(Protocol):
    """Where packages are kept. What reads the disk or the network is a coroutine."""

    @property
    def stamp(self) -> int:
        """Rises when a package comes or goes."""
        ...

    def held(self) -> Sequence[Held]:
        """Every package that is here, by plugin, name and version."""
        ...

    async def fetch(self, wanted: Wanted, url: str, progress: Progress) -> Held:
        """Get a package from the web; what had come when it broke off is not fetched again.

        Raises PluginError for what is not to be had or not what it should be, StorageError where the disk has no room
        for it, ConflictError when another one is here under this name and version. Then there is nothing new here.
        """
        ...

    async def receive(self, octets: AsyncIterable[bytes], announced: int = 0) -> str:
        """Lay what somebody sends into the entry; gives its name there. ``announced`` octets are to come, as far as
        that is known. Raises StorageError, PluginError."""
        ...

    async def take(self, entry: str, wanted: Wanted, progress: Progress) -> Held:
        """The package that was laid into the entry under this name. Raises what ``fetch`` raises, and
        NotFoundError."""
        ...

    async def forget(self, entry: str) -> None:
        """What was laid into the entry is not wanted after all."""
        ...

    async def discard(self, held: Held) -> None:
        """Take a package away. Transfers of it that are under way come to their end."""
        ...
