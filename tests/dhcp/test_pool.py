"""One subnet's addresses: ranges, exclusions, counting, and the cost of the next one."""

import sys
from collections import Counter

from provd.dhcp.pool import Binding, Pool, circuit_of
from provd.dhcp.subnet import DhcpSettings, ReservedAddress
from provd.dhcp.table import LeaseTable
from tests.dhcp.playbook import ip, lan


def pool(*ranges: tuple[str, str], reserved: tuple[ReservedAddress, ...] = (), own: tuple[str, ...] = ()) -> Pool:
    subnet = lan(pools=tuple((ip(first), ip(last)) for first, last in ranges))
    return Pool(subnet, reserved, frozenset(map(ip, own)), 0.2)


def test_ranges_in_any_order():
    found = pool(("10.20.2.0", "10.20.2.1"), ("10.20.1.0", "10.20.1.0"))
    used: dict[int, Binding] = {}
    got = []
    while address := found.next_address(used):
        got.append(address)
        used[address] = Binding(address, found, b"x")
        found.admit(used[address])
    assert got == [ip("10.20.1.0"), ip("10.20.2.0"), ip("10.20.2.1")]
    assert (found.free, found.size) == (0, 3)


def test_no_pool_at_all():
    assert pool().next_address({}) == 0


def test_what_nobody_may_have_is_not_counted():
    entry = ReservedAddress(ip=ip("10.20.0.3"), mac="805ec0000001")
    found = pool(("10.20.0.0", "10.20.0.9"), reserved=(entry,), own=("10.20.0.1", "10.20.9.9"))
    assert found.size == 7
    assert found.next_address({}) == ip("10.20.0.2")
    assert found.allowed(ip("10.20.0.3"), b"", "805ec0000001")
    assert not found.allowed(ip("10.20.0.3"), b"", "805ec0000002")
    assert not found.allowed(ip("10.20.0.1"), b"", "805ec0000001")


def test_a_router_in_a_pool_keeps_its_address_unless_that_is_reserved_for_it():
    router, entry = ip("10.20.0.1"), ReservedAddress(ip=ip("10.20.0.1"), mac="805ec0000001")
    subnet = lan(pools=((router, ip("10.20.0.9")),), routers=(router,))
    found = Pool(subnet, (), frozenset(), 0.2)
    assert found.next_address({}) == ip("10.20.0.2")
    assert not found.allowed(router, b"", "805ec0000002")
    assert found.size == 8
    reserved = Pool(subnet, (entry,), frozenset(), 0.2)
    assert reserved.next_address({}) == ip("10.20.0.2")
    assert reserved.allowed(router, b"", "805ec0000001")
    assert not reserved.allowed(router, b"", "805ec0000002")


def test_the_relay_port_is_circuit_and_remote_id():
    assert circuit_of(b"\2\1b\1\1a\5\4\0\0\0\0") == b"\1\1a\2\1b"
    assert circuit_of(b"\x09\1x") == b""
    assert circuit_of(b"\1\x09") == b""


def test_the_forty_thousandth_address_costs_what_the_first_one_does():
    table = LeaseTable()
    wide = lan(pools=((ip("10.20.0.10"), ip("10.20.255.250")),))
    table.configure(DhcpSettings(subnets=(wide,)), (), frozenset(), 0.0)
    (only,) = table.pools

    def steps(first: int, count: int) -> int:
        """Calls of Python and C functions that so many new clients take."""
        counted = Counter[str]()
        sys.setprofile(lambda _frame, event, _argument: counted.update((event,)))
        try:
            for number in range(first, first + count):
                client = number.to_bytes(4, "big")
                address = table.choose(only, client, "805ec0000001", 0, known=True, now=0.0)
                table.hold(only, address, client, 0.0, 120.0)
        finally:
            sys.setprofile(None)
        return counted["call"] + counted["c_call"]

    early = steps(0, 200)
    for number in range(200, 40_000):
        client = number.to_bytes(4, "big")
        table.hold(only, table.choose(only, client, "805ec0000001", 0, known=True, now=0.0), client, 0.0, 120.0)
    assert steps(40_000, 200) <= early * 1.05
