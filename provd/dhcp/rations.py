"""How much one client or one relay port may take of a pool."""

from __future__ import annotations

from typing import Final

from provd.base.types import Mac
from provd.dhcp.exchange import Exchange
from provd.dhcp.pool import Binding, circuit_of
from provd.dhcp.states import State
from provd.dhcp.table import LeaseTable

MOST_DECLINES: Final = 5
"""Addresses in quarantine on one client's word; beyond that it gets none of a pool that is half empty.

A client that finds every address in use (a router that answers ARP for all of them is enough) declines one every ten
seconds: within minutes it would have a whole pool in quarantine.
"""
MOST_ANSWERS: Final = 32
"""Addresses in quarantine because one host has answered to their probes, in a pool however large. As many as one client
may decline are enough in a pool that is half empty: what answers ARP for everybody would take all of it."""


def port_is_full(x: Exchange, binding: Binding | None) -> str:
    """Why a client gets no address for want of room on its relay port, or "". ``binding`` is what it has, or had: only
    what it has now, and behind this port, is counted there already."""
    pool, pattern = x.pool, x.pattern
    if not (pool.subnet.circuit_limit and pattern.giaddr):
        return ""
    port = circuit_of(pattern.agent)
    if not port or (binding is not None and binding.circuit == port and binding.busy(x.now)):
        return ""
    return "this relay port has as many addresses as it may" if pool.circuit_full(port, x.now) else ""


def declines_too_much(x: Exchange, binding: Binding | None, table: LeaseTable) -> str:
    """Why a client gets no address because it has declined so many, or ""."""
    pool = x.pool
    if 2 * pool.free > pool.size or (binding is not None and binding.busy(x.now)):
        return ""
    count = table.declines(x.mac, x.now)
    return f"it has declined {count} addresses" if count >= MOST_DECLINES else ""


def answers_for_all(x: Exchange, holder: Mac, table: LeaseTable) -> bool:
    """Whether this host answers for so many addresses that it can hardly use them: its answers say nothing then."""
    count = table.answers(holder, x.now)
    return count >= MOST_ANSWERS or (count >= MOST_DECLINES and 2 * x.pool.free <= x.pool.size)


def count_for_port(x: Exchange, binding: Binding) -> bytes:
    """Count the address for the relay port (RFC 3046 section 5). Gives option 82 for the lease.

    A client renews past its relay (RFC 2131 section 4.4.5), and stays behind it.
    """
    agent, lease = x.pattern.agent, binding.lease
    if lease is not None and lease.agent and x.pattern.state is State.RENEWING and lease.client == x.client:
        agent = lease.agent
    if x.pool.subnet.circuit_limit:
        x.pool.count(binding, circuit_of(agent))
    return agent
