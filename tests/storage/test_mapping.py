from __future__ import annotations

import dataclasses
import enum
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.activation.content import Content, Group, Member, Piece, Share
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Thing
from provd.domain.records import Device, DeviceState, Line, Profile, Record, Reservation, StoredFact, Tenant, ThingOwner
from provd.storage.mapping import TABLES, Codec, RowError
from provd.storage.vault import Vault

OF_THINGS = (Content, Piece, Group, Member, Share, VendorToken)
VAULT = Vault({"k1": bytes(32)})


def line(**fields: Any) -> Line:
    return Line(**({"id": "1", "tenant": "a", "username": "u", "password": Secret("p")} | fields))


# The owner of a thing is a column of its row.
WHOLE = [kind for kind in get_args(Record) if kind is not ThingOwner]


@pytest.mark.parametrize("kind", [*WHOLE, Lease, Thing, *OF_THINGS])
def test_every_record_has_a_table_with_its_fields_key_first(kind: type[Any]) -> None:
    table = TABLES[kind]
    columns = [column.name for column in table.columns]
    assert columns == [field.name for field in dataclasses.fields(kind)]
    keys = [column.name for column in table.primary_key.columns]
    assert columns[: len(keys)] == keys


@pytest.mark.parametrize("kind", [*get_args(Record), Lease, Thing, *OF_THINGS])
def test_records_need_nothing_of_their_constructor(kind: type[Any]) -> None:
    """Rows become records past the constructor: that is right as long as it only assigns."""
    assert not hasattr(kind, "__post_init__")


plain = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"))
values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | plain
    | plain.map(Secret)
)
settings = st.dictionaries(plain, values, max_size=4)


@given(
    st.builds(
        Device,
        mac=st.just(Mac("805ec0112233")),
        vendor=plain,
        state=st.sampled_from(DeviceState),
        lines=st.lists(plain).map(tuple),
        settings=settings,
        last_seen=st.floats(allow_nan=False),
        revision=st.integers(1, 2**62),
    )
)
def test_a_device_comes_back_as_it_went(device: Device) -> None:
    codec = Codec(Device, VAULT)
    assert codec.record(codec.row(device)) == device


@given(
    st.builds(
        Lease,
        ip=st.integers(0, 2**32 - 1),
        client=st.binary(max_size=255),
        mac=st.just(Mac("805ec0112233")),
        state=st.sampled_from(LeaseState),
        starts=st.integers(0, 2**40),
        expires=st.integers(0, 2**40),
        hostname=st.text(),
        vendor_class=st.text(),
        agent=st.binary(max_size=255),
    )
)
def test_every_lease_has_a_row_that_loads_and_is_the_same_from_then_on(lease: Lease) -> None:
    codec = Codec(Lease, VAULT)
    once = codec.record(codec.row(lease))
    assert dataclasses.replace(once, hostname="", vendor_class="") == dataclasses.replace(
        lease, hostname="", vendor_class=""
    )
    assert codec.record(codec.row(once)) == once
    assert "\0" not in once.hostname + once.vendor_class
    (once.hostname + once.vendor_class).encode()


def test_rows_hold_what_a_driver_takes() -> None:
    for record in (
        Device(mac=Mac("805ec0000001"), lines=("a",)),
        Reservation(id="1", ip="2"),
        Reservation(id="1", ip="10.0.0.2", mac=Mac("805ec0000003")),
        Tenant(id="1", name="x"),
        Profile(id="p"),
        line(),
    ):
        row = Codec(type(record), VAULT).row(record)
        assert all(type(value) in {str, int, float, bool, bytes, type(None)} for value in row), row
        assert not any(isinstance(value, enum.Enum) for value in row)


def test_a_reservation_without_mac_has_none() -> None:
    codec = Codec(Reservation, VAULT)
    for mac in (None, Mac("805ec0112233")):
        reservation = Reservation(id="1", ip="10.0.0.1", mac=mac)
        assert codec.record(codec.row(reservation)) == reservation


def test_secrets_are_sealed_at_their_place() -> None:
    codec = Codec(Line, VAULT)
    row = codec.row(line(settings={"a": Secret("one"), "b": "two"}))
    assert "one" not in str(row)
    assert "two" in str(row)
    other = list(codec.row(line(id="2")))
    other[codec.columns.index("password")] = row[codec.columns.index("password")]
    with pytest.raises(RowError, match="password: does not open"):
        codec.record(tuple(other))


def test_the_form_of_a_sealed_setting_is_not_a_value() -> None:
    with pytest.raises(RowError, match=r"line settings: .*kept for secrets"):
        Codec(Line, VAULT).row(line(settings={"a": {"$secret": "x"}}))


@pytest.mark.parametrize(
    "fields", [{"settings": {"a": {1}}}, {"settings": {"a": float("nan")}}, {"password": "no secret"}, {"server": 1}]
)
def test_what_has_no_form_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(RowError, match=f"line {next(iter(fields))}: "):
        Codec(Line, VAULT).row(line(**fields))


@pytest.mark.parametrize(
    ("kind", "column", "value", "finding"),
    [
        (Device, "vendor", None, "NoneType instead of str"),
        (Device, "vendor", b"\xff", "bytes instead of str"),
        (Device, "confidence", "many", "str instead of int"),
        (Device, "state", "levitating", "DeviceState"),
        (Device, "state", None, "DeviceState"),
        (Device, "lines", "{}", "not a list of names"),
        (Device, "lines", "[1]", "not a list of names"),
        (Device, "ports", '["1"]', "not a list of numbers"),
        (Device, "lines", "[", "Expecting"),
        (Device, "settings", "[]", "not an object"),
        (Device, "settings", b"\xff\xfe", "Expecting"),
        (Device, "last_seen", "soon", "instead of a number"),
        (Tenant, "enabled", 7, "neither true nor false"),
        (Device, "mac", "nobody", "not the key of a device"),
        (Reservation, "ip", "10.20.0.256", "not an IPv4 address"),
        (Reservation, "mac", "80:5e", "not the key of a device"),
        (Reservation, "client_id", "zz", "non-hexadecimal"),
    ],
)
def test_a_bad_column_is_named(kind: type[Any], column: str, value: object, finding: str) -> None:
    codec = Codec(kind, VAULT)
    good = {
        Device: Device(mac=Mac("805ec0000001")),
        Tenant: Tenant(id="1", name="n"),
        Reservation: Reservation(id="1", ip="10.20.0.1", mac=Mac("805ec0000001")),
    }
    row = list(codec.row(good[kind]))
    row[codec.columns.index(column)] = value
    with pytest.raises(RowError, match=f"^{column}: .*({finding})"):
        codec.record(tuple(row))
    assert codec.records([tuple(row)]) is None


def test_whole_numbers_in_a_column_of_seconds_are_seconds() -> None:
    codec = Codec(Device, VAULT)
    row = list(codec.row(Device(mac=Mac("805ec0000001"))))
    row[codec.columns.index("last_seen")] = 5
    assert codec.record(tuple(row)).last_seen == 5.0


def test_a_fact_takes_any_data() -> None:
    codec = Codec(StoredFact, VAULT)
    row = codec.row(
        StoredFact(fact="F", at=1, data={"secret": Secret("geheim"), "set": {1}, "level": LeaseState.ACTIVE})
    )
    assert codec.record(row).data == {"secret": "***", "set": "{1}", "level": 1}


def test_a_type_without_a_column_form_is_noticed_at_once() -> None:
    from provd.storage.conversion import converters

    with pytest.raises(TypeError, match="no column form for x"):
        converters(complex, "x")


ROWS = [
    Line(id="a", tenant="t", username="1", password=Secret("geheim")),
    Line(id="b", tenant="t", username="2", password=Secret("")),
    Line(id="c", tenant="u", username="3", password=Secret("g"), settings={"x": 1, "sip.password": Secret("s")}),
]


def test_many_rows_at_once_are_what_each_of_them_is() -> None:
    codec = Codec(Line, VAULT)
    rows = [codec.row(line) for line in ROWS]
    assert codec.records(rows) == [codec.record(row) for row in rows] == ROWS
    leases = Codec(Lease, VAULT)
    known = Lease(ip=1, client=b"c", mac=Mac("805ec0000001"), state=LeaseState.ACTIVE, starts=1, expires=2, subnet="s")
    found = [known, dataclasses.replace(known, ip=2), dataclasses.replace(known, state=LeaseState.DECLINED)]
    assert leases.records([leases.row(lease) for lease in found]) == found


@pytest.mark.parametrize("column", ["id", "tenant", "password", "settings"])
@pytest.mark.parametrize("value", [None, 7, b"x", "{", "[]"])
def test_one_odd_row_among_many_is_left_to_a_closer_look(column: str, value: object) -> None:
    codec = Codec(Line, VAULT)
    rows = [list(codec.row(line)) for line in ROWS]
    rows[1][codec.columns.index(column)] = value
    found = codec.records([tuple(row) for row in rows])
    try:
        expected = [codec.record(tuple(row)) for row in rows]
    except RowError:
        assert found is None
    else:
        assert found == expected


def test_a_state_that_there_is_not_is_left_to_a_closer_look() -> None:
    codec = Codec(Lease, VAULT)
    lease = Lease(ip=1, client=b"c", mac=Mac("805ec0000001"), state=LeaseState.ACTIVE, starts=1, expires=2, subnet="s")
    row = list(codec.row(lease))
    assert codec.records([tuple(row)]) == [lease]
    row[codec.columns.index("state")] = 99
    assert codec.records([tuple(row)]) is None
