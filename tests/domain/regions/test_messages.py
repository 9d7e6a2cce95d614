"""Messages of devices: what is understood, and by which number it is said what is not."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.domain.regions import messages
from provd.domain.regions.codes import Code, Wrong, status_of
from provd.domain.regions.messages import Answer, Type
from tests.kit.federation import envelope, provision, query

VIN = "WVWZZZ1JZXW000001"
CAR = {"system_id": "car", "sub_system_id": "s", "vin": VIN, "ecu_type": "TCU"}


def changed(octets: bytes, **changes: Any) -> bytes:
    found = json.loads(octets)
    body = json.loads(found["body"]) | changes.pop("in_body", {})
    without = changes.pop("without", ())
    found |= {"body": json.dumps({name: value for name, value in body.items() if name not in without})}
    return json.dumps(found | changes).encode()


def number(octets: bytes) -> int:
    try:
        message = messages.read(octets)
        {Type.PROVISION_QUERY: messages.query_of, Type.DEVICE_PROVISION: messages.provision_of}[message.type](message)
    except Wrong as wrong:
        return int(wrong.code)
    return int(Code.OK)


QUERY = query("d1", "m1", **CAR)
PROVISION = provision("d1", "m1", **CAR, chipsets=[{"id": "c1"}])


@pytest.mark.parametrize(
    ("octets", "code"),
    [
        (QUERY, 1200),
        (PROVISION, 1200),
        (b"{", 13113),
        (b"[]", 13113),
        (b" " * 70_000, 13113),
        (changed(QUERY, message_type="PROVISION_QUERIES"), 13115),
        (changed(QUERY, message_type="PROVISION_QUERY_RESPONSE"), 13115),
        (changed(QUERY, message_type=1), 13115),
        (changed(QUERY, message_type=True, version="2"), 13115),
        (changed(QUERY, version="3"), 13122),
        (changed(QUERY, property_bag=None), 13114),
        (changed(QUERY, property_bag={}), 13126),
        (changed(QUERY, property_bag={"body_encoding_type": 2}), 13127),
        (changed(QUERY, property_bag={"body_encoding_type": 1}, body="***"), 13127),
        (changed(QUERY, body={}), 13118),
        (changed(QUERY, body="no"), 13118),
        (changed(QUERY, device_id=""), 1003),
        (changed(QUERY, vin="short"), 13101),
        (changed(QUERY, ecu_type="RADIO"), 13129),
        (changed(QUERY, message_id=""), 13129),
        (changed(QUERY, in_body={"system_id": "other"}), 13130),
        (changed(QUERY, without=["vin"]), 13129),
        (changed(QUERY, without=["primary"]), 13129),
        (changed(QUERY, without=["region_info"]), 13129),
        (query("d1", "m", **CAR | {"sub_system_id": ""}), 13116),
        (query("d1", "m", **CAR | {"system_id": ""}), 13129),
        (changed(PROVISION, without=["vehicle_info"]), 13117),
        (changed(PROVISION, without=["region_info"]), 13119),
        (changed(PROVISION, without=["chipsets_count"]), 13121),
        (changed(PROVISION, in_body={"chipsets_count": 2}), 11008),
        (changed(PROVISION, in_body={"chipsets": [{"id": 7}]}), 13122),
        (changed(PROVISION, in_body={"chipsets": [{"id": "a"}, {"id": "a"}], "chipsets_count": 2}), 13122),
        (changed(QUERY, ttl="soon"), 13122),
    ],
)
def test_each_fault_has_its_number(octets: bytes, code: int) -> None:
    assert number(octets) == code


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_nothing_but_a_number_comes_of_nonsense(octets: bytes) -> None:
    assert number(octets) in set(map(int, Code))


def test_a_body_in_base64_and_a_type_by_its_number() -> None:
    plain = json.loads(QUERY)
    coded = plain | {
        "version": "2",
        "message_type": 1,
        "property_bag": {"body_encoding_type": 1},
        "body": base64.b64encode(plain["body"].encode()).decode(),
    }
    message = messages.read(json.dumps(coded).encode())
    assert message.body == messages.read(QUERY).body
    text = messages.written(message, Answer(body={"a": 1}), message_id="x", now=5.9, instance="eu")
    answer = json.loads(text)
    assert (answer["message_type"], answer["correlation_id"], answer["time"], answer["ttl"]) == (3, "m1", 5, -1)
    assert json.loads(base64.b64decode(answer["body"])) == {"a": 1}
    assert (answer["source_id"], answer["target_id"], answer["status"]) == ("eu", "d1", 1200)


@pytest.mark.parametrize(
    ("answer", "name", "body"),
    [
        (messages.pending(5, "soon"), "PROVISION_QUERY_ACK", {"response": 1, "error": 0, "reason": "soon"}),
        (Answer(code=Code.VIN, reason="no"), "PROVISION_QUERY_ACK", {"response": 0, "error": 13101, "reason": "no"}),
        (Answer(body={"x": 1}), "PROVISION_QUERY_RESPONSE", {"x": 1}),
    ],
)
def test_what_answers_a_query(answer: Answer, name: str, body: dict[str, object]) -> None:
    text = messages.written(messages.read(QUERY), answer, message_id="x", now=0, instance="eu")
    found = json.loads(text)
    assert (found["message_type"], json.loads(found["body"])) == (name, body)


@pytest.mark.parametrize(("time", "ttl", "late"), [(0, 5, False), (100, -1, False), (100, 5, False), (90, 5, True)])
def test_time_to_live(time: int, ttl: int, *, late: bool) -> None:
    message = messages.read(query("d1", "m1", ecu_type="UNIT", time=time, ttl=ttl))
    assert message.late(100.0) is late


def test_the_same_is_the_same_whatever_its_number_and_time() -> None:
    first, second = (
        messages.read(query("d1", number, ecu_type="UNIT", time=at)) for number, at in (("a", 1), ("b", 2))
    )
    assert first.digest == second.digest
    assert first.digest != messages.read(query("d1", "a", ecu_type="UNIT", country="DE")).digest


def test_numbers_have_a_status() -> None:
    assert {status_of(code) for code in Code} == {200, 400, 404, 409, 413, 429, 502}


def test_every_type_has_one_spelling() -> None:
    spelt = json.loads(envelope("d1", "PROVISION_QUERY", {}, number="1"))["message_type"]
    assert Type[spelt] == 1
    assert [int(kind) for kind in Type] == [1, 2, 3, 4, 5, 6, 51, 52, 53, 54, 55]
