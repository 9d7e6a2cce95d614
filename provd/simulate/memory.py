"""A world without sockets: what phones ask is answered by plain calls, and waiting costs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provd.base.errors import UsageError
from provd.base.types import Mac
from provd.plugin.phone import (
    Complaint,
    Dhcp,
    Failed,
    Fetch,
    Fetched,
    LeaseGot,
    NotFound,
    Phone,
    Report,
    Result,
    Settled,
    Step,
    Wait,
)

Answer = Fetched | NotFound | Failed


@dataclass
class MemoryWorld:
    """Leases and files held in memory, with the story of what was asked.

    ``serve`` may be given instead of ``files`` (by URL) to put real code behind the phones.
    """

    ip: str = "10.20.16.5"
    server: str = "10.20.0.1"
    options: Mapping[int, bytes] = field(default_factory=dict)
    files: dict[str, bytes | Answer] = field(default_factory=dict)
    serve: Callable[[Mac, str, Fetch], Answer] | None = None
    lease: Callable[[Mac, Dhcp], LeaseGot | Failed] | None = None
    ips: dict[Mac, str] = field(default_factory=dict)
    """The address that each phone was given last."""
    now: float = 0.0
    story: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def boot(self, phone: Phone, *, until: float | None = None, most_steps: int = 1000) -> None:
        """Switch the phone on, let it live as :meth:`PluggedIn.live` does, and switch it off."""
        plugged = self.plug_in(phone)
        plugged.live(until, most_steps=most_steps)
        plugged.pull()

    def plug_in(self, phone: Phone) -> PluggedIn:
        """Switch the phone on. Nothing happens before somebody lets it live."""
        return PluggedIn(self, phone)

    def asked(self) -> list[str]:
        """What was asked for, in order: ``GET url`` and its outcome."""
        return [line for line in self.story if line.startswith("GET ")]

    def perform(self, mac: Mac, step: Step) -> Result:
        """Carry out a step that is no waiting, and tell it."""
        result: Result = None
        match step:
            case Dhcp():
                result = self.lease(mac, step) if self.lease else LeaseGot(self.ip, self.options, self.server)
                if isinstance(result, LeaseGot):
                    self.ips[mac] = result.ip
                self.story.append(f"DHCP {step.option60}")
            case Fetch():
                result = self._fetch(mac, step)
                outcome = {Fetched: "200", NotFound: "404", Failed: "failed"}[type(result)]
                self.story.append(f"GET {step.url} {outcome}")
            case Report():
                self.story.append(step.text)
            case Complaint():
                self.story.append(f"complains: {step.text}")
                self.complaints.append(step.text)
            case Settled():
                self.story.append(f"accounts: {' '.join(account.username for account in step.accounts) or 'none'}")
        return result

    def _fetch(self, mac: Mac, step: Fetch) -> Answer:
        if self.serve is not None:
            return self.serve(mac, self.ips.get(mac, self.ip), step)
        held = self.files.get(step.url)
        if held is None:
            return NotFound()
        return Fetched(held) if isinstance(held, bytes) else held


class PluggedIn:
    """A phone that is switched on, and its place in its own script."""

    def __init__(self, world: MemoryWorld, phone: Phone) -> None:
        self.phone = phone
        self._world = world
        self._script = phone.run()
        self._result: Result = None
        self._wait: Wait | None = None
        self._due = 0.0

    def live(self, seconds: float | None = None, *, most_steps: int = 1000) -> None:
        """Let the phone live for so many seconds of the world's clock, or to its next long rest.

        A rest is a wait after "settled". What is left of a wait is kept for the next call. Raises UsageError when the
        phone does not come to rest.
        """
        world = self._world
        end = math.inf if seconds is None else world.now + seconds
        settled = False
        if not self._waited(end, rest=False):
            return
        for _ in range(most_steps):
            try:
                step = self._script.send(self._result)
            except StopIteration:
                return
            self._result = None
            if isinstance(step, Wait):
                self._wait, self._due = step, world.now + step.seconds
                if not self._waited(end, rest=settled and seconds is None):
                    return
                world.story.append(f"waits {step.seconds:.0f}: {step.why}")
                continue
            settled = isinstance(step, Settled)
            self._result = world.perform(self.phone.mac, step)
        raise UsageError(f"the phone did not come to rest within {most_steps} steps")

    def _waited(self, end: float, *, rest: bool) -> bool:
        """Let the present wait pass; False when it is a rest or outlasts ``end``."""
        world = self._world
        if self._wait is None:
            return True
        if rest or math.isinf(self._due) or self._due > end:
            world.story.append(f"rests: {self._wait.why}")
            world.now = max(world.now, end) if math.isfinite(end) else world.now
            return False
        world.now = max(world.now, self._due)
        self._wait = None
        return True

    def pull(self) -> None:
        """Pull the plug: what the phone has stored stays."""
        self._script.close()
