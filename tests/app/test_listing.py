"""Lists for programs: filters, order, fields and cursors."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.app.admin import Caller
from provd.app.admin.listing import WORDS, Page
from provd.base.errors import FaultsError, ForbiddenError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Device, DeviceState, Line
from tests.app.fakes import tenant
from tests.app.test_admin import Office

SITE = Caller(name="site's")
NORTH = Caller(name="north's", tenant="north")


def phone(number: int, **fields: object) -> Device:
    return Device(mac=Mac(f"02aaaa{number:06x}"), **fields)


@pytest.fixture(scope="module")
def office() -> Office:
    models = ("T27P", "SPA504G", "")
    return Office(
        tenant(),
        tenant("south"),
        *(
            phone(
                i,
                tenant="north" if i % 2 else "south",
                model=models[i % 3],
                vendor="Acme" if models[i % 3] else "",
                state=DeviceState.UNCLAIMED if i % 4 else DeviceState.SEEN,
                last_seen=1_000_000.0 + i if i % 5 else 0.0,
                confidence=i % 7,
                description=f"desk {i}",
            )
            for i in range(60)
        ),
        *(
            Line(id=f"north:{i}", tenant="north", username=f"u{i}", password=Secret("x"), port=5060 + i)
            for i in range(3)
        ),
        phone(1000, tenant="north", lines=("north:1", "north:2")),
    )


def select(office: Office, kind: str, params: Iterable[tuple[str, str]], caller: Caller) -> Page:
    # Nothing but turns is waited for, which need no event loop.
    selecting = office.admin.select(kind, params, caller)
    while True:
        try:
            selecting.send(None)
        except StopIteration as end:
            return end.value


def ids(office: Office, caller: Caller = SITE, kind: str = "devices", **params: str) -> list[int]:
    page = select(office, kind, params.items(), caller)
    assert page.total >= len(page.items)
    return [int(item["id"][6:], 16) if kind == "devices" else item["id"] for item in page.items]


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"mac": "02:AA:AA:00:00:07"}, [7]),
        ({"id": "02aaaa000007"}, [7]),
        ({"model": "t27p", "state": "seen"}, [0, 12, 24, 36, 48]),
        ({"model__in": "t27p,spa504g", "confidence": "6", "tenant": "north"}, [13, 27, 55]),
        ({"confidence__ge": "5", "confidence__lt": "6", "limit": "2"}, [5, 12]),
        ({"last_seen__gt": "1970-01-12T13:47:36Z"}, [57, 58, 59]),
        ({"last_seen__gt": "1970-01-12T14:47:36+01:00"}, [57, 58, 59]),
        ({"last_seen__ge": "1000057"}, [57, 58, 59]),
        ({"last_seen__empty": "true", "tenant": "south"}, [0, 10, 20, 30, 40, 50]),
        ({"description__contains": "K 5", "sort": "-description"}, [59, 58, 57, 56, 55, 54, 53, 52, 51, 50, 5]),
        ({"q": "acme north T27P", "limit": "3"}, [3, 9, 15]),
        ({"lines": "north:1"}, [1000]),
        ({"lines__contains": "ORTH"}, [1000]),
        ({"lines__in": "x,north:2"}, [1000]),
        ({"lines__empty": "false"}, [1000]),
        ({"model__ne": "", "confidence": "0", "sort": "-confidence,model,-id", "limit": "4"}, [49, 28, 7, 42]),
        ({"tenant": "nowhere"}, []),
    ],
)
def test_filters_and_order(office, params, expected):
    found = ids(office, **params)
    assert found == expected


def test_flags_numbers_and_names_of_ones_own(office):
    assert ids(office, kind="tenants", enabled="true") == ["master", "north", "south"]
    assert ids(office, kind="lines", port__gt="5060", sort="-port") == ["north:2", "north:1"]
    assert ids(office, NORTH, kind="lines", id="1") == ["1"]
    assert ids(office, NORTH, lines="1") == [1000]
    assert ids(office, NORTH, lines="north:1") == []
    assert ids(office, kind="models", vendor="bolt") == ["bolt:b9"]


@pytest.mark.parametrize(
    ("params", "name", "reason"),
    [
        ({"limit": "0"}, "limit", "from 1 to 1000"),
        ({"limit": "ten"}, "limit", "from 1 to 1000"),
        ({"stat": "seen"}, "stat", "did you mean state"),
        ({"state__like": "s"}, "state__like", "operators of state are"),
        ({"state__": "s"}, "state__", "operators of state are"),
        ({"confidence__contains": "5"}, "confidence__contains", "operators of confidence"),
        ({"confidence": "five"}, "confidence", "must be a number"),
        ({"last_seen__lt": "yesterday"}, "last_seen__lt", "a time like"),
        ({"last_seen__lt": "2026-01-01T00:00:00"}, "last_seen__lt", "its zone"),
        ({"last_seen__empty": "yes"}, "last_seen__empty", "true or false"),
        ({"sort": "modle"}, "sort", "did you mean model"),
        ({"sort": "settings"}, "sort", "there is no field"),
        ({"fields": "id,colour"}, "fields", "there is no field"),
        ({"cursor": ""}, "cursor", "not be empty"),
        ({"cursor": "W10"}, "cursor", "not one of ours"),
        ({"cursor": "%%%"}, "cursor", "not one of ours"),
        ({"cursor": "WyIiLCJhIiwiYiJd"}, "cursor", "another sort"),
        ({"cursor": "WyIiLDVd"}, "cursor", "not one of ours"),
        ({"settings": "x"}, "settings", "no such parameter"),
        ({"q": "x" * 2000}, "q", "longer than"),
    ],
)
def test_what_does_not_fit_is_an_error_and_never_everything(office, params, name, reason):
    with pytest.raises(FaultsError) as caught:
        select(office, "devices", params.items(), SITE)
    assert [fault[0] for fault in caught.value.faults] == [name]
    assert reason in caught.value.faults[0][1]


def test_every_fault_is_told_and_a_parameter_counts_once(office):
    with pytest.raises(FaultsError) as caught:
        select(office, "devices", [("limit", "x"), ("colour", "red"), ("state", "a"), ("state", "b")], SITE)
    assert [fault[0] for fault in caught.value.faults] == ["state", "limit", "colour"]


SORTS = ["model", "-model", "state", "-last_seen", "confidence", "tenant", "-tenant", "lines"]


@given(
    sort=st.lists(st.sampled_from(SORTS), max_size=3),
    limit=st.integers(1, 30),
)
def test_pages_are_together_the_whole_list(office, sort, limit):
    params = {"limit": str(limit)} | ({"sort": ",".join(sort)} if sort else {})
    whole = ids(office, **{**params, "limit": "1000"})
    seen, cursor = [], None
    while True:
        page = select(office, "devices", (params | ({"cursor": cursor} if cursor else {})).items(), SITE)
        seen += [int(item["id"][6:], 16) for item in page.items]
        assert page.total == len(whole)
        cursor = page.next
        if cursor is None:
            break
        assert len(page.items) == limit
    assert seen == whole


def test_a_cursor_holds_when_the_list_changes():
    office = Office(*(phone(i, confidence=i) for i in range(10)))
    tables = office.world.fleet.tables
    first = select(office, "devices", {"sort": "-confidence", "limit": "4"}.items(), SITE)
    assert [item["confidence"] for item in first.items] == [9, 8, 7, 6]
    tables.remove(phone(6))
    tables.put(phone(50, confidence=8))
    tables.put(replace(phone(3), confidence=2))
    rest = select(office, "devices", {"sort": "-confidence", "cursor": first.next}.items(), SITE)
    assert [item["confidence"] for item in rest.items] == [5, 4, 2, 2, 1, 0]


def test_fields_are_chosen_and_settings_may_be(office):
    page = select(office, "devices", {"fields": "id,state,settings", "limit": "1"}.items(), SITE)
    assert page.items == [{"id": "02aaaa000000", "state": "seen", "settings": {}}]


def test_every_field_of_an_item_is_one_that_can_be_asked_for(office):
    for name, collection in office.admin.collections.items():
        columns = {column.name for column in collection.columns}
        assert not columns & WORDS, name
        page = select(office, name, [], SITE)
        for item in page.items[:1]:
            assert set(item) - columns <= {"settings", "ports", "password"}, name
            assert columns <= set(item), name


def test_lists_of_the_site_are_for_callers_of_all_tenants(office):
    for name in ("leases", "reservations", "plugins"):
        assert select(office, name, [], SITE).total >= 0
        with pytest.raises(ForbiddenError):
            select(office, name, [], NORTH)
    assert len(ids(office, NORTH)) == 31


NAMES = st.sampled_from(["state", "confidence", "last_seen", "lines", "q", "sort", "fields", "limit", "cursor", "id"])
OPS = st.sampled_from(["", "__", "__ne", "__lt", "__in", "__empty", "__contains", "__x"])


@given(st.lists(st.tuples(st.tuples(NAMES, OPS).map("".join), st.text(max_size=12)), max_size=4))
def test_no_parameter_is_a_surprise(office, params):
    with suppress(FaultsError):
        assert select(office, "devices", params, SITE).total <= 61
