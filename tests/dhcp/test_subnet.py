"""Subnets that contradict themselves are refused with words."""

import pytest

from provd.base.errors import ConfigError
from provd.dhcp.subnet import prefix_mask
from tests.dhcp.playbook import ip, lan


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"network": ip("10.20.0.1")}, "is not a network"),
        ({"prefixlen": 33}, "is not a network"),
        ({"pools": ((ip("10.20.0.9"), ip("10.20.0.1")),)}, "is not a range"),
        ({"pools": ((ip("10.20.0.9"), ip("10.21.0.1")),)}, "is not a range"),
        ({"pools": ((ip("10.20.0.1"), ip("10.20.0.9")), (ip("10.20.0.9"), ip("10.20.0.12")))}, "overlap"),
        ({"lease": 0}, "a lease of 0 seconds"),
        ({"lease": 1 << 32}, "a lease of"),
        ({"t1": 100}, "t1 < t2 < lease"),
        ({"t1": 100, "t2": 3600}, "t1 < t2 < lease"),
        ({"options": {43: b"x"}}, "option 43"),
        ({"options": {54: b"x"}}, "option 54"),
        ({"options": {3: b"x"}}, "option 3"),
    ],
)
def test_contradictions(changes, words):
    with pytest.raises(ConfigError, match=words):
        lan(**changes)


def test_masks():
    assert [prefix_mask(n) for n in (0, 8, 31, 32)] == [0, 0xFF000000, 0xFFFFFFFE, 0xFFFFFFFF]


def test_a_host_route_and_a_point_to_point_link_have_no_broadcast_to_spare():
    from provd.dhcp.pool import Pool

    link = lan(network=ip("10.20.0.0"), prefixlen=31, routers=(), pools=((ip("10.20.0.0"), ip("10.20.0.1")),))
    assert 28 not in link.encoded_options(), "the last address is a host's"
    assert 28 in lan().encoded_options()
    assert Pool(link, (), frozenset(), 0.0).size == 2
