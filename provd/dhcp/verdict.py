"""What a REQUEST deserves in each of the four client states (RFC 2131 section 4.3.2)."""

from __future__ import annotations

import enum

from provd.dhcp.exchange import Exchange
from provd.dhcp.pool import Binding
from provd.dhcp.states import State
from provd.dhcp.table import LeaseTable


class Verdict(enum.Enum):
    """What to do with a REQUEST."""

    ACK = enum.auto()
    NAK = enum.auto()
    SILENCE = enum.auto()


def judge(x: Exchange, state: State, table: LeaseTable, *, authoritative: bool) -> tuple[Verdict, Binding | None, str]:
    """Verdict, the binding to be acknowledged, and the reason for anything but an ACK.

    For SELECTING the caller has made sure that option 54 names us.
    """
    pool = x.pool
    address = x.ciaddr or x.requested
    if address & pool.mask != pool.network:
        return Verdict.NAK, None, "address is not of this network"
    binding = table.by_ip.get(address)
    if binding is None or binding.client != x.client:
        return _not_its_own(x, state, authoritative=authoritative)
    entry = pool.reservation(x.client, x.mac) if pool.reserved else None
    if entry is not None and entry.ip != address and table.free_for(entry.ip, x.client, x.now):
        return Verdict.NAK, None, "another address is reserved for this client"
    if not table.keeps(pool, binding, x.client, x.mac, x.now):
        return Verdict.NAK, None, "address is not in use here any more"
    return Verdict.ACK, binding, ""


def _not_its_own(x: Exchange, state: State, *, authoritative: bool) -> tuple[Verdict, None, str]:
    """The address is of this network but is not bound to this client."""
    if state is State.SELECTING:
        return Verdict.NAK, None, "address was not offered to this client"
    held = x.pool.by_client.get(x.client)
    # An offer or an old lease is no record: the client may since live well with another server's address.
    if (held is not None and held.active(x.now)) or x.pool.reservation(x.client, x.mac) is not None:
        return Verdict.NAK, None, "this client has another address"
    if authoritative:
        return Verdict.NAK, None, "no lease of this client"
    return Verdict.SILENCE, None, "no record of this client, and not authoritative"
