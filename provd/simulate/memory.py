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
    now: float = 0.0
    story: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def boot(self, phone: Phone, *, until: float | None = None, most_steps: int = 1000) -> None:
        """Switch the phone on and run it to its first long rest, or until ``until`` seconds have passed on its clock.

        A rest is a wait after "settled"; with ``until`` the phone goes on through its polls.
        """
        script = phone.run()
        end = self.now + (until or 0.0)
        settled = False
        result: Result = None
        for _ in range(most_steps):
            try:
                step = script.send(result)
            except StopIteration:
                break
            if isinstance(step, Wait):
                if (settled and until is None) or math.isinf(step.seconds) or (until and self.now + step.seconds > end):
                    self.story.append(f"rests: {step.why}")
                    break
                self.now += step.seconds
            settled = isinstance(step, Settled)
            result = self._perform(phone.mac, step)
        else:
            raise UsageError(f"the phone did not come to rest within {most_steps} steps")
        script.close()

    def asked(self) -> list[str]:
        """What was asked for, in order: ``GET url`` and its outcome."""
        return [line for line in self.story if line.startswith("GET ")]

    def _perform(self, mac: Mac, step: Step) -> Result:
        result: Result = None
        match step:
            case Dhcp():
                result = self.lease(mac, step) if self.lease else LeaseGot(self.ip, self.options, self.server)
                self.story.append(f"DHCP {step.option60}")
            case Fetch():
                result = self._fetch(mac, step)
                outcome = {Fetched: "200", NotFound: "404", Failed: "failed"}[type(result)]
                self.story.append(f"GET {step.url} {outcome}")
            case Wait():
                self.story.append(f"waits {step.seconds:.0f}: {step.why}")
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
            return self.serve(mac, self.ip, step)
        held = self.files.get(step.url)
        if held is None:
            return NotFound()
        return Fetched(held) if isinstance(held, bytes) else held
