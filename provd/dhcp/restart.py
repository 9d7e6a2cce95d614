"""Leases as they are to be read after a start with a clock that has been wrong in between."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from provd.dhcp.lease import INFINITE, Lease, LeaseState

_ODD = 86400
"""A lease that begins later than this from now was written by a clock that was ahead."""


def as_of(leases: Iterable[Lease], now: float, leap: tuple[float, float] | None = None) -> Iterator[Lease]:
    """The leases with ends that can be meant.

    ``leap`` is (start, end) of a time that may never have passed: who had a lease then keeps the rest of it (also one
    written after its start, which is a minute old at worst). A lease
    from the future has its whole time from now on, and not the years until then. What is on disk stays as it is.
    """
    moment = int(now)
    for lease in leases:
        if lease.expires == INFINITE or lease.state is LeaseState.RELEASED:
            yield lease
        elif lease.starts > moment + _ODD:
            yield replace(lease, starts=moment, expires=moment + max(0, lease.expires - lease.starts))
        elif leap is not None and lease.starts < leap[1] and lease.expires > leap[0]:
            yield replace(lease, expires=min(lease.expires + int(leap[1] - leap[0]), INFINITE - 1))
        else:
            yield lease
