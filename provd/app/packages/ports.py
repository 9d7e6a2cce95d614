"""What the use cases of packages need from the outside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

from provd.app.ports import Renderer
from provd.app.works import Progress
from provd.base.dataclass import dataclass
from provd.plugin import Manifest

BUNDLED = ""
"""The choice of what came with provd or lies in a folder of the configuration."""


@dataclass(frozen=True, slots=True)
class Held:
    """What there is of one plugin. ``in_force`` is a version of the shelf, a linked folder, or BUNDLED.

    ``merging``: by whom it was put in force, until what is new in its templates was merged into those that are
    overridden; empty from then on, and where that is not wanted. ``own`` is the folder of the operator's in which it
    lies beside the packages, if it does: BUNDLED is that one then.
    """

    plugin: str
    in_force: str = BUNDLED
    versions: tuple[str, ...] = ()
    history: tuple[str, ...] = ()
    merging: str = ""
    own: str = ""


@dataclass(frozen=True, slots=True)
class Staged:
    """A package that lies on the shelf, was found to be in order, and is not in force by that.

    ``signed`` is the comment of its signature, empty where there is none; ``notes`` are worth knowing.
    """

    plugin: str
    version: str
    sha256: str
    signed: str
    level: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Offered:
    """A package that a publisher offers. ``fits`` says whether this provd speaks its contract."""

    plugin: str
    version: str
    vendor: str
    description: str
    size: int
    fits: bool
    source: str


@dataclass(frozen=True, slots=True)
class Offers:
    """What the publishers offer, and why some of them could not be asked, or not be believed."""

    items: tuple[Offered, ...] = ()
    failed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """What could be in force of a plugin: its manifest and its template folders, overrides of the operator first."""

    choice: str
    manifest: Manifest
    templates: tuple[Path, ...]


class Packages(Protocol):
    """The shelf and where packages come from. What reads the disk or the network is a coroutine."""

    def held(self, plugin: str) -> Held:
        """What there is of that plugin; nothing but BUNDLED of one that has no package."""
        ...

    def every(self) -> Sequence[Held]:
        """Of every plugin that has or had a package or a link."""
        ...

    async def offers(self, progress: Progress) -> Offers:
        """What the publishers of the configuration offer now. Raises PluginError when none of them is to be had."""
        ...

    async def fetch(self, plugin: str, version: str, progress: Progress) -> Staged:
        """Get a package from its publisher and put it on the shelf; an empty version means the newest.

        Raises NotFoundError when nobody offers it; PluginError, also when somebody might who is not to be had.
        """
        ...

    async def take(self, name: str, progress: Progress) -> Staged:
        """The same with a package that was laid into the entry of the shelf under this name."""
        ...

    async def candidate(self, plugin: str, choice: str) -> Candidate | None:
        """What would be in force by that choice; None when that would be nothing. Raises PluginError."""
        ...

    async def texts(self, candidate: Candidate) -> Mapping[str, str]:
        """Its templates by name. Raises PluginError."""
        ...

    async def choose(
        self, plugin: str, choice: str, *, back: bool = False, expect: str | None = None, merging: str = ""
    ) -> Held:
        """Put a choice in force, for phones too when this returns; ``back`` takes the last one out of the history.
        ``merging`` is noted in the same stroke, and outlives a crash.

        Raises ConflictError when another one than ``expect`` is in force by now, PluginError, NotFoundError; then
        everything is as it was.
        """
        ...

    async def merged(self, plugin: str) -> None:
        """What is noted as ``merging`` is done. Raises PluginError."""
        ...

    async def discard(self, plugin: str, version: str) -> None:
        """Take a version off the shelf. Raises ConflictError while it is in force, NotFoundError."""
        ...

    def trial(self, folders: Mapping[str, Sequence[Path]]) -> AbstractAsyncContextManager[Renderer]:
        """A renderer beside the one that serves phones, which it does not disturb. Jobs name these keys as plugin."""
        ...
