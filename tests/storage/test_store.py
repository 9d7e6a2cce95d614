"""The store as everybody sees it; every test runs on SQLite and on PostgreSQL."""

from __future__ import annotations

import asyncio
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provd.app.ports import Delete, Journal, Put
from provd.base.errors import ClashError, StorageError
from provd.base.facts.daemon import Degraded
from provd.base.facts.storage import StoreKeyMade, StoreRowSkipped, StoreUpgraded
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import INFINITE, Lease, LeaseState
from provd.domain.records import (
    MASTER_TENANT,
    ApiToken,
    AuditEntry,
    Code,
    Device,
    DeviceState,
    FreeParameter,
    Heartbeat,
    Level,
    Line,
    Lock,
    Metadata,
    PendingResync,
    Profile,
    Redemption,
    Reservation,
    RunState,
    StoredFact,
    TaskRun,
    TaskStep,
    Tenant,
)
from provd.storage import migrations
from provd.storage.store import Store
from tests.kit.patience import PATIENCE
from tests.storage.conftest import Place

DESK = Mac("805ec0112233")

RECORDS: list[Any] = [
    Device(
        mac=DESK,
        vendor="Acme",
        model="A1",
        state=DeviceState.PROVISIONED,
        tenant="blue",
        lines=("1", "2"),
        settings={"a.b": 1, "gone": None, "list": ["x"], "pin": Secret("4711")},
        description="Zoë's desk\nsecond line",
        last_seen=1_700_000_000.25,
        revision=2**40,
    ),
    Device(mac=Mac("000000000001")),
    Tenant(id="blue", name="Blue", enabled=False, settings={"admin.password": Secret("s3cret")}),
    Line(id="1", tenant="blue", username="1001", password=Secret("pässword"), port=5060, transport="tls"),
    Code(id="c1", digest="d1", code=Secret("12345678"), line="1", tenant="blue", uses=3, expires=1e9, by="root"),
    Redemption(code="c1", number=1, mac=DESK, line="1", tenant="blue", at=1.5),
    PendingResync(mac=DESK, since=2.5, reason="code", account="ap1", transport="udp", host="10.0.0.9", port=5061),
    Lock(id="device:x", kind="device", subject="x", tenant="blue", wrong=5, first=1.0, last=2.0, until=3.5),
    Heartbeat(at=1e9),
    ApiToken(id="t1", name="ci", tenant="blue", scopes=("read", "write"), hash="h1", expires=2e9),
    Device(mac=Mac("000000000002"), lines=("1", "7"), ports=(3, 1)),
    Metadata(mac=DESK, data={"customer": "Zoë & Söhne", "asset": 815, "leased": True, "until": None}),
    TaskRun(
        id=f"boot:1:{DESK}:2",
        template="boot",
        version=1,
        mac=DESK,
        generation=2,
        state=RunState.WAITING,
        due=1.5,
        waits=3,
        reason="a record",
        owner="me",
        lease=2.5,
    ),
    TaskStep(run=f"boot:1:{DESK}:2", name="crm", result={"customer": "Zoë", "list": [1, 2]}, at=1.25),
    Profile(id="p", level=Level.SITE, parents=("q", "r"), settings={"x": True}),
    Reservation(id="r1", ip="10.0.0.9", mac=DESK),
    Reservation(id="r2", ip="10.0.0.8", client_id="01aabb"),
    Lease(
        ip=0xFFFFFFFE,
        client=b"\x00\xff\x01",
        mac=DESK,
        state=LeaseState.DECLINED,
        starts=1,
        expires=INFINITE,
        hostname="phone",
        agent=b"\x01\x04port",
    ),
]


def a_lease(ip: int, mac: str = DESK) -> Lease:
    return Lease(ip=ip, client=b"\x01c", mac=Mac(mac), state=LeaseState.ACTIVE, starts=1, expires=2)


def a_code(line: str, digits: str = "1") -> Code:
    return Code(id=f"c{line}", digest=f"digest-{digits}", code=Secret(digits), line=line, tenant="a")


async def test_what_was_committed_is_loaded_again(place: Place) -> None:
    store = place.open()
    await store.commit([Put(record) for record in RECORDS])
    store = place.reopen()
    for record in RECORDS:
        assert record in store.load(type(record))
    assert place.told(StoreRowSkipped) == []


async def test_a_record_replaces_the_one_with_its_key_and_delete_removes_it(store: Store) -> None:
    await store.commit([Put(a_lease(1, "00000000000a")), Put(a_lease(2))])
    await store.commit([Put(a_lease(1, "00000000000b")), Delete(a_lease(2)), Delete(a_lease(3))])
    assert store.load(Lease) == [a_lease(1, "00000000000b")]


async def test_a_record_that_is_nothing_but_its_name_is_kept(store: Store) -> None:
    """A vendor's own parameter that somebody has set once; with a name that is longer than one letter."""
    await store.commit([Put(FreeParameter(id="acme.backlight_time")), Put(FreeParameter(id="acme.x"))])
    await store.commit([Put(FreeParameter(id="acme.x"))])
    await store.commit([Delete(FreeParameter(id="acme.x"))])
    assert store.load(FreeParameter) == [FreeParameter(id="acme.backlight_time")]


async def test_inside_one_submission_the_last_word_counts(store: Store) -> None:
    await store.commit([Put(a_lease(1)), Delete(a_lease(1)), Delete(a_lease(2)), Put(a_lease(2))])
    assert store.load(Lease) == [a_lease(2)]


async def test_order_is_kept_between_submissions(store: Store) -> None:
    heard: list[object] = []
    for number in range(50):
        store.submit([Put(a_lease(1, f"{number:012x}")), Delete(a_lease(2))], heard.append)
    await store.commit([Put(a_lease(2))])
    assert store.load(Lease) == [a_lease(1, f"{49:012x}"), a_lease(2)]
    assert heard == [None] * 50


async def test_more_rows_than_one_statement_carries(store: Store) -> None:
    leases = [a_lease(ip) for ip in range(1, 1000)]
    await store.commit([Put(lease) for lease in leases])
    assert store.load(Lease) == leases
    await store.commit([Delete(lease) for lease in leases[:-1]])
    assert store.load(Lease) == leases[-1:]


async def test_extended_leases_are_durable_whether_their_rows_are_there_or_not(place: Place) -> None:
    store = place.open()
    leases = [a_lease(ip) for ip in range(1, 9)]
    await store.commit([Put(lease) for lease in leases[:5]])
    later = [replace(lease, starts=50, expires=3650) for lease in leases]
    await store.commit([Put(lease, extends=True) for lease in later[:5]])
    assert store.load(Lease) == later[:5]
    # Three rows are missing, as after somebody's hand in the file: nobody's lease may be, once it is reported durable.
    await store.commit([Put(lease, extends=True) for lease in later])
    assert store.load(Lease) == later
    assert place.reopen().load(Lease) == later


async def test_the_master_tenant_always_exists(place: Place) -> None:
    store = place.open()
    assert [tenant.id for tenant in store.load(Tenant)] == [MASTER_TENANT]
    await store.commit([Delete(Tenant(id=MASTER_TENANT, name=""))])
    assert [tenant.id for tenant in place.reopen().load(Tenant)] == [MASTER_TENANT]


async def test_a_code_opens_one_line_only(store: Store) -> None:
    of_one, of_two = a_code("1"), a_code("2")
    await store.commit([Put(of_one)])
    with pytest.raises(StorageError):
        await store.commit([Put(of_two), Put(a_lease(1))])
    assert store.load(Code) == [of_one]
    assert store.load(Lease) == [], "nothing of a refused submission is kept"
    await store.commit([Put(of_two), Delete(of_one)])
    assert store.load(Code) == [of_two]


async def test_a_use_of_a_code_goes_to_one_device_only(store: Store) -> None:
    mine, theirs = (Redemption(code="c", number=1, mac=Mac(mac), line="1", tenant="a", at=1.0) for mac in "ab")
    await store.commit([Put(mine)])
    await store.commit([Put(mine)])
    with pytest.raises(StorageError):
        await store.commit([Put(theirs), Put(a_lease(1))])
    assert store.load(Redemption) == [mine]
    assert store.load(Lease) == [], "what would have come with it is not kept either"


async def test_the_audit_is_kept_with_its_change_or_not_at_all(store: Store) -> None:
    entry = AuditEntry(at=1.0, by="root", action="code.add", kind="code", object="c1", tenant="a", data={"uses": 2})
    await store.commit([Put(a_code("1")), Put(entry)])
    with pytest.raises(StorageError):
        await store.commit([Put(a_code("2")), Put(replace(entry, object="c2"))])
    assert store.audit() == [replace(entry, seq=store.audit()[0].seq)]
    for number in range(5):
        await store.commit([Put(replace(entry, object=f"x{number}", tenant="b"))])
    assert [each.object for each in store.audit(tenant="b", limit=2)] == ["x4", "x3"]
    assert [each.object for each in store.audit(before=store.audit(subject="x3")[0].seq, limit=2)] == ["x2", "x1"]
    assert [each.object for each in store.audit(kind="device")] == []
    assert await store.prune_audit(2) == 4
    assert [each.object for each in store.audit()] == ["x4", "x3"]
    assert await store.prune_audit(2) == 0


async def test_a_bad_submission_sinks_alone(place: Place) -> None:
    store = place.open()
    heard: dict[str, list[Any]] = {"good": [], "bad": []}
    await store.commit([Put(a_code("1"))])
    store.submit([Put(a_lease(1))], heard["good"].append)
    store.submit([Put(a_code("2"))], heard["bad"].append)
    store.submit([Put(a_lease(2**70))], heard["bad"].append)
    store.submit([Put("no record")], heard["bad"].append)  # type: ignore[arg-type]
    store.submit([Put(a_lease(2))], heard["good"].append)
    await store.commit([Put(a_lease(3))])
    assert [lease.ip for lease in store.load(Lease)] == [1, 2, 3]
    assert heard["good"] == [None, None]
    assert [isinstance(error, StorageError) for error in heard["bad"]] == [True] * 3
    # Of a number that is too large SQLite's driver says what was wrong with the statement before.
    assert [isinstance(error, ClashError) for error in (heard["bad"][0], heard["bad"][2])] == [True, False]
    assert place.told(Degraded) == [], "the store is in order"


async def test_text_that_a_database_cannot_hold_does_not_cost_the_lease(store: Store) -> None:
    lease = Lease(ip=1, client=b"c", mac=DESK, state=LeaseState.ACTIVE, starts=1, expires=2, hostname="a\0b\udc80c\n")
    await store.commit([Put(lease)])
    assert store.load(Lease)[0].hostname == "a\ufffdb?c\n"


async def test_a_refusal_does_not_quote_values(store: Store) -> None:
    await store.commit([Put(a_code("1", "777123"))])
    with pytest.raises(StorageError) as caught:
        await store.commit([Put(a_code("2", "777123"))])
    assert "777123" not in str(caught.value)


async def test_facts_are_numbered_and_read_newest_first(store: Store) -> None:
    for number in range(5):
        mac = DESK if number % 2 else ""
        await store.commit([Put(StoredFact(fact=f"F{number}", at=number, mac=mac, data={"n": number, "why": None}))])
    assert [fact.fact for fact in store.facts(limit=2)] == ["F4", "F3"]
    assert [fact.fact for fact in store.facts(DESK)] == ["F3", "F1"]
    newest = store.facts(DESK, limit=1)[0]
    assert newest == StoredFact(seq=newest.seq, fact="F3", at=3.0, mac=DESK, data={"n": 3, "why": None})
    assert [fact.fact for fact in store.facts(DESK, before=newest.seq)] == ["F1"]
    assert [fact.fact for fact in store.facts(fact="F2")] == ["F2"]


async def test_a_fact_with_odd_values_is_kept_without_its_secrets(store: Store) -> None:
    await store.commit([Put(StoredFact(fact="F", at=1.0, data={"secret": Secret("geheim"), "odd": {1}}))])
    assert store.facts()[0].data == {"secret": "***", "odd": "{1}"}


async def test_pruning_keeps_the_newest_facts(store: Store) -> None:
    await store.commit([Put(StoredFact(fact=f"F{number}", at=0.0)) for number in range(1200)])
    assert await store.prune_facts(1200) == 0
    assert await store.prune_facts(3) == 1197
    assert [fact.fact for fact in store.facts()] == ["F1199", "F1198", "F1197"]
    assert await store.prune_facts(0) == 3
    await store.commit([Put(StoredFact(fact="next", at=0.0))])
    assert store.facts()[0].seq == 1201, "numbers are not given twice"


async def test_secrets_are_not_readable_in_the_files(sqlite_place: Place) -> None:
    store = sqlite_place.open()
    await store.commit([Put(record) for record in RECORDS])
    store.close()
    octets = b"".join(path.read_bytes() for path in sqlite_place.state_dir.iterdir())
    assert b"Acme" in octets
    for secret in ("4711", "s3cret", "pässword"):
        assert secret.encode() not in octets
    for path in sqlite_place.state_dir.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


async def test_a_closed_store_refuses(store: Store) -> None:
    store.submit([Put(a_lease(1))])
    store.close()
    store.close()
    with pytest.raises(StorageError, match="closed"):
        await store.commit([Put(a_lease(2))])


async def test_close_drains_what_is_queued(place: Place) -> None:
    store = place.open()
    heard: list[asyncio.Future[Any]] = []

    def waiter() -> Callable[[StorageError | None], None]:
        future = asyncio.get_running_loop().create_future()
        heard.append(future)
        return future.set_result

    for ip in range(700):
        store.submit([Put(a_lease(ip))], waiter())
    store.submit([Put(StoredFact(fact="F", at=1.0))], waiter())
    store.close()
    async with asyncio.timeout(PATIENCE):
        assert await asyncio.gather(*heard) == [None] * 701
    store = place.open()
    assert len(store.load(Lease)) == 700
    assert len(store.facts()) == 1


async def test_a_wrong_key_file_costs_the_secret_rows_only(place: Place) -> None:
    store = place.open()
    await store.commit([Put(record) for record in RECORDS])
    place.close()
    (place.state_dir / "master.key").unlink()
    store = place.open()
    assert store.load(Line) == []
    assert [device.mac for device in store.load(Device)] == ["000000000001", "000000000002"]
    assert len(store.load(Lease)) == 1
    skipped = place.told(StoreRowSkipped)
    assert [(fact.kind, fact.rows, fact.keys) for fact in skipped] == [("line", 1, "1"), ("device", 1, DESK)]
    assert "not in the key file" in skipped[0].reason


async def test_a_key_that_was_lost_is_told_and_its_lines_can_be_appended(place: Place) -> None:
    store = place.open()
    await store.commit([Put(record) for record in RECORDS])
    token = store.vault.derive("device tokens")
    place.close()
    file = place.state_dir / "master.key"
    former = file.read_text(encoding="ascii")
    file.unlink()
    assert place.open().vault.derive("device tokens") != token
    assert [fact.file for fact in place.told(StoreKeyMade)] == [str(file)]
    place.close()
    file.write_text(file.read_text(encoding="ascii") + former, encoding="ascii")
    store = place.open()
    assert [line.id for line in store.load(Line)] == ["1"]
    assert store.vault.derive("device tokens") == token
    assert len(place.told(StoreKeyMade)) == 1


def test_a_new_database_has_lost_no_key(place: Place) -> None:
    place.open()
    assert place.told(StoreKeyMade) == []


async def test_derived_keys_survive_a_restart(place: Place) -> None:
    token = place.open().vault.derive("device tokens")
    assert len(token) == 32
    store = place.reopen()
    assert store.vault.derive("device tokens") == token
    assert store.vault.derive("etags") != token


async def test_submissions_beyond_the_bound_are_counted(place: Place) -> None:
    store = place.open(waiting=0)
    with pytest.raises(StorageError, match="0 writes behind"):
        await store.commit([Put(a_lease(1))])
    assert store.refused == 1


async def test_a_cancelled_commit_is_written_all_the_same(store: Store) -> None:
    task = asyncio.ensure_future(store.commit([Put(a_lease(1))]))
    asyncio.get_running_loop().call_soon(task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    await store.commit([Put(a_lease(2))])
    assert len(store.load(Lease)) == 2


async def test_ten_thousand_devices_lines_and_leases_load_quickly(place: Place) -> None:
    store = place.open()
    macs = [f"{number:012x}" for number in range(10_000)]
    settings = {"locale.language": "en"}
    await store.commit([Put(Device(mac=Mac(mac), lines=(mac,), settings=settings, ip="10.0.0.1")) for mac in macs])
    await store.commit([Put(Line(id=mac, tenant="a", username=mac, password=Secret(mac))) for mac in macs])
    await store.commit([Put(a_lease(number, mac)) for number, mac in enumerate(macs)])
    began = time.process_time()
    counts = [len(store.load(kind)) for kind in (Device, Line, Lease)]
    took = time.process_time() - began
    assert counts == [10_000] * 3
    assert took < 30.0, "0.3 s without a tracer on a machine of our own; this is to notice another order"


def test_a_current_database_opens_without_alembic(sqlite_place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    sqlite_place.open()
    assert [(fact.was, fact.now) for fact in sqlite_place.told(StoreUpgraded)] == [("", migrations.HEAD)]
    for name in [name for name in sys.modules if name.split(".")[0] == "alembic"]:
        monkeypatch.delitem(sys.modules, name)
    sqlite_place.reopen()
    assert "alembic" not in sys.modules
    assert len(sqlite_place.told(StoreUpgraded)) == 1


def test_the_store_is_a_journal(sqlite_place: Place) -> None:
    journal: Journal = sqlite_place.open()
    assert list(journal.load(Lease)) == []


def test_a_second_daemon_on_the_file_is_refused_and_changes_nothing(sqlite_place: Place) -> None:
    sqlite_place.open()
    with pytest.raises(StorageError, match=r"another provd \(pid \d+\) uses .*provd.db"):
        sqlite_place.open()
    sqlite_place.reopen()


@pytest.mark.peer
def test_several_daemons_share_one_postgresql(postgres_place: Place) -> None:
    first, second = postgres_place.open(), postgres_place.open()
    assert first.load(Tenant) == second.load(Tenant)


@pytest.mark.parametrize("url", ["mysql://a/b", "nonsense", "sqlite://", "postgresql://host"])
def test_other_databases_are_refused(url: str, sqlite_place: Place) -> None:
    sqlite_place.url = url
    with pytest.raises(StorageError, match="sqlite"):
        sqlite_place.open()


def test_a_server_that_is_not_there_is_named_without_its_password(sqlite_place: Place) -> None:
    sqlite_place.url = "postgresql://provd:hunter2@/x?host=/nonexistent"
    with pytest.raises(StorageError, match="postgresql://provd:") as caught:
        sqlite_place.open()
    assert "hunter2" not in str(caught.value)


def test_a_state_folder_that_cannot_be_made_is_named(sqlite_place: Place, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sqlite_place.state_dir = tmp_path / "file" / "state"
    with pytest.raises(StorageError, match="file/state"):
        sqlite_place.open()


def test_a_database_of_a_newer_provd_is_left_alone(sqlite_place: Place) -> None:
    import sqlite3

    sqlite_place.open()
    sqlite_place.close()
    database = sqlite3.connect(sqlite_place.state_dir / "provd.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    with pytest.raises(StorageError, match="newer provd"):
        sqlite_place.open()
    assert not list(sqlite_place.state_dir.glob("*.broken*"))
