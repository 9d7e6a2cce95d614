from prometheus_client.parser import text_string_to_metric_families

from provd.observe.metrics import Metrics
from tests.observe.kit import degraded, served


def samples(metrics: Metrics) -> dict:
    families = text_string_to_metric_families(metrics.text().decode())
    return {(sample.name, *sample.labels.values()): sample.value for family in families for sample in family.samples}


def test_facts_and_octets_are_counted():
    metrics = Metrics()
    metrics([served(size=100), served(size=50), degraded()])
    found = samples(metrics)
    assert found["provd_facts_total", "FILE-SERVED", "info"] == 2
    assert found["provd_facts_total", "DEGRADED", "error"] == 1
    assert found["provd_file_octets_total", "http"] == 150


def test_what_others_count_is_asked_for_at_every_scrape():
    metrics, stats, states = Metrics(), {"discover": 1}, {"unclaimed": 3}
    metrics.counter("provd_dhcp_messages", "DHCP messages", "type", lambda: stats)
    metrics.gauge("provd_devices", "Devices", "state", lambda: states)
    metrics.gauge("provd_leases", "Active leases", "", lambda: {"": 7})
    assert samples(metrics)["provd_dhcp_messages_total", "discover"] == 1
    stats["discover"] = 5
    found = samples(metrics)
    assert found["provd_dhcp_messages_total", "discover"] == 5
    assert found["provd_devices", "unclaimed"] == 3
    assert found["provd_leases",] == 7


def test_render_time_has_a_distribution():
    metrics = Metrics()
    metrics.rendered(0.004)
    metrics.rendered(0.04)
    found = samples(metrics)
    assert found["provd_render_seconds_count",] == 2
    assert found["provd_render_seconds_bucket", "0.005"] == 1
