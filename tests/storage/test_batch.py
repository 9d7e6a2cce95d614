from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateTable
from sqlalchemy.sql import text

from provd.app.ports import Delete, Put
from provd.base.errors import StorageError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Code, Reservation, StoredFact
from provd.storage.batch import ROWS_PER_STATEMENT, Extension, Planner, driver_form
from provd.storage.tables import LEASE
from provd.storage.vault import Vault

VAULT = Vault({"k1": bytes(32)})


@pytest.fixture
def planner() -> Planner:
    return Planner(VAULT, sqlite.dialect(paramstyle="qmark"))


def a_lease(ip: int, starts: int = 1) -> Lease:
    return Lease(ip=ip, client=b"c", mac=Mac("m"), state=LeaseState.ACTIVE, starts=starts, expires=2)


def test_one_statement_for_many_rows(planner: Planner) -> None:
    ((sql, parameters),) = planner.plan([Put(a_lease(1)), Put(a_lease(2))])
    assert sql == (
        "INSERT INTO lease (ip, client, mac, state, starts, expires, subnet, hostname, vendor_class, agent) VALUES "
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?), (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (ip) DO UPDATE SET "
        "client = excluded.client, mac = excluded.mac, state = excluded.state, starts = excluded.starts, "
        "expires = excluded.expires, subnet = excluded.subnet, hostname = excluded.hostname, "
        "vendor_class = excluded.vendor_class, agent = excluded.agent"
    )
    one = (b"c", "m", 1, 1, 2, "", "", "", b"")
    assert parameters == (1, *one, 2, *one)


def test_postgresql_gets_its_own_words() -> None:
    planner = Planner(VAULT, postgresql.psycopg.dialect(paramstyle="format"))
    (put,) = planner.plan([Put(Reservation(id="1", ip="2")), Put(Reservation(id="2", ip="2"))])
    assert put[0].startswith("INSERT INTO reservation (id, ip, mac, client_id, hostname, description) VALUES (%s")
    assert put[0].count("%s") == len(put[1]) == 12
    (delete,) = planner.plan([Delete(Reservation(id="1", ip="2")), Delete(Reservation(id="3", ip="2"))])
    assert delete[0].count("reservation.id = %s") == 2
    assert delete[1] == ("1", "3")


def test_the_last_change_of_a_key_wins(planner: Planner) -> None:
    ((_, parameters),) = planner.plan([Put(a_lease(1, starts=5)), Delete(a_lease(1)), Put(a_lease(1, starts=6))])
    assert parameters[0] == 1
    assert parameters[4] == 6
    ((sql, parameters),) = planner.plan([Put(a_lease(1)), Delete(a_lease(1))])
    assert sql == "DELETE FROM lease WHERE (lease.ip = ?)"
    assert parameters == (1,)


def test_leases_that_are_only_extended_share_a_short_statement(planner: Planner) -> None:
    (extended,) = planner.plan([Put(a_lease(ip), extends=True) for ip in range(1, 6)])
    assert isinstance(extended, Extension)
    assert extended.sql == "UPDATE lease SET starts=?, expires=? WHERE lease.ip IN (?, ?, ?, ?, ?)"
    assert extended.parameters == (1, 2, 1, 2, 3, 4, 5)
    assert extended.rows == 5
    assert [extended.otherwise()] == planner.plan([Put(a_lease(ip)) for ip in range(1, 6)])


def test_postgresql_extends_in_its_own_words() -> None:
    planner = Planner(VAULT, postgresql.psycopg.dialect(paramstyle="format"))
    (extended,) = planner.plan([Put(a_lease(ip), extends=True) for ip in range(4)])
    plain = extended[0].replace("::BIGINT", "")
    assert plain == "UPDATE lease SET starts=%s, expires=%s WHERE lease.ip IN (%s, %s, %s, %s)"


def test_a_few_leases_of_one_time_are_not_worth_a_statement(planner: Planner) -> None:
    mixed = [Put(a_lease(ip, starts=ip // 2), extends=True) for ip in range(6)]
    assert planner.plan(mixed) == planner.plan([Put(put.record) for put in mixed])
    many = [Put(a_lease(ip, starts=ip // 128), extends=True) for ip in range(2 * ROWS_PER_STATEMENT)]
    assert [statement[1][0] for statement in planner.plan([*many, Put(a_lease(999, starts=7))])] == [0, 1, 999]


def test_what_extends_something_that_is_not_durable_is_written_as_a_whole(planner: Planner) -> None:
    both = [Put(a_lease(ip), extends=extends) for extends in (False, True) for ip in range(8)]
    assert planner.plan(both) == planner.plan(both[:8])
    reverse = [*both[8:], Put(replace(a_lease(3), state=LeaseState.RELEASED))]
    extended, put = planner.plan(reverse)
    assert 3 not in extended[1][2:]
    assert put[1][:4] == (3, b"c", "m", 2), "the last change of a key wins"


def test_what_gives_up_a_unique_value_comes_first(planner: Planner) -> None:
    codes = [Code(id=name, digest="d", code=Secret("1"), line="1", tenant="t") for name in ("c1", "c2")]
    (first, _), (second, _) = planner.plan([Put(codes[1]), Delete(codes[0])])
    assert first == "DELETE FROM code WHERE (code.id = ?)"
    assert second.startswith("INSERT INTO code")


def test_facts_are_added_without_their_number(planner: Planner) -> None:
    fact = StoredFact(seq=7, fact="F", at=1.0)
    ((sql, parameters),) = planner.plan([Put(fact), Put(fact)])
    assert sql == "INSERT INTO fact (fact, at, mac, boot, data) VALUES (?, ?, ?, ?, ?), (?, ?, ?, ?, ?)"
    assert parameters == ("F", 1.0, "", "", "{}") * 2
    ((sql, parameters),) = planner.plan([Delete(fact)])
    assert (sql, parameters) == ("DELETE FROM fact WHERE (fact.seq = ?)", (7,))


def test_statements_are_bounded(planner: Planner) -> None:
    changes: list[Any] = [Put(a_lease(ip)) for ip in range(ROWS_PER_STATEMENT + 1)]
    changes += [Delete(a_lease(1000 + ip)) for ip in range(ROWS_PER_STATEMENT + 1)]
    deletes, last_delete, puts, last_put = planner.plan(changes)
    assert [len(deletes[1]), len(last_delete[1])] == [ROWS_PER_STATEMENT, 1]
    assert [len(puts[1]), len(last_put[1])] == [ROWS_PER_STATEMENT * 10, 10]


def test_what_is_no_record_is_refused(planner: Planner) -> None:
    with pytest.raises(StorageError, match="str is not a durable record"):
        planner.plan([Put("lease")])  # type: ignore[arg-type]


def test_a_statement_without_parameters_has_no_driver_form() -> None:
    assert driver_form(text("SELECT 1"), sqlite.dialect()) == ("SELECT 1", ())
    with pytest.raises(TypeError):
        driver_form(CreateTable(LEASE), sqlite.dialect())
