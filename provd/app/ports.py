"""What the use cases need from outside, each named for the need. Adapters implement these; tests have fakes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Literal, Protocol, TypeVar

from provd.base.dataclass import dataclass
from provd.base.errors import StorageError
from provd.base.types import Mac
from provd.dhcp.lease import Lease
from provd.domain.overrides import NOTHING, Overlay
from provd.domain.records import Record
from provd.plugin import FileRule, Manifest

R = TypeVar("R", bound="Record | Lease")

Done = Callable[[StorageError | None], None]
"""Called on the event loop's thread, once, with None when everything is durable."""


@dataclass(frozen=True, slots=True)
class Put:
    """Insert the record or replace the one with the same key."""

    record: Record | Lease
    extends: bool = False
    """The record is a lease, and nothing but ``starts`` and ``expires`` is another than in the durable one before it:
    no more need be written."""


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove the record with this record's key, if it is there."""

    record: Record | Lease


Change = Put | Delete


class Journal(Protocol):
    """The durable store: everything submitted between two commits becomes durable together, or not at all."""

    @property
    def degraded(self) -> bool:
        """Whether the last write failed for a reason that lies in the store."""
        ...

    def submit(self, changes: Sequence[Change], done: Done | None = None) -> None:
        """Queue changes; ``done`` hears when they are durable or refused. Order is kept."""
        ...

    async def commit(self, changes: Sequence[Change]) -> None:
        """The same, awaited. Raises StorageError."""
        ...

    def load(self, kind: type[R]) -> Iterable[R]:
        """Every record of that kind, read when the daemon starts. A row that does not load is left out and counted."""
        ...


class LeaseView(Protocol):
    """Who holds an address right now, as the DHCP engine knows it."""

    def holder(self, ip: str) -> Mac | None:
        """The MAC with an active lease of that address, or None."""
        ...


class Neighbours(Protocol):
    """Who uses an address on the links of this machine, as ARP has told."""

    def find(self, ip: str) -> Mac | None:
        """The MAC that stands for that address, None where that cannot be known."""
        ...


Want = Literal["file", "digest", "check"]


@dataclass(frozen=True, slots=True)
class RenderJob:
    """One file to be rendered: plain values only (the renderer is another process).

    ``shared`` names entries of the context that are the very same objects in the jobs of many files, and never changed:
    it pays to remember what was made of them. ``overlay`` has the templates that outrank those on disk. ``wants`` is
    the file, its digest (who only compares has no use for so many octets), or to see whether the template can be
    compiled, which gives nothing.
    """

    plugin: str
    rule: FileRule
    context: Mapping[str, object]
    shared: frozenset[str] = frozenset()
    overlay: Overlay = NOTHING
    wants: Want = "file"
    alike: bool = False
    """Many jobs have these very shared entries: it pays to find out how their files differ."""


class Renderer(Protocol):
    """Renders templates under time, memory and output limits, away from the event loop."""

    def render(self, job: RenderJob) -> Awaitable[bytes]:
        """The file. Raises PluginError when the template fails, exceeds a limit or a value is refused."""
        ...


class FileRenderer(Renderer, Protocol):
    """A renderer that learns from the files of a fleet."""

    def at_hand(self, job: RenderJob) -> bytes | None:
        """The file, if others like it were rendered and it can be made of them at once. Never raises."""
        ...


class RenderMemory(Protocol):
    """What jobs gave before, also before the last start of the daemon. It may forget anything at any time."""

    def __bool__(self) -> bool:
        """Whether there is any sense in asking."""
        ...

    def recall(self, job: RenderJob) -> bytes | None:
        """The file that this very job gave, if it is at hand. Never raises."""
        ...

    def remember(self, job: RenderJob, body: bytes) -> None:
        """Keep the file behind everything else."""
        ...


class Catalogue(Protocol):
    """The plugins in force."""

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Manifests in the order of their ids."""
        ...

    @property
    def revision(self) -> int:
        """Rises when a plugin or a template changes."""
        ...

    def static(self, plugin: str, name: str) -> bytes | memoryview | None:
        """A file below the plugin's ``static`` folder or the operator's firmware folder, or None."""
        ...

    def templates(self, plugin: str) -> Mapping[str, str]:
        """The plugin's templates by name, those of the operator's folder in place of its own. Reads the disk.

        Raises PluginError.
        """
        ...
