"""Facts on their way to servers of others: letters in an outbox, and when one is tried again or given up."""

from __future__ import annotations

from dataclasses import field
from fnmatch import fnmatchcase

from provd.base.dataclass import dataclass

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 600.0
"""Seconds between two tries at one endpoint: the first pause, each further one twice as long, and the longest."""
MOST_ASKED = 3600.0
"""Of a longer Retry-After nothing more is believed than this."""
_PER_LETTER = frozenset({400, 406, 409, 413, 415, 422})
"""What is wrong with one letter, and will be tomorrow. Everything else may be wrong with the endpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A fact that an endpoint is to hear of. The store gives the number; ``id`` stays the same however often it is
    sent, and ``body`` is JSON without it."""

    seq: int = 0
    hook: str
    id: str
    fact: str
    at: float
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A letter that was given up at ``died``, after so many tries, because of ``reason``."""

    id: str
    hook: str
    fact: str
    at: float
    body: str = field(repr=False)
    died: float = 0.0
    attempts: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An endpoint: which facts it hears of (ids with wildcards), how many letters may wait for it, and for how long.

    With a ``tenant`` it hears of that tenant's devices only. ``keep`` is seconds.
    """

    name: str
    url: str
    facts: tuple[str, ...]
    tenant: str = ""
    most: int = 10_000
    keep: float = 86400.0

    def hears(self, fact: str) -> bool:
        """Whether facts with this id are for it. What is told of endpoints themselves never is."""
        return not fact.startswith("WEBHOOK-") and any(fnmatchcase(fact, pattern) for pattern in self.facts)


@dataclass(frozen=True, slots=True)
class Heard:
    """What an endpoint said. ``after`` is what it asks for in seconds; a ``hopeless`` letter is not sent again."""

    reason: str = ""
    after: float = 0.0
    hopeless: bool = False

    @property
    def delivered(self) -> bool:
        """Whether it has the letter."""
        return not self.reason


DELIVERED = Heard()


def heard_of(status: int, retry_after: float = 0.0) -> Heard:
    """What the status of a reply means."""
    if 200 <= status < 300:
        return DELIVERED
    if 300 <= status < 400:
        return Heard(f"it answers {status}: it sends us elsewhere")
    return Heard(f"it answers {status}", retry_after if status in {429, 503} else 0.0, status in _PER_LETTER)


def pause_after(failures: int, heard: Heard) -> float:
    """Seconds until the endpoint is tried again, after so many failures in a row."""
    if heard.after:
        return min(heard.after, MOST_ASKED)
    return min(FIRST_PAUSE * 2.0 ** min(failures - 1, 20), LONGEST_PAUSE)


def is_given_up(hook: Hook, letter: Letter, heard: Heard, now: float) -> bool:
    """Whether a letter that was not delivered is not tried again."""
    return heard.hopeless or now - letter.at >= hook.keep
