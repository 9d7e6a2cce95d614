"""The ledger on both databases: who wins, what is undone, what one transaction sees."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from provd.app.activation.ports import Book, Reading
from provd.base.errors import ClashError, ConflictError, StorageError
from provd.domain.activation.content import Content, Member, Piece
from provd.domain.activation.form import Ask
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Attempt, Thing, ThingModel, ThingState, ThingVendor, enabled
from provd.domain.records import AuditEntry
from provd.storage.ledger import StoredLedger
from provd.storage.store import Store
from tests.storage.conftest import Place

NOW = 1_700_000_000.0
KEY = ("acme", "m1", "")


def pending(sn: str, model: str = "m1") -> Thing:
    new = Thing(vendor="acme", model=model, sn=sn)
    return enabled(new, NOW, 86400, tenant="blue", owner="", rid="")


def hash_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def winning(sn: str, key: str, now: float = NOW) -> Callable[[Book], Thing | None]:
    return lambda book: book.activate(Ask("acme", "m1", sn), hash_of(key), now)


@pytest.fixture
def ledger(store: Store) -> StoredLedger:
    return StoredLedger(store)


async def found(ledger: StoredLedger, sn: str) -> Thing | None:
    things = await ledger.read(lambda book: book.things("acme", "m1", [sn]))
    return things.get(sn)


async def test_contents_and_their_pieces(ledger: StoredLedger) -> None:
    octets = bytes(range(256)) * 8
    content = Content(vendor="acme", model="m1", id="image", protected=True, size=4096, blob="b1", updated=NOW)

    def fill(book: Book) -> None:
        book.keep(content, *(Piece(blob="b1", number=number, at=NOW, octets=octets) for number in range(3)))
        book.keep(Piece(blob="lost", number=0, at=NOW, octets=b"x"))

    await ledger.change((), fill)
    assert await ledger.read(lambda book: book.find(Content, vendor="acme", model="m1")) == [content]
    (piece,) = await ledger.read(lambda book: book.find(Piece, blob="b1", number=2))
    assert piece.octets == octets
    assert await ledger.read(lambda book: book.stale_blobs(NOW, 9)) == []
    assert await ledger.read(lambda book: book.stale_blobs(NOW + 1, 9)) == ["lost"]
    # One that was let go may still be read for a while.
    await ledger.change((), lambda book: book.forget(Content, vendor="acme", model="m1", id="image"))
    await ledger.change((), lambda book: book.let_go("b1", NOW + 60))
    assert await ledger.read(lambda book: book.stale_blobs(NOW + 60, 9)) == ["lost"]
    assert sorted(await ledger.read(lambda book: book.stale_blobs(NOW + 61, 9))) == ["b1", "lost"]
    assert await ledger.change((), lambda book: book.drop_pieces("b1", 2)) == 2
    assert [each.number for each in await ledger.read(lambda book: book.find(Piece, blob="b1"))] == [0]
    assert await ledger.change((), lambda book: book.drop_pieces("b1", 2)) == 1


async def test_records_are_found_by_any_of_their_fields(ledger: StoredLedger) -> None:
    members = [
        Member(vendor="acme", model="m1", group_id=group, type="sn", member_id=sn, expire=NOW)
        for group in ("a", "b")
        for sn in ("S1", "S2")
    ]
    token = VendorToken(vendor="acme", id="t", hash="h1", created=NOW)
    await ledger.change((), lambda book: book.keep(*members, token))
    found = await ledger.read(lambda book: book.find(Member, type="sn", member_id="S2"))
    assert [each.group_id for each in found] == ["a", "b"]
    assert await ledger.read(lambda book: book.find(Member, vendor="acme", offset=1, limit=2)) == members[1:3]
    assert await ledger.read(lambda book: book.find(VendorToken, hash="h1")) == [token]
    with pytest.raises(ClashError):
        await ledger.change((), lambda book: book.keep(VendorToken(vendor="other", id="t", hash="h1")))
    await ledger.change((), lambda book: book.keep(VendorToken(vendor="acme", id="t", hash="h2")))
    assert [each.hash for each in await ledger.read(lambda book: book.find(VendorToken, vendor="acme"))] == ["h2"]


async def test_another_key_only_in_place_of_one_that_nobody_has_shown(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1")]))
    first = await ledger.change(KEY, winning("S1", "k1"))
    assert first is not None
    second = await ledger.change(KEY, lambda book: book.reissue(first, hash_of("k2"), NOW + 30))
    assert second is not None
    assert (second.key_hash, second.activated_at, second.generation) == (hash_of("k2"), NOW + 30, first.generation)
    # The first one is dead, and so is an order to replace it.
    assert await ledger.change(KEY, lambda book: book.reissue(first, hash_of("k3"), NOW + 60)) is None
    assert await ledger.change(KEY, lambda book: book.used(hash_of("k1"), NOW)) is False
    assert await ledger.change(KEY, lambda book: book.used(hash_of("k2"), NOW + 61)) is True
    assert await ledger.change(KEY, lambda book: book.used(hash_of("k2"), NOW + 62)) is False
    assert await ledger.change(KEY, lambda book: book.reissue(second, hash_of("k3"), NOW + 90)) is None


async def test_devices_of_a_tenant_page_by_page(ledger: StoredLedger) -> None:
    things = [replace(pending(f"S{number}"), tenant="blue") for number in range(3)]
    things += [replace(pending("X1", "m2"), vendor="other", via="acme"), replace(pending("X2", "m2"), vendor="other")]
    await ledger.change(KEY, lambda book: book.put(things))
    found: list[str] = []
    after = ("", "", "")
    while page := await ledger.read(lambda book, after=after: book.of_tenant("blue", "acme", after, 2)):
        found += [each.sn for each in page]
        after = (page[-1].vendor, page[-1].model, page[-1].sn)
    assert found == ["S0", "S1", "S2", "X1"]


async def test_serials_are_counted_by_their_state_at_the_moment(ledger: StoredLedger) -> None:
    things = [pending("S1"), pending("S2"), pending("S1", "m2"), Thing(vendor="acme", model="m1", sn="U")]
    await ledger.change(KEY, lambda book: book.put(things))
    await ledger.change(KEY, winning("S2", "k"))
    for now, state in ((NOW, "pending"), (NOW + 86400, "expired")):
        found = await ledger.read(lambda book, now=now: book.tally(now))
        assert sorted(found) == [
            ("acme", "m1", "activated", 1),
            ("acme", "m1", state, 1),
            ("acme", "m1", "unclaimed", 1),
            ("acme", "m2", state, 1),
        ]


async def test_one_of_a_hundred_wins(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1")]))
    outcomes = await asyncio.gather(
        *(ledger.change(("acme", "m1", "S1"), winning("S1", f"k{number}")) for number in range(100))
    )
    winners = [number for number, thing in enumerate(outcomes) if thing is not None]
    assert len(winners) == 1
    thing = await found(ledger, "S1")
    assert thing is not None
    assert (thing.state, thing.key_hash, thing.generation) == (ThingState.ACTIVATED, hash_of(f"k{winners[0]}"), 1)
    assert await ledger.change((), lambda book: book.by_key(thing.key_hash)) == thing


@pytest.mark.parametrize(("now", "wins"), [(NOW - 1, False), (NOW, True), (NOW + 86399, True), (NOW + 86400, False)])
async def test_the_window_is_in_the_statement(ledger: StoredLedger, now: float, *, wins: bool) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1")]))
    assert (await ledger.change(KEY, winning("S1", "k", now)) is not None) is wins


async def test_a_refusal_harms_nobody_else(ledger: StoredLedger) -> None:
    def refuse(_book: Book) -> None:
        raise ConflictError("no")

    results = await asyncio.gather(
        ledger.change(("a",), lambda book: book.put([pending("S1")])),
        ledger.change(("b",), refuse),
        ledger.change(("c",), lambda book: book.put([pending("S2")])),
        return_exceptions=True,
    )
    assert [type(result) for result in results] == [type(None), ConflictError, type(None)]
    assert await found(ledger, "S1") is not None
    assert await found(ledger, "S2") is not None


async def test_what_is_broken_sinks_alone(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1")]))
    results = await asyncio.gather(
        ledger.change(("a",), lambda book: book.put([pending("S2")])),
        ledger.change(("b",), lambda book: book.put([pending("S3"), pending("S1")])),
        return_exceptions=True,
    )
    assert results[0] is None
    assert isinstance(results[1], ClashError)
    assert await found(ledger, "S2") is not None
    assert await found(ledger, "S3") is None


async def test_a_fault_of_ours_is_an_error_and_not_a_silence(ledger: StoredLedger) -> None:
    def broken(_book: Book) -> None:
        raise RuntimeError("oops")

    with pytest.raises(StorageError, match="RuntimeError"):
        await ledger.change(KEY, broken)


async def test_what_was_found_is_replaced(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1"), pending("S2")]))

    def disable(book: Book) -> None:
        things = book.things("acme", "m1", ["S2", "S1", "S9"])
        assert sorted(things) == ["S1", "S2"]
        book.put(replace(thing, state=ThingState.DISABLED) for thing in things.values())

    await ledger.change(KEY, disable)
    thing = await found(ledger, "S1")
    assert thing is not None
    assert thing.state is ThingState.DISABLED


async def test_two_devices_never_have_one_key(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("S1"), pending("S2")]))
    assert await ledger.change(KEY, winning("S1", "same")) is not None
    with pytest.raises(ClashError):
        await ledger.change(KEY, winning("S2", "same"))


async def test_vendors_models_and_ranges(ledger: StoredLedger) -> None:
    serials = SerialRange("mac:48", 1, 9, 12, "upper")

    def fill(book: Book) -> None:
        book.put_vendor(ThingVendor(vendor="acme", tenant="blue", created=NOW))
        book.put_model(ThingModel(vendor="acme", model="m1", window=60, created=NOW))
        book.put_model(ThingModel(vendor="acme", model="m2"))
        book.put_range("acme", "m1", serials)
        book.put([pending("S1"), pending("S2"), pending("S1", "m2")])
        book.note(Attempt(vendor="acme", model="m1", sn="S1", at=NOW, peer="10.0.0.1", outcome="activated"))
        book.audit(AuditEntry(at=NOW, by="me", action="activation.enable", kind="activation", object="acme/m1/S1"))

    await ledger.change(KEY, fill)

    def look(book: Reading) -> tuple[object, ...]:
        return (
            [vendor.vendor for vendor in book.vendors()],
            book.vendor("acme"),
            book.vendor("ghost"),
            [model.model for model in book.models("acme")],
            book.model("acme", "m1"),
            book.model("acme", "ghost"),
            book.ranges("acme", "m1"),
            [thing.sn for thing in book.page("acme", "m1")],
            [thing.sn for thing in book.page("acme", "m1", after="S1", limit=1)],
            [thing.sn for thing in book.page("acme", "m1", offset=1)],
            dict(book.count("acme", "m1")),
            [attempt.outcome for attempt in book.log("acme", "m1", "S1", 10)],
        )

    assert await ledger.read(look) == (
        ["acme"],
        ThingVendor(vendor="acme", tenant="blue", created=NOW),
        None,
        ["m1", "m2"],
        ThingModel(vendor="acme", model="m1", window=60, created=NOW),
        None,
        (serials,),
        ["S1", "S2"],
        ["S2"],
        ["S2"],
        {"pending": 2},
        ["activated"],
    )

    def clear(book: Book) -> None:
        book.drop("acme", "m1", ["S1"])
        book.drop_range("acme", "m1", serials)
        book.drop_model("acme", "m2")
        assert book.drop_some("acme", "m2", 10) == 1
        assert book.drop_some("acme", "m2", 10) == 0

    await ledger.change(KEY, clear)
    assert await found(ledger, "S1") is None
    assert await ledger.read(lambda book: (book.ranges("acme", "m1"), len(book.models("acme")))) == ((), 1)
    assert await ledger.read(lambda book: list(book.page("acme", "m2"))) == []


async def test_what_nothing_came_of_is_found_once(ledger: StoredLedger) -> None:
    await ledger.change(KEY, lambda book: book.put([pending("late"), pending("silent"), pending("used")]))
    await ledger.change(KEY, winning("silent", "k1"))
    await ledger.change(KEY, winning("used", "k2"))
    await ledger.change(KEY, lambda book: book.used(hash_of("k2"), NOW + 1))

    def overdue(book: Book) -> list[str]:
        return [thing.sn for thing in book.overdue(NOW + 86400, NOW, 10)]

    assert await ledger.change(KEY, overdue) == ["late", "silent"]
    assert await ledger.change(KEY, overdue) == []
    assert [thing.sn for thing in await ledger.read(lambda book: book.unused(10))] == ["silent"]


async def test_the_log_is_bounded(ledger: StoredLedger) -> None:
    def fill(book: Book) -> None:
        for number in range(10):
            book.note(Attempt(vendor="acme", model="m1", sn="S1", at=float(number), peer="p", outcome="activated"))

    await ledger.change(KEY, fill)
    assert await ledger.change(KEY, lambda book: book.prune_log(4, 3)) == 3
    assert await ledger.change(KEY, lambda book: book.prune_log(4, 100)) == 3
    assert await ledger.change(KEY, lambda book: book.prune_log(4, 100)) == 0
    log = await ledger.read(lambda book: book.log("acme", "m1", "S1", 100))
    assert [attempt.at for attempt in log] == [6, 7, 8, 9]


async def test_looking_says_nothing_about_the_disk(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    ledger = StoredLedger(store)
    assert await ledger.change(KEY, lambda book: book.model("acme", "m1")) is None
    assert await ledger.change(KEY, winning("S1", "k")) is None
    assert not store.degraded


async def test_one_wins_over_several_daemons_and_none_waits_for_another(postgres_place: Place) -> None:
    """Three stores on one database, each with its own writer: the same serials in different orders."""
    ledgers = [StoredLedger(postgres_place.open()) for _ in range(3)]
    sns = [f"S{number:02d}" for number in range(20)]
    await ledgers[0].change(KEY, lambda book: book.put([pending(sn) for sn in sns]))
    tries = [
        (ledger, sn, f"{number}/{sn}/{turn}")
        for turn in range(3)
        for number, ledger in enumerate(ledgers)
        for sn in (sns if number % 2 else reversed(sns))
    ]
    outcomes = await asyncio.gather(*(ledger.change(("acme", "m1", sn), winning(sn, key)) for ledger, sn, key in tries))
    winners = [sn for (_ledger, sn, _key), thing in zip(tries, outcomes, strict=True) if thing is not None]
    assert sorted(winners) == sns


async def test_ten_thousand_serials_do_not_make_a_look_up_a_search(store: Store, ledger: StoredLedger) -> None:
    await ledger.change(
        KEY, lambda book: book.put([Thing(vendor="acme", model="m1", sn=f"{n:06d}") for n in range(10_000)]), 10_000
    )
    if store.dialect.name != "sqlite":
        return
    for sql in (ledger.statements.thing, ledger.statements.by_key):
        text, values = sql()
        with store.reading() as execute:
            plan = " ".join(str(row[3]) for row in execute(f"EXPLAIN QUERY PLAN {text}", values))
        assert "SEARCH thing USING INDEX" in plan
