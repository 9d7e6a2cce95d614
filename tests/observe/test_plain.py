import json

from provd.base.dataclass import dataclass
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.observe.plain import data_of, json_of, utc_text
from tests.observe.kit import T0, recovered, served


@dataclass(frozen=True, slots=True, kw_only=True)
class Odd(Fact):
    names: tuple[str, ...]
    secret: Secret
    table: dict


def test_a_fact_is_one_json_line():
    assert json.loads(json_of(served(at=T0 + 0.5))) == {
        "time": "2027-01-15T08:00:00.500Z",
        "level": "info",
        "fact": "FILE-SERVED",
        "mac": "805ec0112233",
        "boot": "b1",
        "name": "a.cfg",
        "via": "http",
        "peer": "10.0.0.9",
        "size": 100,
        "kind": "",
        "plugin": "",
        "etag": "",
        "unchanged": False,
    }
    assert set(json.loads(json_of(recovered()))) == {"time", "level", "fact", "part"}


def test_secrets_and_odd_values_are_made_harmless():
    fact = Odd(at=1.0, names=("a", "b"), secret=Secret("hunter2"), table={1: Secret("x")})
    assert data_of(fact) == {"names": ["a", "b"], "secret": "***", "table": {"1": "***"}}
    assert "\n" not in json_of(Odd(at=1.0, names=("a\nb\x1b",), secret=Secret(""), table={}))


def test_times_are_utc_with_milliseconds():
    assert utc_text(0.0) == "1970-01-01T00:00:00.000Z"
