"""NOTIFYs outside of dialogs that make a device fetch its files again (``Event: check-sync`` and its relatives).

No RFC defines them; devices take them as RFC 3265 had it: without a subscription, ``Subscription-State: terminated``.
They go by the flow of the registration and by nothing else, so that they arrive through any NAT and that credentials,
where the device asks for them, are never sent to any other address than the registered one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from provd.base.dataclass import dataclass
from provd.sip.build import Field
from provd.sip.complaints import SipStats
from provd.sip.digest import authorize
from provd.sip.effects import Account, Flow, Report, Told
from provd.sip.message import Response, shown
from provd.sip.wire import Wire, our_uri

_CHALLENGES: Final = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}


_GONE: Final = frozenset({404, 410})
"""What a phone says that has another account by now."""

Lost = Callable[[Account, Flow, str, float], None]
"""Hears that a flow leads nowhere any more, and why."""


@dataclass(slots=True)
class _Notice:
    number: int
    account: Account
    flow: Flow
    event: str
    body: bytes
    call_id: str
    tag: str
    cseq: int = 1
    answered: bool = False
    """Whether a challenge has been answered."""


class Notifier:
    """Sends them and reports, once for each, what came of it."""

    def __init__(self, wire: Wire, stats: SipStats, lost: Lost) -> None:
        self._wire = wire
        self._lost = lost
        self._stats = stats

    def notify(
        self, number: int, account: Account, flow: Flow, event: str, now: float, lines: tuple[str, ...] = ()
    ) -> None:
        """Send one by this flow, to the Contact that was registered by it; ``lines`` make a body of text."""
        wire = self._wire
        self._stats.notified += 1
        body = "".join(f"{line}\r\n" for line in lines).encode()
        self._send(_Notice(number, account, flow, event, body, f"{wire.token()}@{flow.local}", wire.token()), (), now)

    def _send(self, notice: _Notice, credentials: tuple[Field, ...], now: float) -> None:
        flow = notice.flow
        fields = (
            ("From", f"<sip:provd@{flow.local}>;tag={notice.tag}"),
            ("To", f"<{flow.contact}>"),
            ("Call-ID", notice.call_id),
            ("CSeq", f"{notice.cseq} NOTIFY"),
            ("Contact", f"<{our_uri(flow)}>"),
            ("Event", notice.event),
            ("Subscription-State", "terminated"),
            *((("Content-Type", "text/plain"),) if notice.body else ()),
            *credentials,
        )

        def done(response: Response | None, then: float) -> None:
            self._heard(notice, response, then)

        if not self._wire.ask("NOTIFY", flow.contact, flow, fields, now, done, notice.body):
            self._report(notice, Told.NO_WAY, "too many requests are under way")

    def _heard(self, notice: _Notice, response: Response | None, now: float) -> None:
        if response is None:
            self._lost(notice.account, notice.flow, "silent", now)
            self._report(notice, Told.SILENT, f"no answer from {notice.flow.host}:{notice.flow.port}")
        elif response.code < 300:
            self._report(notice, Told.ACCEPTED, _said(response))
        elif response.code not in _CHALLENGES or not self._answer(notice, response, now):
            if response.code in _GONE:
                self._lost(notice.account, notice.flow, "gone", now)
            self._report(notice, Told.REFUSED, _said(response))

    def _answer(self, notice: _Notice, response: Response, now: float) -> bool:
        """Meet a challenge, once; twice only where the nonce was said to be stale."""
        asked, ours = _CHALLENGES[response.code]
        found = authorize(
            response.headers.all(asked), notice.account, "NOTIFY", notice.flow.contact, self._wire.token()
        )
        if found is None:
            return False
        value, stale = found
        if notice.answered and not (stale and notice.cseq == 2):
            return False
        notice.answered = True
        notice.cseq += 1
        self._send(notice, ((ours, value),), now)
        return True

    def _report(self, notice: _Notice, told: Told, detail: str) -> None:
        self._stats.notify_accepted += told is Told.ACCEPTED
        self._stats.notify_refused += told is Told.REFUSED
        self._stats.notify_silent += told is Told.SILENT
        self._wire.put(Report(notice.number, told, detail))


def _said(response: Response) -> str:
    return f"{response.code} {shown(response.phrase)}".strip()
