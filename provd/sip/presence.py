"""Watches over registrations: when they expire, how their way through a NAT stays open, and what is told of them."""

from __future__ import annotations

from functools import partial

from provd.base.facts.sip import AutoprovRegistered, RegistrationEnded
from provd.sip.effects import Account, Emit, Flow, Registered
from provd.sip.registrar import Binding, Change, Registrar, Registration
from provd.sip.stream import PING
from provd.sip.timers import Timer
from provd.sip.wire import Wire


class Presence:
    """``keepalive`` is seconds between two keep-alives to phones behind a NAT over UDP; 0 for none."""

    def __init__(self, wire: Wire, registrar: Registrar, keepalive: float) -> None:
        self.keepalive = keepalive
        self._wire = wire
        self._registrar = registrar
        self._timers: dict[str, list[Timer]] = {}
        self._through: dict[int, set[str]] = {}
        """Who has registered through each connection that is open; some have come by another way since."""

    def changed(self, done: Registration, now: float) -> None:
        """A REGISTER has been carried out."""
        before, after = done.before, done.after
        if done.change is Change.REMOVED and before is not None:
            self._unwatch(before)
            self._tell_ended(before, "removed", now)
        if after is None or done.change is Change.NONE:
            return
        if done.change is not Change.REFRESHED or (before is not None and before.user_agent != after.user_agent):
            # With another firmware it comes back from where it was.
            self._tell_registered(after, now)
        self._watch(after, now)
        self._wire.put(Registered(after.account, after.flow, after.expires))

    def leapt(self, seconds: float, now: float) -> None:
        """The clock was set forward by so much in which no time has passed: every registration keeps its rest."""
        for binding in self._registrar.all():
            self._watch(self._registrar.prolong(binding, seconds), now)

    def disconnected(self, connection: int, now: float) -> None:
        """Nobody can be reached through that connection any more."""
        for username in sorted(self._through.pop(connection, ())):
            binding = self._registrar.find(username, now)
            if binding is not None and binding.flow.connection == connection:
                self.ended(binding, "disconnected", now)

    def ended(self, binding: Binding, why: str, now: float) -> None:
        """The binding is over, unless another one has taken its place."""
        if self._registrar.drop(binding):
            self._unwatch(binding)
            self._tell_ended(binding, why, now)

    def lost(self, account: Account, flow: Flow, why: str, now: float) -> None:
        """Nobody with that account is at the end of that flow any more; a phone that is registers again."""
        binding = self._registrar.find(account.username, now)
        if binding is not None and binding.flow == flow:
            self.ended(binding, why, now)

    def _keep_alive(self, binding: Binding, now: float) -> None:
        """Two line ends, which every parser skips (RFC 3261 section 7.5), open the way through the NAT again."""
        if not self.keepalive or self._registrar.find(binding.account.username, now) is not binding:
            return

        def again(then: float) -> None:
            self._wire.send(binding.flow, PING)
            self._keep_alive(binding, then)

        timers = self._timers[binding.account.username]
        del timers[1:]
        timers.append(self._wire.timers.at(now + self.keepalive, again))

    def _watch(self, binding: Binding, now: float) -> None:
        self._unwatch(binding)
        username = binding.account.username
        if binding.flow.connection:
            self._through.setdefault(binding.flow.connection, set()).add(username)
        self._timers[username] = [self._wire.timers.at(binding.expires, partial(self.ended, binding, "expired"))]
        if binding.natted:
            self._keep_alive(binding, now)

    def _unwatch(self, binding: Binding) -> None:
        for timer in self._timers.pop(binding.account.username, ()):
            timer.cancel()

    def _tell_registered(self, binding: Binding, now: float) -> None:
        account, flow = binding.account, binding.flow
        fact = AutoprovRegistered(
            at=now,
            mac=account.mac,
            account=account.username,
            peer=f"{flow.host}:{flow.port}",
            contact=flow.contact,
            seconds=round(binding.expires - now),
            transport=flow.transport,
            nat=binding.natted,
            user_agent=binding.user_agent,
        )
        self._wire.put(Emit(fact))

    def _tell_ended(self, binding: Binding, why: str, now: float) -> None:
        account, flow = binding.account, binding.flow
        peer = f"{flow.host}:{flow.port}"
        self._wire.put(
            Emit(RegistrationEnded(at=now, mac=account.mac, account=account.username, peer=peer, reason=why))
        )
