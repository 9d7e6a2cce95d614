"""Counts wrong codes and closes to who dials too many; see :mod:`provd.domain.lockout` for the rule.

What is counted is in memory at once and on disk a moment later. The time in which the daemon did not run does not
count: at a start every lock has the rest that it had, whatever clock or calendar say meanwhile.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import NamedTuple

from provd.app.fleet import Fleet
from provd.app.ports import Delete, Put
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.codes import CodeGuessing, CodeLocked
from provd.domain import lockout
from provd.domain.lockout import Rules
from provd.domain.records import Device, Heartbeat, Lock

MOST_ADDRESSES = 10_000
"""Records of addresses that are kept; beyond them the longest untouched ones go."""
BEAT = 60.0
_AGAIN = 60.0
"""Seconds after which a closed lock is told of again."""


class Closed(NamedTuple):
    """Why nothing is looked at, and for how many seconds more."""

    lock: Lock
    wait: float


def source_of(peer: str) -> str:
    """What an address counts as: itself, or the /64 of IPv6, which one host has for itself."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer or "unknown"
    return str(address) if address.version == 4 else str(ipaddress.ip_network((address, 64), strict=False))


class Turnstile:
    """The counting. ``rules`` is asked each time, so that a reload applies at once."""

    def __init__(self, fleet: Fleet, clock: Clock, emit: FactSink, rules: Callable[[], Rules]) -> None:
        self._fleet = fleet
        self._locks = fleet.tables.locks
        self._lock = fleet.tables.lock
        self._clock = clock
        self._emit = emit
        self._rules = rules
        self._told: dict[str, float] = {}
        self._addresses = 0
        self._beaten = 0.0
        self._resume()

    def _resume(self) -> None:
        """Give every lock the rest that it had when the daemon last lived."""
        now = self._clock.now()
        beat = self._fleet.tables.heartbeat(Heartbeat().id)
        locks = list(self._locks.values())
        if locks:
            lived = max([beat.at if beat else 0.0, *(lock.last for lock in locks)])
            # In one transaction with the beat: moved twice they would not have the same rest.
            self._fleet.keep(*(Put(lockout.moved(lock, now - lived)) for lock in locks), Put(Heartbeat(at=now)))
        self._addresses = sum(lock.kind in {"source", "crowd"} for lock in locks)
        self.beat()

    def leapt(self, seconds: float) -> None:
        """The clock has gone forward by so much in which no time has passed: every lock keeps its rest."""
        locks = [Put(lockout.moved(lock, seconds)) for lock in self._locks.values()]
        if locks:
            self._fleet.keep(*locks, Put(Heartbeat(at=self._clock.now())))

    def beat(self) -> None:
        """Forget what says nothing any more, and note that the daemon lives. Called every few seconds."""
        now = self._clock.now()
        if now - self._beaten < BEAT:
            return
        self._beaten = now
        gone = [lock for lock in self._locks.values() if not lockout.remembered(lock, now, self._rules())]
        self._forget(gone)
        if self._locks or gone:
            self._fleet.keep(Put(Heartbeat(at=now)))

    def _forget(self, gone: list[Lock]) -> None:
        self._addresses -= sum(lock.kind in {"source", "crowd"} for lock in gone)
        if gone:
            self._fleet.keep(*(Delete(lock) for lock in gone))

    def closed(self, device: Device | None, peer: str) -> Closed | None:
        """Whether nothing is looked at for this device, or for this address when nobody knows the device."""
        now, source = self._clock.now(), source_of(peer)
        found = [Closed(lock, wait) for lock, wait in self._reasons(device, source, now) if lock and wait > 0]
        return max(found, key=lambda each: each.wait, default=None)

    def _reasons(self, device: Device | None, source: str, now: float) -> list[tuple[Lock | None, float]]:
        site = self._lock("site")
        if device is None:
            lock = self._lock(f"source:{source}")
            return [(lock, lockout.waits(lock, now)), (site, lockout.waits(site, now))]
        own, crowd = self._lock(f"device:{device.mac}"), self._lock(f"crowd:{source}")
        clean = not lockout.remembered(own, now, self._rules())
        shut = [(lock, lockout.shut_for(lock, now, clean=clean, since=device.first_seen)) for lock in (crowd, site)]
        return [(own, lockout.waits(own, now)), *shut]

    def tell_closed(self, closed: Closed, device: Device | None, via: str, peer: str) -> None:
        """Say that somebody dials all the same, once a minute for each lock."""
        now = self._clock.now()
        if now - self._told.get(closed.lock.id, -_AGAIN) < _AGAIN:
            return
        if len(self._told) >= MOST_ADDRESSES:
            self._told.clear()
        self._told[closed.lock.id] = now
        mac = None if device is None else device.mac
        self._emit(CodeLocked(at=now, mac=mac, lock=closed.lock.id, wait=round(closed.wait), via=via, peer=peer))

    def missed(self, device: Device | None, peer: str) -> Lock:
        """Count a wrong code, or any dial of which nobody knows the device; gives the record of who is to wait."""
        now, rules, source = self._clock.now(), self._rules(), source_of(peer)
        if device is None:
            lock = lockout.source_missed(self._lock(f"source:{source}"), source, now, rules)
            self._keep(lock, alarm=lock.wrong == rules.source_tries)
        else:
            own = self._lock(f"device:{device.mac}")
            lock = lockout.device_missed(own, device.mac, device.tenant, now, rules)
            self._keep(lock)
            if lockout.just_locked(lock, rules):
                crowd = lockout.crowd_locked(self._lock(f"crowd:{source}"), source, now, rules)
                self._keep(crowd, alarm=crowd.wrong == rules.crowd)
        site = lockout.site_missed(self._lock("site"), now, rules)
        self._keep(site, alarm=site.wrong == rules.site_tries, peer=peer)
        return lock

    def passed(self, device: Device) -> None:
        """The device has redeemed a code: its mistakes are forgotten."""
        lock = self._lock(f"device:{device.mac}")
        if lock is not None:
            self._fleet.keep(Delete(lock))

    def _keep(self, lock: Lock, *, alarm: bool = False, peer: str = "") -> None:
        if lock.kind in {"source", "crowd"} and self._lock(lock.id) is None:
            self._addresses += 1
            if self._addresses > MOST_ADDRESSES:
                self._make_room()
        self._fleet.keep(Put(lock))
        if alarm:
            now = self._clock.now()
            wait = round(lockout.waits(lock, now))
            self._emit(CodeGuessing(at=now, lock=lock.id, wrong=lock.wrong, wait=wait, peer=lock.subject or peer))

    def _make_room(self) -> None:
        addresses = [lock for lock in self._locks.values() if lock.kind in {"source", "crowd"}]
        self._forget(sorted(addresses, key=lambda lock: lock.last)[: MOST_ADDRESSES // 10])
