import asyncio

from provd.base.facts import Level
from provd.observe.hub import FactHub, from_level
from tests.observe.kit import recovered, refused, served, sighted


async def test_readers_get_one_batch_per_turn_of_the_loop():
    hub, batches = FactHub(asyncio.get_running_loop().call_soon), []
    hub.add("test", batches.append)
    facts = [sighted(), served(), recovered()]
    for fact in facts:
        hub.emit(fact)
    assert batches == []
    await asyncio.sleep(0)
    assert batches == [facts]
    hub.emit(facts[0])
    await asyncio.sleep(0)
    assert batches[1:] == [[facts[0]]]


async def test_a_reader_that_raises_is_cut_off_and_told_once():
    hub, good, calls = FactHub(asyncio.get_running_loop().call_soon), [], []

    def broken(facts):
        calls.append(facts)
        raise ValueError("no")

    hub.add("broken", broken)
    hub.add("good", good.extend)
    for _ in range(3):
        hub.emit(recovered())
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert len(calls) == 1
    assert [fact.ID for fact in good].count("RECOVERED") == 3
    told = [fact for fact in good if fact.ID == "DEGRADED"]
    assert [(fact.part, fact.reason) for fact in told] == [("observe.broken", "cut off after ValueError: no")]


async def test_a_reader_may_emit_and_may_be_removed():
    hub, seen = FactHub(asyncio.get_running_loop().call_soon), []
    hub.add("echo", lambda facts: hub.emit(recovered()) if facts[0].ID != "RECOVERED" else None)
    hub.add("seen", seen.extend)
    hub.emit(served())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [fact.ID for fact in seen] == ["FILE-SERVED", "RECOVERED"]
    hub.remove("seen")
    hub.remove("nobody")
    hub.emit(served())
    hub.flush()
    assert len(seen) == 2


def test_after_the_loop_has_ended_a_last_flush_delivers():
    def closed(callback):
        raise RuntimeError("Event loop is closed")

    hub, seen = FactHub(closed), []
    hub.add("seen", seen.extend)
    hub.emit(served())
    hub.flush()
    hub.flush()
    assert [fact.ID for fact in seen] == ["FILE-SERVED"]


async def test_a_reader_is_left_alone_with_what_it_does_not_hear():
    hub, some, grave, batches = FactHub(asyncio.get_running_loop().call_soon), [], [], []
    hub.add("some", some.append, {type(recovered())}.__contains__)
    hub.add("grave", grave.append, from_level(Level.WARNING))
    hub.add("all", batches.append)
    for batch in ([served(), sighted()], [served(), recovered()], [refused()]):
        for fact in batch:
            hub.emit(fact)
        await asyncio.sleep(0)
    assert len(batches) == 3
    assert some == [batches[1]]
    assert grave == [batches[2]]
