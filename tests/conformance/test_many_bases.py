"""Yealink's systems of many DECT bases: servers in templates, accounts of several tenants, bases without accounts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.limits import limits_rule, read
from provd.domain.capability import shortfalls
from provd.plugin.phone import Account
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from provd.simulate.memory import MemoryWorld
from tests.conformance.phones import MANIFESTS, PLUGINS, Phone
from tests.conformance.test_every_model import models
from tests.conformance.vendors.yealink import key_value
from tests.kit.phones import make_phone

ENGINE = Engine()
TEMPLATES = PLUGINS / "yealink" / "templates"
BASE = "http://10.20.0.1:8667"
MAC = "805ec0112233"
KNOWN = [("W70B", "146.85.0.20"), ("W75DM", "175.87.0.10"), ("W80DM", "103.83.0.60"), ("W90DM", "130.85.0.20")]


def of_model(name: str, firmware: str) -> Phone:
    return replace(next(phone for phone in models("yealink") if phone.model == name), firmware=firmware)


def lines(phone: Phone, *servers: tuple[str, str, str]) -> list[dict[str, object]]:
    first = phone.job("claimed").context["lines"][0]
    return [
        {**first, "position": place, "username": f"u{place}", "server": server, "transport": transport}
        | {"backup_server": backup}
        for place, (server, transport, backup) in enumerate(servers, 1)
    ]


def body(phone: Phone, *servers: tuple[str, str, str]) -> bytes:
    return render_once(TEMPLATES, phone.job("claimed", lines=lines(phone, *servers)), engine=ENGINE)


@pytest.mark.parametrize(("name", "firmware"), KNOWN)
def test_lines_of_three_tenants_register_each_with_its_own_server(name: str, firmware: str) -> None:
    described = of_model(name, firmware)
    file = body(
        described,
        ("a.example", "udp", ""),
        ("b.example", "tls", "b2.example"),
        ("a.example", "udp", ""),
        ("c.example", "tcp", ""),
    )
    net = MemoryWorld(options={66: BASE.encode()}, files={f"{BASE}/{MAC}.cfg": file})
    phone = make_phone("yealink", name, mac=MAC, version=firmware)
    net.boot(phone)
    assert net.complaints == []

    def where(account: Account) -> tuple[str, int, str, str]:
        return account.server, account.port, account.transport, account.backup_server

    assert [where(account) for account in phone.accounts] == [
        ("a.example", 5060, "udp", ""),
        ("b.example", 5061, "tls", "b2.example"),
        ("a.example", 5060, "udp", ""),
        ("c.example", 5060, "tcp", ""),
    ]


def test_equal_servers_are_one_template_and_the_others_are_emptied() -> None:
    phone = of_model("W80DM", "103.83.0.60")
    found = dict(key_value(body(phone, ("a.example", "udp", ""), ("b.example", "udp", ""), ("a.example", "udp", ""))))
    assert [found[f"account.{n}.sip_server.template"] for n in range(1, 5)] == ["1", "2", "1", "%NULL%"]
    assert found["template.2.sip_server.1.address"] == "b.example"
    assert {found[f"template.{t}.sip_server.1.address"] for t in range(3, 11)} == {"%NULL%"}
    assert "template.11.name" not in found


def test_an_eleventh_server_is_said_to_be_one_too_many() -> None:
    phone = of_model("W80DM", "103.83.0.60")
    many = [(f"s{number}.example", "udp", "") for number in range(11)]
    found = dict(key_value(body(phone, *many)))
    assert (found["account.10.sip_server.template"], found["account.11.sip_server.template"]) == ("10", "%NULL%")
    job = replace(phone.job("claimed", lines=lines(phone, *many)), rule=limits_rule(MANIFESTS["yealink"]))
    said = [limit.reason for limit in read(render_once(TEMPLATES, job, engine=ENGINE)) if limit.setting == "sip.server"]
    assert said == ["line 11: the base knows ten servers, and this is another one"]


@pytest.mark.parametrize("name", ["W75B", "W80B", "W90B"])
def test_a_base_below_a_manager_has_no_accounts(name: str) -> None:
    manifest = MANIFESTS["yealink"]
    said = shortfalls(manifest, manifest.model(name), {"sip.server": "a", "audio.codecs": "pcma", "dialing.text": "x"})
    assert set(said.values()) == {f"{name} has no accounts: they are on its DECT manager"}
    assert len(said) == 3


def test_its_handsets_are_not_ours_to_name() -> None:
    manifest = MANIFESTS["yealink"]
    assert shortfalls(manifest, manifest.model("W90DM"), {"handsets.1.name": "x"}) == {
        "handsets.1.name": "W90DM has many bases: each handset has the account of its own number"
    }
