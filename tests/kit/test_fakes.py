from __future__ import annotations

import pytest

from provd.app.ports import Delete, Journal, Put
from provd.base.errors import StorageError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Code, Device, StoredFact, Tenant
from tests.kit.fakes import BrokenJournal, EmptyJournal, FixedJournal, MemoryJournal, SlowJournal

DEVICE = Device(mac=Mac("805ec0112233"))
LEASE = Lease(ip=1, client=b"c", mac=DEVICE.mac, state=LeaseState.ACTIVE, starts=1, expires=2)
CODE = Code(id="c1", digest="d", code=Secret("1"), line="1", tenant="a")


@pytest.mark.parametrize("journal", [MemoryJournal(), FixedJournal(), EmptyJournal(), SlowJournal(), BrokenJournal()])
def test_each_is_a_journal(journal: Journal) -> None:
    assert list(journal.load(Device)) == []


async def test_memory_remembers() -> None:
    journal = MemoryJournal(DEVICE, Tenant(id="a", name="A"))
    await journal.commit([Put(LEASE), Put(CODE), Delete(DEVICE), Delete(DEVICE)])
    assert (journal.load(Device), journal.load(Lease), journal.load(Code)) == ([], [LEASE], [CODE])
    await journal.commit([Put(StoredFact(fact="F", at=1.0)), Put(StoredFact(fact="F", at=1.0))])
    assert [fact.seq for fact in journal.load(StoredFact)] == [1, 2]
    assert len(journal.submitted) == 6


async def test_fixed_never_changes() -> None:
    journal = FixedJournal(DEVICE)
    await journal.commit([Delete(DEVICE), Put(LEASE)])
    assert (journal.load(Device), journal.load(Lease)) == ([DEVICE], [])
    assert journal.submitted == [Delete(DEVICE), Put(LEASE)]


async def test_broken_refuses_until_it_is_mended() -> None:
    journal = BrokenJournal()
    with pytest.raises(StorageError, match="full"):
        await journal.commit([Put(LEASE)])
    assert journal.refused == [Put(LEASE)]
    journal.mend()
    await journal.commit([Put(LEASE)])
    assert journal.load(Lease) == [LEASE]
    with pytest.raises(StorageError):
        BrokenJournal(loads=False).load(Lease)


def test_slow_waits_for_its_release() -> None:
    journal = SlowJournal()
    heard: list[object] = []
    for ip in range(3):
        journal.submit(
            [Put(Lease(ip=ip, client=b"", mac=DEVICE.mac, state=LeaseState.ACTIVE, starts=1, expires=2))], heard.append
        )
    assert (journal.waiting, heard, journal.load(Lease)) == (3, [], [])
    journal.release(1)
    assert (heard, len(journal.load(Lease))) == ([None], 1)
    journal.refuse("disk I/O error")
    assert [str(error) for error in heard] == ["None", "disk I/O error", "disk I/O error"]
    assert len(journal.load(Lease)) == 1
    journal.submit([Put(LEASE)])
    journal.release()
    assert journal.waiting == 0
