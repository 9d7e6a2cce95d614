"""Metrics in the Prometheus text format: facts counted here, everything else asked for when somebody scrapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from provd import __version__
from provd.base.facts import Fact
from provd.base.facts.files import FileServed

Values = Callable[[], Mapping[str, float]]
"""Current values by label value; the empty label value stands for a metric without labels."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_RENDER_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """A reader of facts, and the registry of everything that is counted elsewhere."""

    def __init__(self) -> None:
        self._facts: Counter[type[Fact]] = Counter()
        self._file_octets: Counter[str] = Counter()
        self._sources: list[Callable[[], Metric]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Families(self._families))
        self._render = Histogram(
            "provd_render_seconds", "Time to render one file", registry=self._registry, buckets=_RENDER_SECONDS
        )

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Count a batch."""
        self._facts.update(map(type, facts))
        for served in [fact for fact in facts if type(fact) is FileServed]:
            if not served.unchanged:
                self._file_octets[served.via] += served.size

    def rendered(self, seconds: float) -> None:
        """A file was rendered in that time."""
        self._render.observe(seconds)

    def counter(self, name: str, documentation: str, label: str, values: Values) -> None:
        """Add values that only rise, for instance the fields of a stats object; ``name`` without ``_total``."""
        self._sources.append(lambda: _family(CounterMetricFamily, name, documentation, label, values()))

    def gauge(self, name: str, documentation: str, label: str, values: Values) -> None:
        """Add values that rise and fall."""
        self._sources.append(lambda: _family(GaugeMetricFamily, name, documentation, label, values()))

    def text(self) -> bytes:
        """Everything, in the text format (:data:`CONTENT_TYPE`)."""
        return generate_latest(self._registry)

    def _families(self) -> Iterator[Metric]:
        yield _family(GaugeMetricFamily, "provd_info", "The version of the daemon", "version", {__version__: 1})
        counted = CounterMetricFamily("provd_facts", "Facts by id", labels=["fact", "level"])
        for kind, count in sorted(self._facts.items(), key=lambda item: item[0].ID):
            counted.add_metric((kind.ID, kind.LEVEL.name.lower()), count)
        yield counted
        octets = self._file_octets
        yield _family(CounterMetricFamily, "provd_file_octets", "Octets of files delivered", "via", octets)
        for source in self._sources:
            yield source()


class _Families(Collector):
    def __init__(self, families: Callable[[], Iterable[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families()


def _family(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    documentation: str,
    label: str,
    values: Mapping[str, float],
) -> Metric:
    family = kind(name, documentation, labels=[label] if label else [])
    for value, amount in sorted(values.items()):
        family.add_metric([value] if label else [], amount)
    return family
