"""Adapters of the SPA family that are routers: their log, and the numbers of their time zones."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.limits import limits_rule, read
from provd.app.zones import zone
from provd.domain.capability import shortfall
from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.phones import MANIFESTS, PLUGINS, of_model
from tests.conformance.vendors.cisco_spa import flat_profile

ENGINE = Engine()
PHONE = of_model("SPA112")
CLOCK = "router-configuration/Time_Setup/"
LOG = "router-configuration/Log_Configuration/"


def told(**settings: object) -> tuple[dict[str, str], dict[str, str]]:
    """What stands in the file of an adapter that is told these settings, and what is said of them beside it."""
    named = {name.replace("_", ".", 1): value for name, value in settings.items()}
    changes = {"settings": {**nest({**DEFAULTS, **named}), "vendor": {}}, "zone": None}
    if "time.zone" in named:
        changes["zone"] = zone(str(named["time.zone"]))
    job = PHONE.job("claimed", **changes)
    bodies = [
        render_once(PLUGINS / "cisco_spa" / "templates", each, engine=ENGINE)
        for each in (job, replace(job, rule=limits_rule(MANIFESTS["cisco_spa"])))
    ]
    return dict(flat_profile(bodies[0])), {limit.setting: limit.reason for limit in read(bodies[1])}


@pytest.mark.parametrize(
    ("name", "number", "summer"),
    [("Europe/Paris", "+01 2 2", "1"), ("Asia/Kolkata", "+05.5 1 0", "0"), ("America/New_York", "-05 2 1", "1")],
)
def test_a_zone_whose_number_is_known(name: str, number: str, summer: str) -> None:
    found, said = told(time_zone=name)
    assert (found[f"{CLOCK}Time_Zone"], found[f"{CLOCK}Auto_Adjust_Clock"]) == (number, summer)
    assert "time.zone" not in said


@pytest.mark.parametrize("name", ["Asia/Kathmandu", "America/Nuuk", "Europe/Moscow", "Pacific/Chatham"])
def test_of_another_one_it_is_greenwich_and_nothing_of_the_former(name: str) -> None:
    found, said = told(time_zone=name)
    assert (found[f"{CLOCK}Time_Zone"], found[f"{CLOCK}Auto_Adjust_Clock"]) == ("+00 2 2", "0")
    assert said["time.zone"].startswith(f"{name}: the adapter's number of that zone is not known here")


def test_without_a_server_nothing_is_logged() -> None:
    found, _ = told()
    assert {name.removeprefix(LOG): value for name, value in found.items() if name.startswith(LOG)} == {
        "Syslog_Server_IP": "0.0.0.0",
        "Syslog_Server_Port": "514",
        "Event_Log_Server": "0.0.0.0",
        "Event_Log_Port": "514",
        "Event_Log_Flag": "0",
    }


def test_its_log_goes_where_it_is_told() -> None:
    found, said = told(syslog_server="192.0.2.7", syslog_port=5514)
    assert (found[f"{LOG}Syslog_Server_IP"], found[f"{LOG}Syslog_Server_Port"]) == ("192.0.2.7", "5514")
    assert (found[f"{LOG}Event_Log_Server"], found[f"{LOG}Event_Log_Port"]) == ("192.0.2.7", "5514")
    assert found[f"{LOG}Event_Log_Flag"] == "15"
    assert "syslog.server" not in said


@pytest.mark.parametrize("server", ["log.example", "2001:db8::7"])
def test_a_name_takes_events_only_and_that_is_said(server: str) -> None:
    found, said = told(syslog_server=server)
    assert (found[f"{LOG}Syslog_Server_IP"], found[f"{LOG}Event_Log_Server"]) == ("0.0.0.0", server)
    assert "to an IPv4 address only" in said["syslog.server"]


def test_steps_of_the_log_are_the_phones() -> None:
    manifest = MANIFESTS["cisco_spa"]
    assert "how grave" in shortfall(manifest, manifest.model("ATA191"), "syslog.level", "debug")
    assert shortfall(manifest, manifest.model("SPA504G"), "syslog.level", "debug") == ""
