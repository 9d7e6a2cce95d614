"""A depot in memory, and packages for Acme's phones."""

from __future__ import annotations

from collections.abc import AsyncIterable, Sequence
from dataclasses import dataclass, field, replace

from provd.app.firmware.ports import Held, Part, Wanted
from provd.app.works import Progress
from provd.base.errors import NotFoundError, PluginError
from provd.plugin.firmware import Package, Release

PACKAGES = (
    Package(
        "acme-a1",
        "firmware",
        ("A1", "A1G"),
        (
            Release("1.9b", ("a1-1.9b.rom",)),
            Release("2.0", ("a1-2.0.rom",), size=3, sha256="ab" * 32),
            Release("2.1", ("a1 (new)-2.1.rom",), source="http://fw.example/a1-2.1.rom"),
        ),
        step="1.9b",
        obtain="acme.example",
    ),
    Package(
        "acme-words", "language", ("A1",), (Release("1", ("es.xml", "de.xml"), unpack=True),), obtain="acme.example"
    ),
)


def held(version: str, **more: object) -> Held:
    """A version of Acme's firmware that is here."""
    package = PACKAGES[0]
    release = package.release(version)
    files = {name: Part(3, "cd" * 32) for name in release.files} if release else {f"a1-{version}.rom": Part(3, "")}
    made = Held("acme", "acme-a1", version, "firmware", package.models, files, package.step, 3, "cd" * 32)
    return replace(made, **more)


@dataclass
class FixedDepot:
    """Implements ``Depot``. ``refuses`` is what the web says."""

    here: list[Held] = field(default_factory=list)
    stamp: int = 0
    entry: dict[str, bytes] = field(default_factory=dict)
    fetched: list[tuple[str, Wanted]] = field(default_factory=list)
    refuses: str = ""

    def held(self) -> Sequence[Held]:
        return tuple(self.here)

    async def fetch(self, wanted: Wanted, url: str, progress: Progress) -> Held:
        progress.doing = "fetching"
        self.fetched.append((url, wanted))
        if self.refuses:
            raise PluginError(self.refuses)
        return self._kept(wanted)

    async def receive(self, octets: AsyncIterable[bytes], announced: int = 0) -> str:
        name = f"{len(self.entry)}.sent"
        self.entry[name] = b"".join([some async for some in octets])
        return name

    async def take(self, entry: str, wanted: Wanted, progress: Progress) -> Held:
        if entry not in self.entry:
            raise NotFoundError(f"there is no file {entry!r}")
        del self.entry[entry]
        return self._kept(wanted)

    async def forget(self, entry: str) -> None:
        self.entry.pop(entry, None)

    async def discard(self, held: Held) -> None:
        self.here.remove(held)
        self.stamp += 1

    def _kept(self, wanted: Wanted) -> Held:
        files = {name: Part(3, "cd" * 32) for name in wanted.files or (wanted.called,)}
        kept = Held(
            wanted.plugin, wanted.name, wanted.version, wanted.kind, wanted.models, files, wanted.step, 3, "cd" * 32,
            bool(wanted.sha256), wanted.origin, 0.0, wanted.by,
        )  # fmt: skip
        self.here.append(kept)
        self.stamp += 1
        return kept
