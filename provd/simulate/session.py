"""Runs one phone: takes its steps and has a transport perform them."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from provd.base.clock import Clock
from provd.base.types import Mac
from provd.plugin.phone import (
    Account,
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
    Wait,
)

Kind = Literal["start", "address", "no-address", "file", "missing", "failed", "wait", "report", "complaint", "settled"]


@dataclass(frozen=True, slots=True)
class PhoneEvent:
    """Something that happened to a simulated phone. ``at`` is the clock's time; ``accounts`` comes with "settled"."""

    at: float
    mac: Mac
    kind: Kind
    text: str = ""
    accounts: tuple[Account, ...] = ()


class Transport(Protocol):
    """What a phone reaches the world through."""

    async def dhcp(self, mac: Mac, step: Dhcp) -> LeaseGot | Failed:
        """Get or renew the phone's address."""
        ...

    async def fetch(self, ip: str, step: Fetch) -> Fetched | NotFound | Failed:
        """Get a file from the phone's own address (empty: any)."""
        ...

    async def wait(self, seconds: float) -> None:
        """Let time pass for the phone; for ever when ``seconds`` is infinite."""
        ...


async def live(phone: Phone, transport: Transport, clock: Clock, tell: Callable[[PhoneEvent], None]) -> None:
    """Switch the phone on and let it live until the task is cancelled: that pulls the plug."""
    script = phone.run()
    ip = ""

    def event(kind: Kind, text: str = "", accounts: tuple[Account, ...] = ()) -> None:
        tell(PhoneEvent(clock.now(), phone.mac, kind, text, accounts))

    event("start")
    result: Result = None
    try:
        while True:
            step = script.send(result)
            result = None
            match step:
                case Dhcp():
                    result = await transport.dhcp(phone.mac, step)
                    ip = result.ip if isinstance(result, LeaseGot) else ""
                    event("address", ip) if ip else event("no-address", _reason(result))
                case Fetch():
                    result = await transport.fetch(ip, step)
                    event(*_outcome(step, result))
                case Wait():
                    event("wait", f"{'for ever' if math.isinf(step.seconds) else f'{step.seconds:.0f} s'}: {step.why}")
                    await transport.wait(step.seconds)
                case Report():
                    event("report", step.text)
                case Complaint():
                    event("complaint", step.text)
                case Settled():
                    event("settled", ", ".join(account.username for account in step.accounts), step.accounts)
    except StopIteration:
        await asyncio.Event().wait()
    finally:
        script.close()


def _reason(result: Result) -> str:
    return result.reason if isinstance(result, Failed) else ""


def _outcome(step: Fetch, result: Fetched | NotFound | Failed) -> tuple[Kind, str]:
    if isinstance(result, Fetched):
        return "file", f"{step.url} {len(result.body)} octets"
    if isinstance(result, NotFound):
        return "missing", step.url
    return "failed", f"{step.url} {result.reason}"
