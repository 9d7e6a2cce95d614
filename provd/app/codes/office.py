"""Everything about codes, put together: what the daemon makes one of and hands to the edges and to the
administration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app.codes.accounts import Accounts
from provd.app.codes.book import CodeBook, star_codes
from provd.app.codes.desk import Desk
from provd.app.codes.terms import Terms
from provd.app.codes.turnstile import Turnstile
from provd.app.codes.who import Evidence
from provd.app.ports import Put
from provd.app.station import Station
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.codes import NumberSwallowed
from provd.domain.codes import Taken
from provd.domain.reckoning import Leap
from provd.domain.records import Code, Line


class Office:
    """``desk`` redeems (the port DialDesk), ``accounts`` knows temporary accounts (the port AccountBook)."""

    def __init__(
        self, *, station: Station, key: bytes, terms: Terms, clock: Clock, emit: FactSink, leap: Leap | None = None
    ) -> None:
        fleet = station.fleet
        self._fleet, self._tables = fleet, fleet.tables
        self._knowledge = station.knowledge
        self._clock = clock
        self._emit = emit
        self.leap = leap
        self.terms = terms
        """What the configuration says; replaced as a whole by :meth:`reconfigure`."""
        self.book = CodeBook(fleet.tables, key)
        self.accounts = Accounts(fleet, station.tokens)
        self.turnstile = Turnstile(fleet, clock, emit, lambda: self.terms.rules)
        self.desk = Desk(
            fleet=fleet,
            knowledge=station.knowledge,
            book=self.book,
            evidence=Evidence(fleet.tables, self.accounts, station.leases, station.knowledge),
            turnstile=self.turnstile,
            terms=lambda: self.terms,
            clock=clock,
            emit=emit,
            leap=leap,
        )

    def reconfigure(self, terms: Terms) -> None:
        """Take over a changed configuration; codes that were given out stay as they are."""
        self.terms = terms
        self.check_number()

    def leapt(self, seconds: float) -> None:
        """The clock was corrected forward while we ran: no lock is lifted and no code expires because of it."""
        before = self._clock.now() - seconds
        alive = (code for code in self._tables.codes.values() if code.expires > before)
        moved = [Put(replace(code, expires=code.expires + seconds)) for code in alive]
        if moved:
            self._fleet.keep(*moved)
        self.turnstile.leapt(seconds)

    def check_number(self) -> None:
        """Tell when phones keep the reset number for themselves."""
        number = self.terms.reset_number
        if not (number and self.terms.reset_pin):
            return
        stars = star_codes(self._knowledge.catalogue.manifests)
        plugins = [plugin for plugin, codes in sorted(stars.items()) if Taken(codes).clashes(number)]
        if plugins:
            self._emit(NumberSwallowed(at=self._clock.now(), number=number, plugins=",".join(plugins)))

    def issue(self, lines: Sequence[Line], *, by: str, uses: int | None, life: float | None) -> list[Code]:
        """A new code for each line, to be put. ``life`` is in seconds, 0 for ever; None is what the configuration says.

        Raises ConflictError when no number is free.
        """
        terms, now = self.terms, self._clock.now()
        life = terms.life if life is None else life
        stars = star_codes(self._knowledge.catalogue.manifests)
        return self.book.issue(
            lines,
            terms.form,
            [terms.reset_number, *(code for codes in stars.values() for code in codes)],
            uses=terms.uses if uses is None else uses,
            expires=now + life if life else 0.0,
            now=now,
            by=by,
        )
