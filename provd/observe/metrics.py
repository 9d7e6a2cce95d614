"""Metrics: facts counted here, everything else asked for when somebody scrapes."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Literal, NamedTuple

from provd import __version__
from provd.base.facts import Fact
from provd.base.facts.files import FileServed

Values = Callable[[], Mapping[str, float]]
"""Current values by label value; the empty label value stands for a metric without labels."""

_RENDER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Family(NamedTuple):
    """One metric; ``name`` of a counter without ``_total``. Each sample is the values of the labels and the amount."""

    kind: Literal["counter", "gauge"]
    name: str
    documentation: str
    labels: Sequence[str]
    samples: Sequence[tuple[Sequence[str], float]]


class Times(NamedTuple):
    """How many took up to each bound, in seconds, the last one without a bound; and what all took together."""

    name: str
    documentation: str
    bounds: Sequence[float]
    counts: Sequence[int]
    seconds: float


class Metrics:
    """A reader of facts, and the list of everything that is counted elsewhere."""

    def __init__(self) -> None:
        self._facts: Counter[type[Fact]] = Counter()
        self._file_octets: Counter[str] = Counter()
        self._sources: list[Callable[[], Family]] = []
        self._rendered = [0] * (len(_RENDER_SECONDS) + 1)
        self._seconds = 0.0

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Count a batch."""
        before = self._facts[FileServed]
        self._facts.update(map(type, facts))
        if self._facts[FileServed] == before:
            return
        for served in [fact for fact in facts if type(fact) is FileServed]:
            if not served.unchanged:
                self._file_octets[served.via] += served.size

    def rendered(self, seconds: float) -> None:
        """A file was rendered in that time."""
        self._rendered[bisect_left(_RENDER_SECONDS, seconds)] += 1
        self._seconds += seconds

    def counter(self, name: str, documentation: str, label: str, values: Values) -> None:
        """Add values that only rise, for instance the fields of a stats object; ``name`` without ``_total``."""
        self._sources.append(lambda: _family("counter", name, documentation, label, values()))

    def gauge(self, name: str, documentation: str, label: str, values: Values) -> None:
        """Add values that rise and fall."""
        self._sources.append(lambda: _family("gauge", name, documentation, label, values()))

    def text(self) -> bytes:
        """Everything, in the text format of Prometheus."""
        from provd.observe.exposition import text_of  # noqa: PLC0415 - a library that only whoever scrapes needs

        times = Times(
            "provd_render_seconds",
            "Time to render one file",
            _RENDER_SECONDS,
            tuple(accumulate(self._rendered)),
            self._seconds,
        )
        return text_of(self._families(), times)

    def _families(self) -> Iterator[Family]:
        yield _family("gauge", "provd_info", "The version of the daemon", "version", {__version__: 1})
        counted = [
            ((kind.ID, kind.LEVEL.name.lower()), float(count))
            for kind, count in sorted(self._facts.items(), key=lambda item: item[0].ID)
        ]
        yield Family("counter", "provd_facts", "Facts by id", ("fact", "level"), counted)
        yield _family("counter", "provd_file_octets", "Octets of files delivered", "via", self._file_octets)
        for source in self._sources:
            yield source()


def _family(
    kind: Literal["counter", "gauge"], name: str, documentation: str, label: str, values: Mapping[str, float]
) -> Family:
    samples = [((value,) if label else (), amount) for value, amount in sorted(values.items())]
    return Family(kind, name, documentation, (label,) if label else (), samples)
