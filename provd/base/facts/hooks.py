"""Facts about webhooks. They are never sent to one."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailing(Fact):
    """An endpoint of ``[[webhook]]`` did not take what it was sent. It is tried again, with growing pauses; what waits
    for it is kept in order. Told once until it takes something again.

    Do: look at the endpoint; ``provd webhook list`` says how much waits.
    """

    ID: ClassVar[str] = "WEBHOOK-FAILING"
    LEVEL: ClassVar[Level] = Level.WARNING

    hook: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRecovered(Fact):
    """An endpoint that failed takes what it is sent again; ``waiting`` letters are on their way.

    Do: nothing.
    """

    ID: ClassVar[str] = "WEBHOOK-RECOVERED"

    hook: str
    waiting: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookDead(Fact):
    """A letter to an endpoint was given up: the endpoint refused this very one, or took nothing for as long as
    ``webhook.keep`` says. It lies among the dead letters.

    Do: ``provd webhook dead`` shows it; when the endpoint is in order, ``provd webhook replay`` sends it again.
    """

    ID: ClassVar[str] = "WEBHOOK-DEAD"
    LEVEL: ClassVar[Level] = Level.WARNING

    hook: str
    letter: str
    fact: str
    reason: str
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOverflow(Fact):
    """More facts than ``webhook.most`` wait for an endpoint, or the database takes none: ``count`` were not kept for
    it. Told once a minute.

    Do: look at the endpoint; let it hear of fewer facts; the audit and the timelines have what it has missed.
    """

    ID: ClassVar[str] = "WEBHOOK-OVERFLOW"
    LEVEL: ClassVar[Level] = Level.WARNING

    hook: str
    count: int
