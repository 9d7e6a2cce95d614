"""The fact sink that everybody gets, and the fan-out to the readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provd.base.facts import Fact, Level, kinds_of
from provd.base.facts.daemon import Degraded

Reader = Callable[[Sequence[Fact]], None]
"""Gets the facts of one turn of the event loop, in order. Quick; when it raises it is cut off."""
Hears = Callable[[type[Fact]], bool]
"""Whether a reader wants facts of a kind."""


def _everything(_kind: type[Fact]) -> bool:
    return True


def from_level(level: Level) -> Hears:
    """Whether it is of that severity at least."""
    return lambda kind: level <= kind.LEVEL


class FactHub:
    """Gathers facts and hands them to the readers once per turn of the event loop.

    ``call_soon`` is the loop's. To be used on the loop's thread only.
    """

    def __init__(self, call_soon: Callable[[Callable[[], None]], object]) -> None:
        self._call_soon = call_soon
        self._gathered: list[Fact] = []
        self._readers: dict[str, tuple[Reader, Hears]] = {}

    def emit(self, fact: Fact) -> None:
        """Take a fact: the :data:`provd.base.facts.FactSink` of the daemon."""
        gathered = self._gathered
        gathered.append(fact)
        if len(gathered) == 1:
            try:
                self._call_soon(self.flush)
            except RuntimeError:
                # The loop is closed; whoever closed it flushes what is left.
                return

    def add(self, name: str, reader: Reader, hears: Hears = _everything) -> None:
        """Add a reader; facts that are gathered but not handed on yet reach it too.

        With ``hears`` it is left alone with batches that have no fact of such a kind: most facts are of DHCP and files,
        and most readers wait for something else.
        """
        self._readers[name] = (reader, hears)

    def remove(self, name: str) -> None:
        """Remove a reader, if it is there."""
        self._readers.pop(name, None)

    def flush(self) -> None:
        """Hand on what has gathered. Called by the loop, and once more when the daemon ends."""
        facts, self._gathered = self._gathered, []
        if not facts:
            return
        kinds = kinds_of(facts)
        for name, (reader, hears) in tuple(self._readers.items()):
            if not any(map(hears, kinds)):
                continue
            try:
                reader(facts)
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one reader must not harm the others
                self.remove(name)
                reason = f"cut off after {type(error).__name__}: {error}"
                self.emit(Degraded(at=facts[-1].at, part=f"observe.{name}", reason=reason))
