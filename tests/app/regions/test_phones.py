"""Where phones stand, what is shown of it to the file service, and what comes of what they ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from provd.app.elsewhere import Place
from provd.app.regions.phones import ASK_AGAIN, Phones, phone_in
from provd.app.regions.turns import Terms
from provd.app.regions.watching import Watching
from provd.app.tokens import Tokens
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.regions.home import Home, HomeState, Region, Role, Tombstone
from provd.domain.regions.speech import Heard, Said, heard_octets, heard_of, said_octets, said_of
from tests.kit.federation import Disk, DiskLedger, Silent, everybody_to

MAC, ID = Mac("805ec0112233"), "80:5e:c0:11:22:33"
TOKENS = Tokens(b"k" * 32)
EU = Region(name="eu", url="https://eu", endpoint="https://eu.example/", secret=Secret("s"))


@dataclass
class Stage:
    disk: Disk
    terms: Terms = field(default_factory=lambda: Terms(name="world", role=Role.GLOBAL, rules=everybody_to("eu")))
    now: float = 1000.0
    spoken: int = 0
    forgotten: list[Mac] = field(default_factory=list)
    facts: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Watching(DiskLedger(self.disk, lambda _when: None), lambda name: phone_in(name) is not None)
        self.phones = self.fresh()

    def fresh(self) -> Phones:
        """As after a start."""
        phones = Phones(
            self.ledger,
            lambda: self.terms,
            lambda: self.now,
            self.facts.append,
            fresh=lambda: f"t{self.now}",
            advice=Silent(),  # type: ignore[arg-type]
            tokens=TOKENS,
            spoke=self._spoke,
            forget=self._forget,
        )
        self.ledger.hear = phones.hear
        return phones

    def _spoke(self) -> None:
        self.spoken += 1

    async def _forget(self, mac: Mac) -> None:
        self.forgotten.append(mac)

    async def put(self, home: Home) -> None:
        await self.ledger.change((), lambda book: book.save(book.home(home.device_id), home))


@pytest.fixture
def stage() -> Iterator[Stage]:
    disk = Disk()
    disk.look(lambda book: book.put_region(EU))
    yield Stage(disk)
    disk.close()


def home(state: HomeState, **more: object) -> Home:
    return Home(device_id=ID, state=state, **more)  # type: ignore[arg-type]


async def test_a_phone_that_asks_the_global_instance_for_its_file_is_sent_home(stage: Stage) -> None:
    await stage.phones.load()
    await stage.put(home(HomeState.REG))
    assert stage.phones.place(MAC) is None, "it is served here until its region has it"
    stage.phones.asked(MAC)
    await stage.phones.close()
    found = stage.disk.look(lambda book: book.home(ID))
    assert found is not None
    assert (found.state, found.region, found.epoch) == (HomeState.REHOMING, "eu", 1)
    assert [fact.ID for fact in stage.facts] == ["DEVICE-REHOMING"]  # type: ignore[attr-defined]
    assert stage.spoken == 1
    stage.phones.asked(MAC)
    stage.phones.asked(Mac("805ec0999999"))
    await stage.phones.close()
    assert len(stage.facts) == 1


async def test_a_phone_without_a_home_stays_and_is_looked_at_again_later(stage: Stage) -> None:
    stage.terms = Terms(name="world", role=Role.GLOBAL)
    await stage.put(home(HomeState.REG))
    stage.phones.asked(MAC)
    await stage.phones.close()
    found = stage.disk.look(lambda book: book.home(ID))
    assert found is not None
    assert found.state is HomeState.GLOBAL
    stage.terms = Terms(name="world", role=Role.GLOBAL, rules=everybody_to("eu"))
    stage.now += ASK_AGAIN
    stage.phones.asked(MAC)
    await stage.phones.close()
    found = stage.disk.look(lambda book: book.home(ID))
    assert found is not None
    assert found.state is HomeState.REHOMING


@pytest.mark.parametrize("restarted", [False, True])
async def test_where_a_phone_is_led(stage: Stage, *, restarted: bool) -> None:
    way = Secret("w" * 26)
    steps: list[tuple[Home, Place | None]] = [
        (home(HomeState.REHOMING, region="eu"), None),
        (home(HomeState.REHOMING, region="eu", agreed=True), Place()),
        (home(HomeState.REGIONAL, region="eu", way=way), Place("https://eu.example", way)),
        (home(HomeState.PROV_PEN), Place()),
        (home(HomeState.PROV_PEN, agreed=True), None),
        (home(HomeState.ACTIVE), None),
    ]
    await stage.phones.load()
    for each, place in steps:
        await stage.put(each)
        phones = stage.phones
        if restarted:
            phones = stage.fresh()
            await phones.load()
        assert phones.place(MAC) == place, each.state


async def test_a_phone_that_has_gone_is_forgotten_and_led_by_its_tombstone(stage: Stage) -> None:
    await stage.phones.load()
    there = home(HomeState.REGIONAL, region="eu", epoch=3)
    await stage.put(there)
    stone = Tombstone(device_id=ID, region="eu", epoch=3, way=Secret("w"))
    await stage.ledger.change((), lambda book: (book.bury(stone), book.drop(there)))  # type: ignore[func-returns-value]
    await stage.phones.close()
    assert stage.forgotten == [MAC]
    assert stage.phones.place(MAC) == Place("https://eu.example", Secret("w"))
    await stage.ledger.change(
        (), lambda book: book.put_region(EU.__class__(**{**_fields(EU), "endpoint": "https://new"}))
    )
    assert stage.phones.place(MAC) == Place("https://new", Secret("w"))


def _fields(region: Region) -> dict[str, object]:
    return {name: getattr(region, name) for name in ("name", "url", "endpoint", "secret")}


async def test_a_token_opens_here_for_the_accepted_epoch_alone_and_leads_on_afterwards(stage: Stage) -> None:
    stage.terms = Terms(name="eu", role=Role.REGIONAL)
    phones = stage.phones
    token = phones.way(ID, 4).reveal()
    assert (len(token), phones.way("acme/s2/S1", 4)) == (26, Secret(""))
    await stage.put(home(HomeState.PROV_PEN, epoch=4, source="world"))
    assert (phones.holder(token), phones.holder(phones.way(ID, 3).reveal())) == (MAC, None)
    # It leaves: the token of then tells who it is, so that it can be led on, and its place is elsewhere.
    await stage.put(home(HomeState.REGIONAL, epoch=5, source="world", region="us", agreed=True))
    assert (phones.holder(token), phones.place(MAC)) == (MAC, Place("", Secret("")))
    # It is back: only the token of now counts.
    await stage.put(home(HomeState.PROV_PEN, epoch=7, source="world"))
    assert (phones.holder(token), phones.holder(phones.way(ID, 7).reveal())) == (None, MAC)


async def test_a_phone_has_arrived_when_it_has_its_file(stage: Stage) -> None:
    stage.terms = Terms(name="eu", role=Role.REGIONAL)
    await stage.put(home(HomeState.PROV_PEN, epoch=2, source="world", transfer="t", agreed=False))
    stage.phones.came(MAC)
    await stage.phones.close()
    assert stage.facts == [], "its former instance has not let go of it"
    await stage.put(home(HomeState.PROV_PEN, epoch=2, source="world", transfer="t", agreed=True))
    stage.phones.came(MAC)
    stage.phones.came(MAC)
    await stage.phones.close()
    assert [fact.ID for fact in stage.facts] == ["DEVICE-ARRIVED"]  # type: ignore[attr-defined]
    found = stage.disk.look(lambda book: book.home(ID))
    assert found is not None
    assert found.state is HomeState.PROVISIONED
    assert [each.kind for each in stage.disk.look(lambda book: book.saying(ID))] == ["provisioned"]
    stage.phones.came(MAC)
    await asyncio.sleep(0)
    assert len(stage.facts) == 1


def test_what_proves_a_phone_travels_with_the_messages_and_is_shown_nowhere() -> None:
    from provd.domain.regions.home import Kind

    heard = Heard(result="accepted", way=Secret("w" * 26))
    assert heard_of(heard_octets(heard)) == heard
    said = Said(kind=Kind.MOVED, transfer="", device_id=ID, epoch=2, region="us", way=Secret("w" * 26))
    assert said_of(said_octets(said)) == said
    assert "wwww" not in repr(heard) + repr(said)
