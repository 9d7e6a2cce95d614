"""What is wrong with a phone and what to do, for the commonest causes: from the facts that each of them leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from provd.app.diagnosis.case import PATIENCE, ago
from provd.app.diagnosis.gather import Diagnoses
from provd.base.facts import Fact
from provd.base.facts.base import CATALOGUE
from provd.base.types import Mac
from provd.domain.records import DeviceState, Tenant
from provd.plugin import Writes
from tests.app.fakes import ACME, BOLTS, OTHER, PHONE, MemoryJournal, World, claimed, line

NOW = 2_000_000.0
FILE = f"{PHONE}.cfg"
ACK = ("DHCP-ACK", {"ip": "10.0.0.9", "subnet": "10.0.0.0/24", "seconds": 3600, "state": "selecting"})
COMMON = ("FILE-SERVED", {"name": "acme-a1.cfg", "via": "http", "peer": "10.0.0.9", "size": 9, "kind": "common"})
OWN = ("FILE-SERVED", {"name": FILE, "via": "http", "peer": "10.0.0.9", "size": 9, "kind": "device"})
ACCOUNT = f"ap{PHONE}"
REGISTERED = ("AUTOPROV-REGISTERED", {"account": ACCOUNT, "peer": "10.0.0.9:5060", "contact": "", "seconds": 60})
NORTH = Tenant(id="north", name="North", settings={"sip.server": "10.0.0.5", "time.zone": "Europe/Madrid"})
MASTER = Tenant(id="master", name="Nobody yet", settings={"time.zone": "Europe/Madrid"})


def refused(reason: str, peer: str = "10.0.0.9") -> tuple[str, dict[str, Any]]:
    return "FILE-REFUSED", {"name": FILE, "via": "http", "peer": peer, "reason": reason}


def told(*steps: tuple[str, dict[str, Any]], mac: Mac = PHONE, quiet: float = PATIENCE) -> list[Fact]:
    """Facts a second apart, the last one so many seconds ago."""
    first = NOW - quiet - len(steps) + 1
    return [CATALOGUE[name](at=first + i, mac=mac, boot="b1", **more) for i, (name, more) in enumerate(steps)]


class Clock:
    def now(self) -> float:
        return NOW


def diagnoses(facts: Sequence[Fact] = (), *, tenant: Tenant = NORTH, lines: int = 0, **device: Any) -> Diagnoses:
    """Of a site with one phone, of the master's or with a line of the tenant."""
    phone = claimed(PHONE, "n1") if lines else replace(claimed(PHONE), tenant="master", state=DeviceState.UNCLAIMED)
    phone = replace(phone, **{"last_seen": NOW - 70, **device})
    world = World(journal=MemoryJournal(MASTER, tenant, line(), phone))
    world.catalogue.manifests = (replace(ACME, writes=(*ACME.writes, Writes(("resync", "time")))), BOLTS)
    world.catalogue.revision += 1
    world.boot.station.refresh()
    found = Diagnoses(world.fleet, world.boot.station.knowledge, Clock())
    found.history = lambda mac: [fact for fact in facts if fact.mac == mac]
    return found


def said(found: Diagnoses, mac: Mac = PHONE) -> list[tuple[str, str, str]]:
    return [(each.level, each.what, each.do) for each in found.of(mac)]


CAUSES = {
    "wrong option 66": (
        told(ACK),
        {},
        "was given the address 10.0.0.9 60 s ago, and has not asked for a file",
        "option 66",
    ),
    "a wrong ending of option 66": (
        told(ACK, ("FILE-UNKNOWN", {"name": "firmware.bin", "via": "http", "peer": "10.0.0.9"})),
        {},
        "asks for firmware.bin, which no plugin offers",
        "provd identify --path firmware.bin",
    ),
    "another DHCP server": (
        told(("DHCP-OFFER", {"ip": "10.0.0.9", "subnet": "10.0.0.0/24"})),
        {},
        "was offered 10.0.0.9 60 s ago and did not take it",
        "another DHCP server",
    ),
    "observe": (
        told(("DHCP-WOULD-ANSWER", {"answer": "OFFER", "ip": "10.0.0.9", "subnet": "s", "phone": True})),
        {},
        "dhcp.mode is observe",
        "phones-only",
    ),
    "wrong VLAN": (
        told(("DHCP-IGNORED", {"reason": "no subnet"})),
        {},
        "is not answered: no subnet",
        "[[dhcp.subnet]]",
    ),
    "a declined address": (
        told(("DHCP-DECLINE", {"ip": "10.0.0.9", "subnet": "s", "seconds": 600})),
        {},
        "somebody else uses",
        "DHCP-DECLINE",
    ),
    "unplugged": ([], {"last_seen": NOW - 3 * 86400}, "last heard 3 days ago", "switched on"),
    "unknown vendor": (told(ACK), {"plugin": "", "vendor": ""}, "no plugin knows it", "--model MODEL"),
    "refused": (
        told(ACK, COMMON, refused("the address is leased to another device")),
        {},
        "the address is leased to another device",
        "restart it",
    ),
    "through a proxy": (
        told(ACK, refused("the address has no lease of ours and there is no valid token", "10.0.0.1")),
        {},
        "was refused to it",
        "it has 10.0.0.9 from our DHCP and asks by way of 10.0.0.1",
    ),
    "no token": (
        told(refused("no valid token")),
        {},
        "no valid token",
        f"provd device show {'02:aa:aa:00:00:01'} --reveal",
    ),
    "a broken template": (
        told(ACK, ("RENDER-FAILED", {"name": FILE, "plugin": "acme", "reason": "no filter 'x'"})),
        {},
        "could not be made: no filter 'x'",
        "provd template restore",
    ),
    "a transfer that breaks": (
        told(ACK, ("TFTP-ABANDONED", {"peer": "p", "name": FILE, "reason": "no answer", "blocks": 0, "of": 9})),
        {},
        "broke off: no answer",
        "provd explain TFTP-ABANDONED",
    ),
    "only the common file": (told(ACK, COMMON), {}, "has not asked for its own file", "factory settings"),
    "wrong password": (
        told(ACK, OWN, ("SIP-REFUSED", {"peer": "10.0.0.9", "reason": "password", "account": ACCOUNT})),
        {},
        "temporary account is refused: wrong password",
        "provd device sync 02:aa:aa:00:00:01",
    ),
    "SIP is closed": (told(ACK, OWN), {}, "has not registered its temporary account here", "5060"),
    "unknown code": (
        told(ACK, OWN, REGISTERED, ("CODE-REFUSED", {"outcome": "unknown", "via": "sip"})),
        {},
        "was refused 60 s ago: there is no such code",
        "provd code list",
    ),
    "code of a line that is elsewhere": (
        told(ACK, OWN, REGISTERED, ("CODE-REFUSED", {"outcome": "line-taken", "via": "sip"})),
        {},
        "the code's line is on another device",
        "--max-devices",
    ),
    "locked": (
        told(ACK, OWN, REGISTERED, ("CODE-LOCKED", {"lock": f"device:{PHONE}", "wait": 3600})),
        {},
        "counts for 3540 s",
        f"provd lock lift device:{PHONE}",
    ),
    "no server": (
        told(ACK, OWN),
        {"lines": 1, "tenant": replace(NORTH, settings={"time.zone": "UTC"})},
        "no server to register at",
        "provd tenant set north --set sip.server=HOST, or provd line set n1 --server HOST",
    ),
}


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_has_its_sentence_and_what_to_do(cause: str) -> None:
    facts, more, what, do = CAUSES[cause]
    problems = [(seen, advice) for level, seen, advice in said(diagnoses(facts, **more)) if level == "problem"]
    assert any(what in seen and do in advice for seen, advice in problems), problems
    assert not any("{mac}" in advice for _, advice in problems)


@pytest.mark.parametrize("cause", ["wrong option 66", "only the common file", "SIP is closed", "another DHCP server"])
def test_who_is_about_to_take_the_next_step_is_given_the_time(cause: str) -> None:
    facts, more, _, _ = CAUSES[cause]
    just_now = [replace(fact, at=fact.at + PATIENCE - 1) for fact in facts]
    assert [level for level, _, _ in said(diagnoses(just_now, **more))] == ["waiting"]


def test_a_phone_that_waits_for_its_code_has_no_problem() -> None:
    found = said(diagnoses(told(ACK, COMMON, OWN, REGISTERED)))
    assert found == [("waiting", "it is ready, and nobody has dialed a good code on it", found[0][2])]
    assert "provd code add" in found[0][2]


def test_a_phone_at_work_is_well_and_it_is_said_what_cannot_be_seen_from_here() -> None:
    facts = told(
        ACK,
        OWN,
        REGISTERED,
        ("CODE-REFUSED", {"outcome": "unknown", "via": "sip"}),
        ("CODE-ACCEPTED", {"code": "c", "line": "n1", "tenant": "north", "via": "sip", "identified": "account"}),
        OWN,
    )
    ((level, what, do),) = said(diagnoses(facts, lines=1, state=DeviceState.PROVISIONED))
    assert (level, what) == ("good", "it has its file and is to register at 10.0.0.5")
    assert "401" in do


def test_a_phone_that_only_keeps_its_address_is_not_suspected() -> None:
    renewed = ("DHCP-ACK", {**ACK[1], "state": "renewing"})
    facts = told(ACK, OWN, renewed)
    assert [level for level, *_ in said(diagnoses(facts, lines=1, state=DeviceState.PROVISIONED))] == ["good"]


def test_a_pbx_that_is_down_is_said_of_phones_with_lines() -> None:
    found = diagnoses(told(ACK, OWN), lines=1, state=DeviceState.PROVISIONED)
    found.down = lambda: ["pbx main: no answer from 10.0.0.5:5038", "tasks: a database is away"]
    assert [what for level, what, _ in said(found) if level == "problem"] == [
        "the pbx main: no answer from 10.0.0.5:5038"
    ]


def test_a_file_that_is_not_fetched_yet() -> None:
    found = diagnoses(told(ACK, OWN), lines=1, state=DeviceState.ASSIGNED)
    assert [level for level, what, _ in said(found) if "has not fetched its file" in what] == ["waiting"]
    found.comes = lambda _device: "within 1 min"
    assert [what for _, what, _ in said(found)] == [
        "its file has changed and it has not fetched it: it comes within 1 min"
    ]


def test_wishes_that_it_does_not_fulfil() -> None:
    settings = {"keys.9.type": "dnd", "firmware.version": "52.84"}
    found = diagnoses(told(ACK, OWN), lines=1, state=DeviceState.PROVISIONED, settings=settings, version="1.0")
    texts = [what for _, what, _ in said(found)]
    assert any("keys.9.type does nothing on it: A1 has only 4 keys" in text for text in texts)
    assert "it is to run firmware 52.84, and runs 1.0" in texts
    found = diagnoses(told(ACK, OWN, REGISTERED), model="A77")
    assert any("has no model 'A77'" in what for _, what, _ in said(found))


def test_without_a_time_zone_its_clock_is_wrong() -> None:
    bare = replace(NORTH, settings={"sip.server": "10.0.0.5"})
    found = said(diagnoses(told(ACK, OWN), tenant=bare, lines=1, state=DeviceState.PROVISIONED))
    assert [(level, "time.zone=" in do) for level, what, do in found if "no time zone" in what] == [("note", True)]


def test_a_label_that_was_misread() -> None:
    """The MAC on the label is asked for, with two digits exchanged."""
    wrong = Mac("02aaaa000010")
    texts = [what for _, what, _ in said(diagnoses(), wrong)]
    assert "02:aa:aa:00:00:01" in texts[0]
    assert texts[1] == "nothing was ever heard from it"
    assert [what for _, what, _ in said(diagnoses(), Mac("0c0c0c0c0c0c"))] == ["nothing was ever heard from it"]


def test_what_administrators_did_is_not_heard_from_a_phone() -> None:
    """Added and assigned in the office, and never switched on."""
    office = told(
        ("ADMIN-CHANGED", {"action": "device.assign", "kind": "device", "object": PHONE, "by": "control"}),
        ("DEVICE-STATE", {"was": "identified", "now": "assigned"}),
    )
    found = said(diagnoses(office, lines=1, state=DeviceState.ASSIGNED, last_seen=0.0))
    assert found[0][:2] == ("problem", "nothing was ever heard from it")


def test_a_tenant_is_not_told_of_a_phone_of_somebody_else_with_almost_the_same_mac() -> None:
    found = diagnoses().of(Mac("02aaaa000010"), owns=lambda tenant: tenant == "north")
    assert [each.what for each in found] == ["nothing was ever heard from it"]


def test_a_phone_that_was_heard_and_is_no_device() -> None:
    facts = told(("DHCP-IGNORED", {"reason": "not a phone"}), mac=OTHER)
    assert [what for _, what, _ in said(diagnoses(facts), OTHER)] == [
        "its request for an address is not answered: not a phone (60 s ago)",
        "it was heard, and is no device here",
    ]
    limited = told(("DEVICE-LIMIT", {"network": "10.0.0.0/24", "limit": 9}), mac=OTHER)
    assert [what for _, what, _ in said(diagnoses(limited), OTHER)] == [
        "it was not added: its network brought too many new devices"
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0 s ago"), (119, "119 s ago"), (120, "2 min ago"), (7200, "2 h ago"), (172800, "2 days ago")],
)
def test_how_long_ago(seconds: float, text: str) -> None:
    assert ago(seconds) == text
