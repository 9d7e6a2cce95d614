"""One daemon carries out a run, whoever asks at the same time, and nobody begins it anew."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from provd.app.ports import Put
from provd.base.types import Mac
from provd.domain.records import RunState, TaskRun, TaskStep
from provd.storage.claims import StoredClaims
from provd.storage.store import Store
from tests.storage.conftest import Place

NOW = 1_700_000_000.0
FRESH = TaskRun(id="boot:1:a:1", template="boot", version=1, mac=Mac("a"), due=NOW, created=NOW)


def wish(owner: str, now: float = NOW, run: TaskRun = FRESH) -> TaskRun:
    return replace(run, state=RunState.RUNNING, owner=owner, lease=now + 90, began=run.began or now)


async def test_a_run_is_taken_with_the_steps_that_it_has(place: Place) -> None:
    store = place.open()
    step = TaskStep(run=FRESH.id, name="crm", result={"a": 1}, at=5.0)
    # In one group with what made it.
    store.submit([Put(FRESH), Put(step)])
    held = await StoredClaims(store).claim(wish("me"), NOW)
    assert held is not None
    assert (held.ours, held.run, held.steps) == (True, wish("me"), (step,))
    assert place.reopen().load(TaskRun) == [wish("me")]


async def test_of_many_who_ask_at_once_one_gets_it(postgres_place: Place) -> None:
    stores = [postgres_place.open() for _ in range(3)]
    runs = [replace(FRESH, id=f"boot:1:a:{number}", generation=number) for number in range(12)]
    await stores[0].commit([Put(run) for run in runs])

    async def ask(owner: int, store: Store) -> list[str]:
        asked = [StoredClaims(store).claim(wish(str(owner), run=run), NOW) for run in runs]
        return [held.run.id for held in await asyncio.gather(*asked) if held is not None and held.ours]

    won = [key for keys in await asyncio.gather(*(ask(*each) for each in enumerate(stores))) for key in keys]
    assert sorted(won) == sorted(run.id for run in runs)


async def test_a_run_at_work_is_had_when_its_lease_is_over_and_one_that_ended_never(postgres_place: Place) -> None:
    ours, theirs = StoredClaims(postgres_place.open()), StoredClaims(postgres_place.open())
    store = postgres_place.open()
    await store.commit([Put(FRESH)])
    first = await ours.claim(wish("ours"), NOW)
    assert first is not None
    held = await theirs.claim(wish("theirs", NOW + 89), NOW + 89)
    assert held is not None
    assert (held.ours, held.run.owner) == (False, "ours")
    held = await theirs.claim(wish("theirs", NOW + 91), NOW + 91)
    assert held is not None
    assert (held.ours, held.run.began) == (True, NOW)
    done = replace(held.run, state=RunState.DONE, owner="", lease=0.0, finished=NOW + 95)
    await store.commit([Put(done)])
    held = await ours.claim(wish("ours", NOW + 200), NOW + 200)
    assert held is not None
    assert (held.ours, held.run) == (False, done)


async def test_a_daemon_alone_takes_what_a_dead_one_had(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit([Put(wish("dead"))])
    held = await StoredClaims(store).claim(wish("me", NOW + 1), NOW + 1)
    assert held is not None
    assert (held.ours, held.run.owner, held.run.began) == (True, "me", NOW)
    assert await StoredClaims(store).claim(replace(wish("me"), id="boot:1:b:1"), NOW) is None


async def test_a_second_discovery_does_not_begin_a_run_anew(place: Place) -> None:
    store = place.open()
    done = replace(wish("a"), state=RunState.DONE, owner="", lease=0.0, finished=NOW)
    await store.commit([Put(FRESH)])
    await store.commit([Put(replace(FRESH, due=5.0))])
    assert store.load(TaskRun)[0].due == 5.0
    await store.commit([Put(done)])
    await store.commit([Put(FRESH)])
    assert store.load(TaskRun) == [done]
