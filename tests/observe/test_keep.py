from provd.app.ports import Put
from provd.base.errors import StorageError
from provd.base.facts import Level
from provd.observe.keep import FactKeeper
from tests.observe.kit import T0, Timer, degraded, recovered, served


class Journal:
    def __init__(self) -> None:
        self.batches: list[list] = []
        self.dones: list = []

    def submit(self, changes, done=None):
        self.batches.append(list(changes))
        self.dones.append(done)

    def settle(self, error=None):
        dones, self.dones = self.dones, []
        for done in dones:
            done(error)


def keeper(**options):
    journal, timer, told = Journal(), Timer(), []
    return FactKeeper(journal, timer, told.append, **options), journal, timer, told


def test_facts_become_records():
    keep, journal, _, _ = keeper()
    keep([served()])
    (put,) = journal.batches[0]
    assert isinstance(put, Put)
    record = put.record
    assert (record.fact, record.at, record.mac, record.boot) == (
        "FILE-SERVED",
        T0,
        "805ec0112233",
        "b1",
    )
    assert record.data["name"] == "a.cfg"
    assert "mac" not in record.data


def test_the_rate_is_bounded_and_one_batch_is_in_hand_at_a_time():
    keep, journal, timer, _ = keeper(at_once=3)
    keep([served()] * 8)
    assert [len(batch) for batch in journal.batches] == [3]
    timer.fire()
    assert len(journal.batches) == 1
    journal.settle()
    assert [len(batch) for batch in journal.batches] == [3, 3]
    journal.settle()
    assert len(journal.batches) == 2
    timer.fire()
    assert [len(batch) for batch in journal.batches] == [3, 3, 2]


def test_what_does_not_fit_is_dropped_and_told_once_a_minute():
    keep, journal, timer, told = keeper(at_once=1, queue=2)
    keep([served()] * 5)
    keep([served()] * 5)
    assert keep.dropped == 7
    assert [(fact.ID, fact.count) for fact in told] == [("FACTS-NOT-KEPT", 3)]
    journal.settle()
    timer.fire()
    keep([served(T0 + 61)] * 2)
    assert [fact.count for fact in told] == [3, 5]


def test_a_store_that_refuses_costs_the_facts_and_nothing_else():
    keep, journal, timer, told = keeper()
    keep([served(), degraded()])
    journal.settle(StorageError("disk full"))
    assert keep.dropped == 2
    assert told[0].ID == "FACTS-NOT-KEPT"
    keep(told)
    timer.fire()
    assert len(journal.batches) == 1
    keep([recovered()])
    assert len(journal.batches) == 2


def test_the_level_filters_and_the_end_hands_over_everything():
    keep, journal, _, _ = keeper(level=Level.ERROR, at_once=1)
    keep([served(), degraded(), degraded(), degraded()])
    keep.finish()
    keep.finish()
    assert [len(batch) for batch in journal.batches] == [1, 2]


def test_a_storm_is_kept_at_two_thousand_a_second():
    keep, journal, timer, told = keeper()
    for second in range(60):
        keep([served(T0 + second)] * 2000)
        for _ in range(20):
            journal.settle()
            timer.fire()
    assert told == []
    assert sum(len(batch) for batch in journal.batches) >= 119_000
    assert max(len(batch) for batch in journal.batches) == 100
