"""The quick constructor makes the very same objects."""

import pickle
from dataclasses import FrozenInstanceError, fields, replace

import pytest

from provd.base.dataclass import dataclass
from provd.base.drafts import altering, drafted
from provd.base.facts import CATALOGUE, Fact, text_of
from provd.base.facts.dhcp import DhcpAck, DhcpOffer
from provd.dhcp.lease import Lease, LeaseState, active_lease

ACK = {
    "at": 1.5,
    "mac": "805ec0000001",
    "boot": "b1",
    "ip": "10.0.0.9",
    "subnet": "lan",
    "seconds": 60,
    "state": "renewing",
    "interface": "eth1",
    "relay": "",
}
LEASE = {
    "ip": 7,
    "client": b"\1x",
    "mac": "805ec0000001",
    "state": LeaseState.ACTIVE,
    "starts": 1,
    "expires": 2,
    "subnet": "lan",
    "hostname": "h",
    "vendor_class": "v",
    "agent": b"",
}


@pytest.mark.parametrize(("kind", "quick", "values"), [(DhcpAck, drafted(DhcpAck), ACK), (Lease, active_lease, LEASE)])
def test_the_same_object(kind, quick, values):
    assert [field.name for field in fields(kind)] == list(values)
    made, expected = quick(*values.values()), kind(**values)
    assert type(made) is kind
    assert (made, hash(made), repr(made)) == (expected, hash(expected), repr(expected))
    assert replace(made) == expected
    assert pickle.loads(pickle.dumps(made)) == expected


@dataclass(frozen=True, slots=True)
class Named:
    """Fields whose names a generated constructor might use itself."""

    kind: str
    scope: str
    names: str
    fields: str


def test_a_field_may_have_any_name():
    assert drafted(Named)("a", "b", "c", "d") == Named("a", "b", "c", "d")


def test_frozen_as_ever():
    made = active_lease(*LEASE.values())
    with pytest.raises(FrozenInstanceError):
        made.ip = 8
    assert not hasattr(made, "__dict__")


def test_every_field_is_owed():
    with pytest.raises(TypeError):
        drafted(DhcpOffer)(1.0)


def test_a_twin_is_no_fact_of_its_own():
    before = dict(CATALOGUE)
    made = drafted(DhcpAck)(*ACK.values())
    assert before == CATALOGUE
    assert isinstance(made, Fact)
    assert text_of(made).startswith("DHCP-ACK mac=80:5e:c0:00:00:01 boot=b1")


def test_altered_is_replaced():
    lease = active_lease(*LEASE.values())
    alter = altering(Lease)
    assert alter(lease, ip=8, hostname="") == replace(lease, ip=8, hostname="")
    assert alter(lease) == lease
    assert type(alter(lease)) is Lease
    with pytest.raises(KeyError):
        alter(lease, name="")
