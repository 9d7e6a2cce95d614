"""Runs one phone: takes its steps and has a transport perform them."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Literal, Protocol, cast, get_args

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
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
    Notified,
    Phone,
    Report,
    Result,
    Settled,
    Step,
    Upgraded,
    Wait,
)

TEMPORARY_PREFIX = "ap"
"""The account of a phone that nobody has claimed is called by this and its MAC; further ports of a gateway have ``-2``
and so on behind it."""
_READS = 2.0
"""Seconds that a person needs to read the display and type a code."""
_TRIES = 3
_CURSES = 2.5
"""Seconds after a wrong code, in real time: no server hears another one at once."""

Kind = Literal[
    "start", "address", "no-address", "file", "missing", "failed", "wait", "report", "complaint", "settled",
    "registered", "unregistered", "dialed", "heard", "notified", "firmware",
]  # fmt: skip


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

    def telephone(
        self,
        phone: Phone,
        ip: str,
        accounts: Sequence[Account],
        tell: Callable[[str, str], None],
        obeyed: Callable[[str], None],
    ) -> Line | None:
        """Register these accounts and keep them so; None where SIP is not played."""
        ...


class Line(Protocol):
    """The registered accounts of a phone."""

    async def registered(self) -> None:
        """Wait until the first account is registered."""
        ...

    async def call(self, user: str) -> Heard:
        """Call from the first account, and listen to the end."""
        ...

    def close(self) -> None:
        """Hang up and take the registrations back."""
        ...


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a call: the final status of its INVITE, and what was played (``prompt`` is empty when it was
    nothing that is known)."""

    status: int
    reason: str
    packets: int = 0
    prompt: str = ""

    @property
    def good(self) -> bool:
        """Whether the person believes that it worked: the call was taken and nothing else was said."""
        return self.status == 200 and self.prompt in {"accepted", "reset", ""}

    def __str__(self) -> str:
        played = f", {self.packets} packets of audio" if self.packets else ""
        said = f"{self.status} {self.reason}{played}"
        return f"{self.prompt} ({said})" if self.prompt else said


def is_temporary(mac: Mac, account: Account) -> bool:
    """Whether that is the account of a phone that nobody has claimed."""
    return account.username.partition("-")[0] == TEMPORARY_PREFIX + mac


async def live(
    phone: Phone,
    transport: Transport,
    clock: Clock,
    tell: Callable[[PhoneEvent], None],
    *,
    codes: Iterable[str] = (),
) -> None:
    """Switch the phone on and let it live until the task is cancelled: that pulls the plug.

    ``codes`` are what its user dials while it has its temporary account, one after another until one is accepted.
    """
    life = _Life(phone, transport, clock, tell, deque(codes))
    try:
        await life.run()
    finally:
        life.end()


class _Life:
    """One power cycle of a phone, and the person in front of it."""

    def __init__(
        self,
        phone: Phone,
        transport: Transport,
        clock: Clock,
        tell: Callable[[PhoneEvent], None],
        codes: deque[str],
    ) -> None:
        self._phone = phone
        self._transport = transport
        self._clock = clock
        self._tell = tell
        self._codes = codes
        self._ip = ""
        self._line: Line | None = None
        self._accounts: tuple[Account, ...] = ()
        self._person: asyncio.Task[None] | None = None
        self._orders: deque[str] = deque()
        self._woken = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._script = phone.run()

    async def run(self) -> None:
        """Carry out step after step."""
        self._event("start")
        result: Result = None
        while True:
            try:
                step = self._script.send(result)
            except StopIteration:
                await asyncio.Event().wait()
            result = await self._perform(step)

    def end(self) -> None:
        """The plug is pulled."""
        self._hang_up()
        self._script.close()

    async def _perform(self, step: Step) -> Result:
        result: Result = None
        match step:
            case Dhcp():
                self._hang_up()  # the phone starts
                result = await self._transport.dhcp(self._phone.mac, step)
                self._ip = result.ip if isinstance(result, LeaseGot) else ""
                self._event(*(("address", self._ip) if self._ip else ("no-address", _reason(result))))
            case Fetch():
                result = await self._transport.fetch(self._ip, step)
                self._event(*_outcome(step, result))
            case Wait():
                pause = "for ever" if math.isinf(step.seconds) else f"{step.seconds:.0f} s"
                self._event("wait", f"{pause}: {step.why}")
                result = await self._rest(step)
            case Report():
                self._event("report", step.text)
            case Complaint():
                self._event("complaint", step.text)
            case Upgraded():
                self._event("firmware", step.version)
            case Settled():
                self._event("settled", ", ".join(account.username for account in step.accounts), step.accounts)
                self._settled(step.accounts)
        return result

    def _event(self, kind: Kind, text: str = "", accounts: tuple[Account, ...] = ()) -> None:
        self._tell(PhoneEvent(self._clock.now(), self._phone.mac, kind, text, accounts))

    # --- telephony

    async def _rest(self, step: Wait) -> Notified | None:
        """Wait; where a NOTIFY wakes the phone, for no longer than until one comes. Nothing is done during a call."""
        if not step.wakes:
            await self._transport.wait(step.seconds)
            return None
        woken = await self._woken_within(step.seconds)
        await self._idle.wait()
        return woken

    async def _woken_within(self, seconds: float) -> Notified | None:
        waiting = asyncio.ensure_future(self._transport.wait(seconds))
        woken = asyncio.ensure_future(self._woken.wait())
        try:
            await asyncio.wait((waiting, woken), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            woken.cancel()
        if not self._orders:
            return None
        event = self._orders.popleft()
        self._orders.clear()
        self._woken.clear()
        return Notified(event)

    def _settled(self, accounts: tuple[Account, ...]) -> None:
        """Other accounts are registered in place of those before."""
        if accounts == self._accounts:
            return
        self._hang_up()
        self._accounts = accounts
        if not accounts:
            return
        self._line = self._transport.telephone(self._phone, self._ip, accounts, self._told, self._obey)
        if self._line is not None and self._codes and is_temporary(self._phone.mac, accounts[0]):
            self._person = asyncio.ensure_future(self._dial(self._line))

    def _told(self, kind: str, text: str) -> None:
        if kind in get_args(Kind):
            self._event(cast(Kind, kind), text)

    def _obey(self, event: str) -> None:
        self._orders.append(event)
        self._woken.set()

    def _hang_up(self) -> None:
        if self._person is not None:
            self._person.cancel()
        if self._line is not None:
            self._line.close()
        self._line, self._person, self._accounts = None, None, ()

    async def _dial(self, line: Line) -> None:
        """What the person does: read the display, dial, listen, try the next code."""
        await line.registered()
        while self._codes:
            await self._transport.wait(_READS)
            digits = self._codes.popleft()
            dialed = self._phone.dial(digits)
            self._event("dialed", digits if dialed.user else f"{digits}: no call is made ({dialed.why})")
            if not dialed.user:
                continue
            for _ in range(_TRIES):
                heard = await self._call(line, dialed.user)
                if heard.good:
                    self._codes.clear()
                    return
                await asyncio.sleep(_CURSES)
                if heard.status == 200:
                    break  # it was heard, and is no code; a call that was refused is tried again

    async def _call(self, line: Line, user: str) -> Heard:
        self._idle.clear()
        try:
            heard = await line.call(user)
        finally:
            self._idle.set()
        self._event("heard", str(heard))
        return heard


def _reason(result: Result) -> str:
    return result.reason if isinstance(result, Failed) else ""


def _outcome(step: Fetch, result: Fetched | NotFound | Failed) -> tuple[Kind, str]:
    if isinstance(result, Fetched):
        return "file", f"{step.url} {len(result.body)} octets"
    if isinstance(result, NotFound):
        return "missing", step.url
    return "failed", f"{step.url} {result.reason}"
