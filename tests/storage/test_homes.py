"""The book of regions on both databases: who wins, what one transaction sees, what several daemons share."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from provd.app.regions.office import closed
from provd.app.regions.ports import Book, Given
from provd.app.regions.turns import Terms, carry_out
from provd.base.errors import ClashError, ConflictError
from provd.base.secrets import Secret
from provd.domain.activation.form import Ask
from provd.domain.activation.thing import Thing, ThingModel, ThingState, ThingVendor, enabled
from provd.domain.records import AuditEntry
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.handover import begun
from provd.domain.regions.home import Home, HomeState, Outgoing, Region, Tombstone
from provd.domain.regions.messages import Chipset
from provd.domain.regions.unit import UnitState, unit_of
from provd.storage.ledger import StoredLedger
from provd.storage.region_ledger import StoredRegions
from provd.storage.store import Store
from tests.kit.patience import PATIENCE
from tests.storage.conftest import Place

NOW = 1_700_000_000.0
KEY = ("d",)
HOME = Home(device_id="d", key_hash="k" * 64, system_id="car", vin="W" * 17, attributes={"n": 1}, created=NOW)
REGION = Region(name="eu", url="https://eu", endpoint="https://eu", secret=Secret("s" * 16), created=NOW)


class Alone:
    """Nothing stands beside devices that fetch a key."""

    def changed(self, things: object) -> list[object]:
        return []

    def handed_over(self, gone: object, fresh: object) -> list[object]:
        return []

    def dropped(self, vendor: str, model: str, sns: object) -> list[object]:
        return []

    def kept(self, changes: object) -> None:
        raise AssertionError("nothing was written beside")


def ledger_of(store: Store) -> StoredRegions:
    return StoredRegions(store, StoredLedger(store).statements, Alone())  # type: ignore[arg-type]


@pytest.fixture
def ledger(store: Store) -> StoredRegions:
    return ledger_of(store)


def out(name: str, *, due: float = NOW, lease: float = 0.0) -> Outgoing:
    return Outgoing(id=name, device_id="d", peer="eu", kind="register", transfer=name, epoch=1, due=due, lease=lease)


async def test_everything_comes_back_as_it_went(ledger: StoredRegions) -> None:
    stone = Tombstone(device_id="gone", region="eu", epoch=7, source="world", at=NOW)
    given = Given(device_id="d", type="PROVISION_QUERY", message_id="m", digest="x", body={"a": [1]}, epoch=3, at=NOW)
    request = Enrolment(id="r", by="ann", total=2, devices={"items": [{"device_id": "x"}]}, created=NOW)
    units = [unit_of("d", Chipset(id=name, type="modem"), NOW) for name in ("b", "a")]

    def work(book: Book) -> None:
        book.save(None, HOME)
        book.put_region(REGION)
        book.bury(stone)
        book.say(out("t1"))
        book.give(given)
        book.put_enrolment(request)
        book.put_units(units)
        book.list_homes({"d": "eu", "e": "us"})
        book.list_homes({"e": ""})
        book.audit(AuditEntry(at=NOW, by="ann", action="region.add", kind="region", object="eu"))

    await ledger.change(KEY, work)

    def look(book: Book) -> list[object]:
        return [
            book.home("d"),
            book.home_by_key("k" * 64),
            book.home_by_key(""),
            list(book.mates("car")),
            list(book.mates("")),
            book.region("eu"),
            list(book.regions()),
            book.tombstone("gone"),
            book.given("d", "PROVISION_QUERY"),
            book.enrolment("r"),
            [unit.unit_id for unit in book.units("d")],
            (book.listed("d"), book.listed("e")),
            [each.id for each in book.saying("d")],
            sorted(book.counts()),
        ]

    wanted = [HOME, HOME, None, [HOME], [], REGION, [REGION], stone, given, request, ["a", "b"], ("eu", ""), ["t1"]]
    assert await ledger.change(KEY, look) == [*wanted, [("GONE", "eu", 1), ("REG", "", 1)]]
    assert (await ledger.read(lambda book: book.region("eu"))) == REGION


async def test_who_moves_a_device_that_was_moved_meanwhile_has_moved_nothing(ledger: StoredRegions) -> None:
    await ledger.change(KEY, lambda book: book.save(None, HOME))
    leaving = begun(HOME, "eu", "t1", NOW).home
    assert leaving is not None
    await ledger.change(KEY, lambda book: book.save(HOME, leaving))
    for attempt in (
        lambda book: book.save(HOME, replace(HOME, tenant="x")),
        lambda book: book.save(None, HOME),
        lambda book: book.drop(HOME),
        lambda book: book.save(None, replace(HOME, device_id="e")),  # its key is taken
    ):
        with pytest.raises(ClashError):
            await ledger.change(KEY, attempt)
    assert await ledger.read(lambda book: book.home("d")) == leaving


async def test_who_was_slower_decides_once_more_by_what_is_there_now(ledger: StoredRegions) -> None:
    await ledger.change(KEY, lambda book: book.save(None, HOME))
    looked: list[Home | None] = []

    def work(book: Book) -> None:
        # As another daemon's change looks that comes between the look and the write.
        present = HOME if looked else replace(HOME, epoch=9)
        looked.append(present)
        book.save(present, replace(HOME, tenant="blue"))

    await ledger.change(KEY, work)
    assert len(looked) == 2
    found = await ledger.read(lambda book: book.home("d"))
    assert found is not None
    assert found.tenant == "blue"


async def test_who_lives_in_a_region_and_what_goes_with_it(ledger: StoredRegions) -> None:
    def work(book: Book) -> None:
        book.put_region(REGION)
        book.bury(Tombstone(device_id="there", region="eu", epoch=1))
        book.bury(Tombstone(device_id="back", region="eu", epoch=1))
        book.bury(Tombstone(device_id="kept", region="eu", epoch=1))
        book.bury(Tombstone(device_id="us", region="us", epoch=1))
        for name, state, key in (
            ("back", HomeState.ACTIVE, "1"),
            ("kept", HomeState.GONE, "2"),
            ("going", HomeState.REHOMING, "3"),
            ("failed", HomeState.QRY_FAIL, "4"),
        ):
            book.save(None, replace(HOME, device_id=name, state=state, region="eu", key_hash=key))
        book.list_homes({"a": "eu", "b": "us"})
        book.say(out("one"))

    await ledger.change(KEY, work)
    assert await ledger.change((), lambda book: book.living("eu", 9)) == ["going", "kept", "there"]
    assert len(await ledger.change((), lambda book: book.living("eu", 2))) == 2
    assert await ledger.change((), lambda book: (book.owed_to("eu"), book.owed_to("us"))) == (1, 0)
    await ledger.change((), lambda book: book.drop_region("eu", "us"))
    found = await ledger.change((), lambda book: (book.region("eu"), book.listed("a"), book.owed_to("eu")))
    assert found == (None, "us", 0)
    await ledger.change((), lambda book: book.drop_region("us", ""))
    assert await ledger.change((), lambda book: book.listed("a")) == ""


async def test_a_refusal_harms_nobody_else(ledger: StoredRegions) -> None:
    def refuse(_book: Book) -> None:
        raise ConflictError("no")

    results = await asyncio.gather(
        ledger.change(("a",), lambda book: book.save(None, HOME)), ledger.change(("b",), refuse), return_exceptions=True
    )
    assert [type(result) for result in results] == [type(None), ConflictError]
    assert await ledger.read(lambda book: book.home("d")) == HOME


async def test_what_is_due_and_in_nobodys_hands(ledger: StoredRegions) -> None:
    def work(book: Book) -> None:
        book.say(out("late", due=NOW - 9))
        book.say(out("now"))
        book.say(out("held", lease=NOW + 60))
        book.say(out("dropped", due=NOW - 5, lease=NOW - 1))
        book.say(out("later", due=NOW + 1))

    await ledger.change(KEY, work)
    assert [each.id for each in await ledger.change((), lambda book: book.due(NOW, 10))] == ["late", "dropped", "now"]
    assert len(await ledger.change((), lambda book: book.due(NOW, 2))) == 2


async def test_two_daemons_do_not_say_the_same_thing_at_once(postgres_place: Place) -> None:
    first, second = (ledger_of(postgres_place.open()) for _ in range(2))
    await first.change(KEY, lambda book: [book.say(out(f"t{number}")) for number in range(40)])

    def take(name: str) -> Callable[[Book], list[str]]:
        def work(book: Book) -> list[str]:
            found = book.due(NOW, 5)
            for each in found:
                book.say(replace(each, owner=name, lease=NOW + 60))
            return [each.id for each in found]

        return work

    taken: list[str] = []
    for _ in range(6):
        mine, theirs = await asyncio.gather(first.change((), take("first")), second.change((), take("second")))
        taken += mine + theirs
    assert sorted(taken) == sorted({f"t{number}" for number in range(40)}), "all of them, each once"


async def test_a_region_is_not_removed_while_another_daemon_sends_a_device_there(postgres_place: Place) -> None:
    first, second = (ledger_of(postgres_place.open()) for _ in range(2))
    await first.change(KEY, lambda book: (book.put_region(REGION), book.save(None, HOME)))
    sending, looked = threading.Event(), threading.Event()

    def send(book: Book) -> None:
        carry_out(book, HOME, begun(HOME, "eu", "t1", NOW), delete=True)
        sending.set()
        assert looked.wait(PATIENCE), "the other one has seen nothing of this, and goes on"

    def remove(book: Book) -> int:
        assert sending.wait(PATIENCE)
        late: Any = Late(book, looked)
        return closed(late, "eu", "", Terms(name="world"), NOW, lambda: "t2", lost=True)

    _, refused = await asyncio.gather(first.change(KEY, send), second.change(("eu",), remove), return_exceptions=True)
    assert isinstance(refused, ConflictError), refused
    assert await first.read(lambda book: book.region("eu")) == REGION


class Late:
    """A book of somebody who is overtaken after a look at who lives in a region."""

    def __init__(self, book: Book, looked: threading.Event) -> None:
        self._book = book
        self._looked = looked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._book, name)

    def living(self, region: str, limit: int) -> Any:
        found = self._book.living(region, limit)
        self._looked.set()
        return found


async def test_nobody_is_sent_to_a_region_that_was_removed_meanwhile(ledger: StoredRegions) -> None:
    await ledger.change(KEY, lambda book: (book.put_region(REGION), book.save(None, HOME)))
    await ledger.change((), lambda book: book.drop_region("eu", ""))
    with pytest.raises(ClashError, match="region eu was removed"):
        await ledger.change(KEY, lambda book: carry_out(book, HOME, begun(HOME, "eu", "t1", NOW), delete=True))
    assert await ledger.read(lambda book: (book.home("d"), list(book.waiting(9)))) == (HOME, [])


async def test_a_hundred_askers_begin_one_hand_over(ledger: StoredRegions) -> None:
    await ledger.change(KEY, lambda book: book.save(None, HOME))

    def ask(number: int) -> Callable[[Book], bool]:
        def work(book: Book) -> bool:
            home = book.home("d")
            assert home is not None
            if home.state is not HomeState.REG:
                return False
            turn = begun(home, "eu", f"t{number}", NOW)
            assert turn.home is not None
            book.save(home, turn.home)
            return True

        return work

    begun_by = await asyncio.gather(*(ledger.change(KEY, ask(number)) for number in range(100)))
    assert sum(begun_by) == 1


async def test_units_and_what_is_ready(ledger: StoredRegions) -> None:
    here = replace(HOME, state=HomeState.PROVISIONED)
    units = [unit_of("d", Chipset(id=name), NOW) for name in ("a", "b")]
    shown = [replace(unit, state=UnitState.REGISTERED, since=NOW + number) for number, unit in enumerate(units)]

    async def ready() -> int:
        return len(await ledger.change(KEY, lambda book: book.settled(10)))

    await ledger.change(KEY, lambda book: (book.save(None, here), book.put_units(units)))
    assert await ready() == 0
    await ledger.change(KEY, lambda book: book.put_units(shown))
    assert [unit.unit_id for unit in await ledger.read(lambda book: book.registered(10))] == ["b", "a"]
    assert [unit.unit_id for unit in await ledger.read(lambda book: book.unready(("d", "a"), 10))] == ["b"]
    await ledger.change(KEY, lambda book: book.put_units([replace(unit, state=UnitState.ACTIVE) for unit in units]))
    assert await ready() == 1
    assert await ledger.change(KEY, lambda book: book.systems("W" * 17)) == {"car"}
    gone: list[str] = []
    ledger.departed = lambda units: gone.extend(unit.unit_id for unit in units)
    await ledger.change(KEY, lambda book: (book.depart("d"), book.drop(here)))
    assert gone == ["a", "b"]
    assert list(await ledger.read(lambda book: book.units("d"))) == []


async def test_stuck_ones_are_the_oldest_first(ledger: StoredRegions) -> None:
    states = [HomeState.REHOMING, HomeState.ACTIVE, HomeState.PROV_PEN, HomeState.REG]
    homes = [
        Home(device_id=f"d{number}", state=state, since=NOW - number, transfer=f"t{number}")
        for number, state in enumerate(states)
    ]
    await ledger.change(KEY, lambda book: [book.save(None, home) for home in homes])
    found = await ledger.read(lambda book: book.stuck(NOW + 1, 10))
    assert [home.device_id for home in found] == ["d2", "d0"]


async def test_the_fence(store: Store) -> None:
    things, regions = StoredLedger(store), ledger_of(store)
    thing = enabled(Thing(vendor="acme", model="s2", sn="S1"), NOW, 60.0, tenant="blue", owner="", rid="")
    key = ("acme", "s2", "S1")

    def furnish(book: object) -> None:
        book.put_vendor(ThingVendor(vendor="acme", tenant="blue"))  # type: ignore[attr-defined]
        book.put_model(ThingModel(vendor="acme", model="s2"))  # type: ignore[attr-defined]
        book.put([thing])  # type: ignore[attr-defined]

    await things.change(key, furnish)

    async def activated(hashed: str) -> bool:
        return await things.change(key, lambda book: book.activate(Ask(*key), hashed, NOW)) is not None

    home = Home(device_id="acme/s2/S1", state=HomeState.REHOMING, agreed=True, key_hash="a" * 64)
    stone = Tombstone(device_id="acme/s2/S1", region="eu", epoch=1)
    await regions.change(KEY, lambda book: book.bury(stone))
    assert not await activated("a" * 64), "it is at home elsewhere"
    await regions.change(KEY, lambda book: (book.dig("acme/s2/S1"), book.save(None, home)))
    assert not await activated("a" * 64), "it is on its way with the region's consent"
    await regions.change(KEY, lambda book: book.save(home, replace(home, agreed=False)))
    assert await activated("a" * 64)
    found = await things.change((), lambda book: book.by_key("a" * 64))
    assert found is not None
    asked = await regions.change((), lambda book: book.activated("a" * 64))
    assert asked is not None
    assert (asked.device_id, asked.tenant) == ("acme/s2/S1", "blue")
    await regions.change(KEY, lambda book: book.save(home, home))
    assert await things.change((), lambda book: book.by_key("a" * 64)) is None
    await regions.change(KEY, lambda book: book.end_key("a" * 64))
    ended = await things.read(lambda book: book.things("acme", "s2", ["S1"]))
    assert (ended["S1"].state, ended["S1"].key_hash) == (ThingState.DISABLED, "")
    come = replace(home, vendor="acme", model="s2", sn="S1", tenant="blue")
    await regions.change(KEY, lambda book: book.adopt(come, NOW))
    adopted = (await things.read(lambda book: book.things("acme", "s2", ["S1"])))["S1"]
    assert (adopted.state, adopted.key_hash, adopted.generation) == (ThingState.ACTIVATED, "a" * 64, 2)


async def test_requests_are_taken_one_after_the_other(ledger: StoredRegions) -> None:
    requests = [Enrolment(id=f"r{number}", by="a", total=1, created=NOW + number) for number in (2, 1)]
    await ledger.change(KEY, lambda book: [book.put_enrolment(each) for each in requests])
    first = await ledger.change((), lambda book: book.unfinished())
    assert first is not None
    assert first.id == "r1"
    await ledger.change((), lambda book: book.put_enrolment(replace(first, finished=NOW)))
    await ledger.change((), lambda book: book.prune_enrolments(NOW + 1))
    assert await ledger.read(lambda book: book.enrolment("r1")) is None
    assert await ledger.read(lambda book: book.enrolment("r2")) is not None
