"""The outbox over a real database: in order, at least once, each endpoint for itself, never without bound."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

from provd.app.hooks.outbox import MOST_DEAD, Outbox
from provd.base.errors import StorageError
from provd.base.facts import Fact
from provd.base.facts.activation import ThingThrottled
from provd.base.facts.devices import DeviceProvisioned, DeviceStateChanged
from provd.base.facts.hooks import WebhookDead, WebhookFailing, WebhookOverflow, WebhookRecovered
from provd.base.types import Mac
from provd.domain.hooks import DELIVERED, DeadLetter, Heard, Hook, Letter
from provd.storage.letters import StoredLetters
from provd.storage.store import Store
from tests.app.fakes import FakeClock
from tests.kit import databases
from tests.kit.patience import PATIENCE

DOWN = Heard("it is down")
BAD = Heard("it answers 422", hopeless=True)
ALL = Hook(name="all", url="http://x/", facts=("*",))
THINGS = Hook(name="things", url="http://x/", facts=("THING-*", "DEVICE-STATE"))


@dataclass
class Peers:
    """What each endpoint says, one answer after the other, and then that it has it."""

    answers: dict[str, list[Heard]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    sent: list[tuple[str, str]] = field(default_factory=list)
    hang: set[str] = field(default_factory=set)

    async def send(self, hook: str, letter: Letter) -> Heard:
        self.sent.append((hook, letter.id))
        if hook in self.hang:
            await asyncio.Event().wait()
        heard = self.answers[hook].pop(0) if self.answers[hook] else DELIVERED
        if heard.delivered:
            self.taken[hook].append(json.loads(letter.body)["n"])
        return heard


@dataclass
class Rig:
    store: Store
    peers: Peers
    outbox: Outbox
    clock: FakeClock
    facts: list[Fact]
    pauses: list[float]

    def tell(self, *numbers: object) -> None:
        self.outbox([ThingThrottled(at=self.clock.now(), peer=str(number), count=1) for number in numbers])

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self.store.commit([])

    def told(self, kind: type[Fact]) -> list[Fact]:
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def left(self) -> list[str]:
        return [json.loads(letter.body)["n"] for letter in self.store.load(Letter)]


@asynccontextmanager
async def rig(folder: Path, *hooks: Hook, peers: Peers | None = None) -> AsyncIterator[Rig]:
    clock, facts, pauses, numbers = FakeClock(), list[Fact](), list[float](), count()
    databases.lay_out(folder)
    store = Store.open("sqlite", folder, clock, facts.append)
    peers = peers or Peers()

    async def pause(event: asyncio.Event, seconds: float) -> None:
        pauses.append(seconds)
        clock.pass_(seconds)
        await asyncio.sleep(0)

    outbox = Outbox(
        journal=store,
        letters=StoredLetters(store),
        sender=peers,
        clock=clock,
        emit=facts.append,
        write=lambda fact: json.dumps({"n": getattr(fact, "peer", fact.ID)}),
        owner=lambda fact: getattr(fact, "tenant", ""),
        octets=lambda length: next(numbers).to_bytes(length, "big"),
        pause=pause,
    )
    try:
        await outbox.change(hooks)
        yield Rig(store, peers, outbox, clock, facts, pauses)
    finally:
        await outbox.close()
        store.close()


async def test_each_endpoint_hears_of_what_it_asked_for_in_order(tmp_path: Path) -> None:
    async with rig(tmp_path, ALL, THINGS) as site:
        site.tell(*range(100))
        site.outbox([DeviceProvisioned(at=1.0, mac=Mac("02aaaa000001"), tenant="a", name="x")])
        site.outbox([DeviceStateChanged(at=1.0, mac=Mac("02aaaa000001"), was="seen", now="stale")])
        numbers = [str(number) for number in range(100)]
        await site.until(lambda: len(site.peers.taken["all"]) == 102 and len(site.peers.taken["things"]) == 101)
        assert site.peers.taken["all"] == [*numbers, "DEVICE-PROVISIONED", "DEVICE-STATE"]
        assert site.peers.taken["things"] == [*numbers, "DEVICE-STATE"]
        await site.until(lambda: site.left() == [])
        assert {name: box.waiting for name, box in site.outbox.boxes.items()} == {"all": 0, "things": 0}


async def test_only_what_concerns_a_tenant_reaches_its_endpoint_and_nothing_of_webhooks_any(tmp_path: Path) -> None:
    async with rig(tmp_path, Hook(name="acme", url="http://x/", facts=("*",), tenant="acme")) as site:
        phone = Mac("02aaaa000001")
        for tenant in ("acme", "other"):
            site.outbox([DeviceProvisioned(at=1.0, mac=phone, tenant=tenant, name="x")])
        site.tell("of nobody")
        site.outbox([WebhookOverflow(at=1.0, hook="acme", count=1)])
        await site.until(lambda: bool(site.peers.taken["acme"]))
        await site.until(lambda: site.left() == [])
        assert site.peers.taken["acme"] == ["DEVICE-PROVISIONED"]


async def test_one_that_fails_is_tried_with_growing_pauses_and_keeps_its_order(tmp_path: Path) -> None:
    peers = Peers()
    peers.answers["all"] = [DOWN, DOWN, Heard("it answers 503", 90.0), DOWN]
    async with rig(tmp_path, ALL, peers=peers) as site:
        site.tell(1, 2, 3)
        await site.until(lambda: peers.taken["all"] == ["1", "2", "3"])
        assert site.pauses == [1.0, 2.0, 90.0, 8.0]
        assert len(set(peers.sent[:5])) == 1, "the same letter, under the same id"
        assert [(fact.reason) for fact in site.told(WebhookFailing)] == ["it is down"]
        assert [fact.waiting for fact in site.told(WebhookRecovered)] == [2]


async def test_a_dead_endpoint_delays_no_other_and_no_more_wait_for_it_than_it_may(tmp_path: Path) -> None:
    peers = Peers(hang={"all"})
    bounded = Hook(name="all", url="http://x/", facts=("*",), most=20)
    async with rig(tmp_path, bounded, THINGS, peers=peers) as site:
        site.tell(*range(500))
        await site.until(lambda: len(peers.taken["things"]) == 500)
        assert site.outbox.boxes["all"].waiting == 20
        assert len(site.store.load(Letter)) <= 520
        await site.until(lambda: len(site.store.load(Letter)) == 20)
        assert site.told(WebhookOverflow)[0].hook == "all"
        assert len(site.told(WebhookOverflow)) == 1, "once a minute"
        site.clock.pass_(60)
        site.tell("more")
        assert [fact.count for fact in site.told(WebhookOverflow)] == [1, 480]


async def test_a_letter_that_is_refused_for_itself_is_dead_at_once_and_sent_again_when_somebody_says_so(
    tmp_path: Path,
) -> None:
    peers = Peers()
    peers.answers["all"] = [BAD]
    async with rig(tmp_path, ALL, peers=peers) as site:
        site.tell(1, 2)
        await site.until(lambda: peers.taken["all"] == ["2"])
        assert site.pauses == []
        (dead,) = site.told(WebhookDead)
        assert (dead.reason, dead.attempts, site.outbox.boxes["all"].dead) == ("it answers 422", 1, 1)
        (kept,) = site.store.load(DeadLetter)
        assert await site.outbox.replay("all", ["nothing like it"]) == 0
        assert await site.outbox.replay("all", [kept.id]) == 1
        await site.until(lambda: peers.taken["all"] == ["2", "1"])
        assert peers.sent[-1] == ("all", kept.id), "under the id that it had"
        assert site.store.load(DeadLetter) == []
        assert site.outbox.boxes["all"].dead == 0


async def test_what_is_too_old_is_given_up_and_the_dead_are_bounded(tmp_path: Path) -> None:
    peers = Peers()
    peers.answers["all"] = [DOWN] * 30
    async with rig(tmp_path, Hook(name="all", url="http://x/", facts=("*",), keep=100.0), peers=peers) as site:
        site.tell(1, 2)
        await site.until(lambda: site.outbox.boxes["all"].dead == 2)
        assert site.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0], "then the first is over, and the second at once"
        assert [dead.attempts for dead in site.store.load(DeadLetter)] == [8, 1]
        peers.answers["all"] = [BAD] * (MOST_DEAD + 5)
        site.tell(*range(MOST_DEAD + 5))
        await site.until(lambda: not peers.answers["all"])
        await site.until(lambda: len(site.store.load(DeadLetter)) == MOST_DEAD)
        assert site.outbox.boxes["all"].dead == MOST_DEAD


async def test_what_waits_is_sent_after_a_restart_and_what_is_no_endpoint_any_more_is_forgotten(tmp_path: Path) -> None:
    async with rig(tmp_path, ALL, THINGS, peers=Peers(hang={"all", "things"})) as site:
        site.tell(1, 2)
        await site.until(lambda: len(site.left()) == 4)
    async with rig(tmp_path, ALL) as site:
        await site.until(lambda: site.peers.taken["all"] == ["1", "2"])
        await site.until(lambda: site.left() == [])
        assert site.peers.taken["things"] == []


async def test_other_endpoints_take_over_without_losing_what_waits(tmp_path: Path) -> None:
    peers = Peers(hang={"all"})
    async with rig(tmp_path, ALL, peers=peers) as site:
        site.tell(1)
        await site.until(lambda: bool(peers.sent))
        peers.hang.clear()
        await site.outbox.change([Hook(name="all", url="http://elsewhere/", facts=("*",)), THINGS])
        site.tell(2)
        await site.until(lambda: peers.taken["all"] == ["1", "2"] and peers.taken["things"] == ["2"])


class Deaf:
    """Letters that cannot be looked up while ``broken``."""

    def __init__(self, inner: StoredLetters) -> None:
        self.inner = inner
        self.broken = True

    async def waiting(self, hook: str, after: int, limit: int) -> Sequence[Letter]:
        if self.broken:
            raise StorageError("away")
        return await self.inner.waiting(hook, after, limit)


async def test_a_store_that_is_away_and_comes_back_loses_nothing_that_it_had(tmp_path: Path) -> None:
    async with rig(tmp_path, ALL) as site:
        deaf = Deaf(StoredLetters(site.store))
        site.outbox._letters = deaf
        site.tell(1)
        await site.until(lambda: 5.0 in site.pauses)
        deaf.broken = False
        await site.until(lambda: site.peers.taken["all"] == ["1"])
