"""The text format of Prometheus (version 0.0.4), made by its client library.

Apart from :mod:`provd.observe.metrics`, which counts from the first moment: the library is loaded after that.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from provd.observe.metrics import Family, Times


def text_of(families: Iterable[Family], times: Times) -> bytes:
    """All of them as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Made([*map(_metric, families), _histogram(times)]))
    return generate_latest(registry)


class _Made(Collector):
    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def _metric(family: Family) -> Metric:
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    made = kind(family.name, family.documentation, labels=family.labels)
    for labels, amount in family.samples:
        made.add_metric(labels, amount)
    return made


def _histogram(times: Times) -> Metric:
    bounds = [*map(str, times.bounds), "+Inf"]
    buckets = [(bound, float(count)) for bound, count in zip(bounds, times.counts, strict=True)]
    made = HistogramMetricFamily(times.name, times.documentation)
    made.add_metric([], buckets, times.seconds)
    return made
