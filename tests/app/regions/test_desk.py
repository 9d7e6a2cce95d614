"""What devices are answered, on a real database."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from provd.app.activation.limits import AT_ONCE
from provd.app.regions.ports import Unreached
from provd.app.regions.querying import REFUSED_FOR
from provd.app.regions.register import Regions
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts import Fact
from provd.domain.activation.thing import Thing, ThingState
from provd.domain.regions import speech
from provd.domain.regions.enrolment import CHUNK, MOST
from provd.domain.regions.home import Home, HomeState, Role
from provd.domain.regions.rules import By, Rule
from tests.kit.federation import (
    Disk,
    DiskLedger,
    Instance,
    body_of,
    envelope,
    everybody_to,
    key_hash,
    key_of,
    provision,
    query,
    run,
)

CAR = {"system_id": "car", "sub_system_id": "s", "vin": "W" * 17}


class Somebody:
    """Implements the caller's side of the registry."""

    name, peer, tenant, condition = "ann", "10.0.0.1", None, None


class Bench:
    """One instance, its clock, and a device with its messages."""

    def __init__(self, role: Role = Role.GLOBAL) -> None:
        self.at = 1_700_000_000.0
        self.numbers = itertools.count(1)
        self.rules: tuple[Rule, ...] = everybody_to("eu")
        self.disk = Disk()
        self.instance = Instance("world", role, self.disk, lambda: self.at, fresh=self.fresh, rules=lambda: self.rules)
        self.disk.know("eu", "us")
        self.instance.start()
        self.facts: list[Fact] = self.instance.facts
        self.regions = Regions(
            DiskLedger(self.disk, lambda _when: None),
            self.instance.terms,
            lambda: self.at,
            self.facts.append,
            self.fresh,
        )

    def fresh(self) -> str:
        return f"id-{next(self.numbers)}"

    def has(self, device: str, **more: Any) -> None:
        self.disk.look(lambda book: book.save(None, Home(device_id=device, key_hash=key_hash(device), **more)))

    def ask(self, octets: bytes, device: str = "d", peer: str = "10.0.0.9") -> tuple[int, dict[str, Any]]:
        reply = run(self.instance.desk.handle(octets, key_of(device), peer))
        self.retry = reply.retry
        return reply.status, body_of(reply)

    def queries(self, device: str = "d", **header: Any) -> tuple[int, dict[str, Any]]:
        header = {"ecu_type": "UNIT", **header}
        return self.ask(query(device, self.fresh(), **header), device)

    def comes(self, device: str = "d", **header: Any) -> tuple[int, dict[str, Any]]:
        header = {"ecu_type": "UNIT", **header}
        return self.ask(provision(device, self.fresh(), **header), device)

    def answers(self, *results: speech.Heard) -> None:
        """What the region says to what it is told, one after the other."""
        for heard in results:
            for outgoing, _, _ in run(self.instance.courier.take()):
                run(self.instance.courier.settle(outgoing, heard))

    def state(self, device: str = "d") -> str:
        home = self.instance.home(device)
        return "" if home is None else home.state.value

    def put(self, device: str, **changes: Any) -> None:
        home = self.instance.home(device)
        assert home is not None
        self.disk.look(lambda book: book.save(home, replace(home, **changes)))


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.disk.close()


def test_a_device_that_has_found_its_customer_meanwhile_goes_home_as_that_ones(bench: Bench) -> None:
    bench.rules = (Rule(by=By.TENANT, value="blue", region="us"),)
    key = {"vendor": "acme", "model": "s2", "sn": "S1"}
    thing = Thing(**key, state=ThingState.ACTIVATED, tenant="master", key_hash=key_hash("acme/s2/S1"))
    bench.disk.look(lambda book: book._things.put([thing]))
    assert bench.queries("acme/s2/S1")[1]["lifecycle_state"] == "GLOBAL"
    bench.disk.connection.exec_driver_sql("UPDATE thing SET tenant = 'blue'")
    assert bench.queries("acme/s2/S1")[0] == 202
    home = bench.instance.home("acme/s2/S1")
    assert home is not None
    assert (home.state, home.region, home.tenant) == (HomeState.REHOMING, "us", "blue")


def test_asking_again_gives_the_same_answer(bench: Bench) -> None:
    bench.has("d")
    for _ in range(3):
        status, body = bench.queries()
        assert (status, body["response"], bench.retry) == (202, 1, 5)
        home = bench.instance.home("d")
        assert home is not None
        assert (home.state, home.epoch) == ("REHOMING", 1)
    assert len([fact for fact in bench.facts if fact.ID == "DEVICE-REHOMING"]) == 1
    bench.answers(speech.ACCEPTED, speech.RELEASED)
    assert bench.queries()[1] == {"lifecycle_state": "REGIONAL", "region": "eu", "endpoint": "at eu", "epoch": 1}


def test_the_same_message_is_answered_from_what_is_kept(bench: Bench) -> None:
    bench.has("d")
    bench.rules = ()
    octets = query("d", "m1", ecu_type="UNIT")
    first = bench.ask(octets)
    assert first[1]["lifecycle_state"] == "GLOBAL"
    bench.rules = everybody_to("eu")
    assert bench.ask(octets) == first, "it is the same message"
    status, body = bench.ask(query("d", "m1", ecu_type="UNIT", country="US"))
    assert (status, body["error"]) == (409, 13125)
    assert bench.queries()[0] == 202, "another one is another question"


def test_a_refused_device_waits_a_while_and_gets_a_new_epoch(bench: Bench) -> None:
    bench.has("d")
    bench.queries()
    bench.answers(speech.refused(13008, "it is full"))
    assert bench.state() == "QRY_FAIL"
    status, body = bench.queries()
    assert (status, body["error"], body["reason"]) == (502, 13105, "13008: it is full")
    assert 0 < bench.retry <= REFUSED_FOR + 1
    bench.at += REFUSED_FOR
    assert bench.queries()[0] == 202
    home = bench.instance.home("d")
    assert home is not None
    assert home.epoch == 2
    assert "DEVICE-NOT-REHOMED" in [fact.ID for fact in bench.facts]


def test_strangers_hear_the_same_whatever_they_guess(bench: Bench) -> None:
    bench.has("d")
    wrong = run(bench.instance.desk.handle(query("d", "m1", ecu_type="UNIT"), "guess", "10.0.0.9"))
    none = run(bench.instance.desk.handle(query("e", "m1", ecu_type="UNIT"), "guess", "10.0.0.9"))
    without = run(bench.instance.desk.handle(query("d", "m1", ecu_type="UNIT"), "", "10.0.0.9"))
    assert {reply.status for reply in (wrong, none, without)} == {404}
    assert body_of(wrong) == body_of(none) == body_of(without)
    for _ in range(AT_ONCE):
        reply = run(bench.instance.desk.handle(query("e", "m1", ecu_type="UNIT"), "guess", "10.0.0.9"))
    assert (reply.status, reply.retry > 0) == (429, True)
    assert bench.queries()[0] == 429, "the source is slowed down"
    assert bench.ask(query("d", "m2", ecu_type="UNIT"), peer="10.0.0.10")[0] == 202


def test_a_device_speaks_for_its_own_vehicle_only(bench: Bench) -> None:
    bench.has("d", **CAR)
    car = {**CAR, "ecu_type": "TCU"}
    assert bench.queries(**car | {"system_id": "other"})[1]["error"] == 13112
    assert bench.queries(**car | {"vin": "V" * 17})[1]["error"] == 13101
    assert bench.queries(**car)[0] == 202


def test_the_primary_unit_takes_the_others_along_and_they_wait_for_it(bench: Bench) -> None:
    car = {**CAR, "ecu_type": "TCU"}
    bench.has("tcu", **CAR)
    bench.has("ivi", primary=False, **CAR)
    status, body = bench.queries("ivi", primary=False, **car)
    assert (status, body["reason"]) == (202, "the primary unit has not asked yet")
    assert bench.state("ivi") == "REG"
    bench.queries("tcu", **car)
    assert (bench.state("tcu"), bench.state("ivi")) == ("REHOMING", "REHOMING")
    taken = {said.device_id: said.device for _, _, said in run(bench.instance.courier.take())}
    assert (taken["tcu"]["waits_for"], taken["ivi"]["waits_for"]) == ("", "tcu")


def test_units_of_a_vehicle_come_after_the_primary_one(bench: Bench) -> None:
    car = {**CAR, "ecu_type": "IVI"}
    here = {"state": HomeState.PROV_PEN, "agreed": True, "epoch": 1, "source": "x"}
    bench.has("ivi", primary=False, waits_for="tcu", transfer="t2", **here, **CAR)
    assert bench.comes("ivi", **car)[1]["reason"] == "it waits for the primary unit"
    bench.has("tcu", transfer="t1", **here | {"agreed": False}, **CAR)
    assert bench.comes("tcu", **car)[1]["reason"] == "its former instance has not let go of it yet"
    assert bench.comes("ivi", **car)[0] == 202
    bench.put("tcu", agreed=True)
    assert bench.comes("tcu", **car)[1]["lifecycle_state"] == "PROVISIONED"
    assert bench.comes("ivi", **car)[1]["lifecycle_state"] == "PROVISIONED"


def test_who_comes_with_something_that_does_not_fit_may_come_again(bench: Bench) -> None:
    bench.has("d", state=HomeState.PROV_PEN, agreed=True, epoch=1, transfer="t", source="x")
    octets = json.loads(provision("d", "p1", ecu_type="UNIT"))
    wrong = json.loads(octets["body"]) | {"region_info": {"region_code": "us"}}
    assert bench.ask(json.dumps(octets | {"body": json.dumps(wrong)}).encode())[1]["error"] == 13120
    assert bench.state() == "PROV_FAIL"
    home = bench.instance.home("d")
    assert home is not None
    assert not home.served
    assert bench.comes()[1]["lifecycle_state"] == "PROVISIONED"
    assert [each.kind for each in bench.disk.look(lambda book: book.saying("d"))] == ["provisioned"]


def test_one_vin_is_one_vehicle(bench: Bench) -> None:
    car = {**CAR, "ecu_type": "TCU"}
    bench.has("old", state=HomeState.ACTIVE, **CAR)
    bench.has("d", state=HomeState.PROV_PEN, agreed=True, epoch=1, transfer="t", source="x", system_id="car-2")
    assert bench.comes(**car | {"system_id": "car-2"})[1]["error"] == 13128


def test_whose_home_is_not_here_is_told_to_ask(bench: Bench) -> None:
    bench.has("d")
    assert bench.comes()[1]["error"] == 13123


def test_an_old_message_is_not_carried_out(bench: Bench) -> None:
    bench.has("d")
    late = query("d", "m1", ecu_type="UNIT", time=int(bench.at) - 100, ttl=60)
    assert bench.ask(late)[0] == 410
    assert bench.state() == "REG"


class Adviser:
    def __init__(self, *answers: str | None) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []

    async def ask(self, server: str, home: Home) -> str:
        self.asked.append((server, home.device_id))
        answer = self.answers.pop(0)
        if answer is None:
            raise Unreached("it does not answer")
        return answer


@pytest.mark.parametrize(
    ("answer", "status", "state"),
    [("us", 202, "REHOMING"), ("", 200, "GLOBAL"), (None, 202, "REG"), ("mars", 200, "GLOBAL")],
)
def test_a_server_that_knows_homes(bench: Bench, answer: str | None, status: int, state: str) -> None:
    bench.has("d")
    bench.rules = (Rule(by=By.WEBHOOK, value="https://homes.example"),)
    adviser = bench.instance.desk._advice = Adviser(answer)  # type: ignore[assignment]
    assert bench.queries()[0] == status
    assert bench.state() == state
    assert adviser.asked == [("https://homes.example", "d")]


def test_the_rules_behind_a_server_count_when_it_does_not_know(bench: Bench) -> None:
    bench.has("d")
    bench.rules = (Rule(by=By.WEBHOOK, value="https://homes.example"), *everybody_to("eu"))
    bench.instance.desk._advice = Adviser("")  # type: ignore[assignment]
    bench.queries()
    home = bench.instance.home("d")
    assert home is not None
    assert home.region == "eu"


def test_a_thousand_devices_are_registered_bit_by_bit(bench: Bench) -> None:
    bench.has("there")
    devices: list[dict[str, object]] = [{"device_id": f"d{n}", "key": f"key {n}"} for n in range(MOST - 3)]
    devices += [
        {"device_id": "there", "key": "x"},
        {"device_id": "bad", "vin": "short", "key": "x"},
        {"device_id": "d0", "key": "y"},
    ]
    name = run(bench.regions.register(devices, Somebody()))  # type: ignore[arg-type]
    turns = 0
    while run(bench.regions.enrol()):
        turns += 1
        request = run(bench.regions.enrolment(name))
        assert request.done == turns * CHUNK
        assert "key 5" not in str(request.devices), "a key is kept as its hash only"
    assert turns == MOST // CHUNK
    request = run(bench.regions.enrolment(name))
    assert (request.finished > 0, request.devices) == (True, {"items": []})
    failures = [(each["device_id"], each["error"]) for _, each in sorted(request.failures.items())]  # type: ignore[index]
    assert failures == [("there", 13020), ("bad", 13101), ("d0", 13020)]
    assert sum(number for state, _, number in bench.disk.look(lambda book: book.counts()) if state == "REG") == MOST - 2
    assert run(bench.regions.enrol()) is False
    for wrong in ([], [{"device_id": "x"}] * (MOST + 1)):
        with pytest.raises(UsageError):
            run(bench.regions.register(wrong, Somebody()))  # type: ignore[arg-type]


def test_what_people_may_not_move(bench: Bench) -> None:
    bench.has("d")
    bench.has("here", state=HomeState.PROV_PEN, transfer="t", epoch=1)
    for device, to, error in (
        ("d", "mars", NotFoundError),
        ("nobody", "eu", NotFoundError),
        ("d", "world", ConflictError),
        ("d", "", ConflictError),
        ("here", "eu", ConflictError),
    ):
        with pytest.raises(error):
            run(bench.regions.move(device, to, Somebody()))  # type: ignore[arg-type]
    run(bench.regions.move("d", "eu", Somebody()))  # type: ignore[arg-type]
    with pytest.raises(ConflictError):
        run(bench.regions.move("d", "eu", Somebody()))  # type: ignore[arg-type]
    bench.answers(speech.refused(13008, "no"))
    assert bench.state() == "QRY_FAIL"
    run(bench.regions.retry("d", Somebody()))  # type: ignore[arg-type]
    home = bench.instance.home("d")
    assert home is not None
    assert (home.state, home.region, home.epoch) == ("REHOMING", "eu", 2)
    actions = [entry[0] for entry in bench.disk.connection.exec_driver_sql("SELECT action FROM audit").all()]
    assert actions == ["region.move", "region.retry"]


def test_a_message_without_an_answer_of_its_own(bench: Bench) -> None:
    bench.has("d")
    status, body = bench.ask(envelope("d", "CHIPSET_ONBOARDING_NONCE", {}, number="m1", ecu_type="UNIT"))
    assert (status, body["error"]) == (404, 13123)
