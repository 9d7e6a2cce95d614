"""Provisioning codes: how one is drawn, whether it is still good, how it is written for people. Pure.

A code is a secret of a few digits: eight of them give one guess a chance of 1 in 10^8 for each live code, and the
lock-out (see :mod:`provd.domain.lockout`) leaves few guesses.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace

from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError
from provd.domain.reckoning import Leap
from provd.domain.records import Code

KEYS = "0123456789*#"
"""What a phone's keypad has."""

_ATTEMPTS = 1000
_GROUP = 4


@dataclass(frozen=True, slots=True)
class Form:
    """What a new code looks like: how many keys, and which ones it is drawn from."""

    length: int = 8
    alphabet: str = "0123456789"


class Standing(enum.Enum):
    """Whether a code is good."""

    GOOD = enum.auto()
    REVOKED = enum.auto()
    EXPIRED = enum.auto()
    USED_UP = enum.auto()


class Taken:
    """Numbers that a new code must not be mistaken for: star codes of phones, the reset number, codes there are.

    Neither may begin with the other: a phone, or we, would act before the last key.
    """

    def __init__(self, numbers: Iterable[str] = ()) -> None:
        self._whole: set[str] = set()
        self._beginnings: set[str] = set()
        for number in numbers:
            self.add(number)

    def add(self, number: str) -> None:
        """One more."""
        if number:
            self._whole.add(number)
            self._beginnings.update(number[:end] for end in range(1, len(number) + 1))

    def clashes(self, number: str) -> bool:
        """Whether this number equals one of them, begins with one or is the beginning of one."""
        return number in self._beginnings or any(number[:end] in self._whole for end in range(1, len(number)))


def draw(form: Form, taken: Taken, choose: Callable[[str], str] = secrets.choice) -> str:
    """A code that nobody can foresee and nothing clashes with. Raises ConflictError when no room is left."""
    for _ in range(_ATTEMPTS):
        code = "".join(choose(form.alphabet) for _ in range(form.length))
        if not taken.clashes(code):
            return code
    raise ConflictError(f"hardly a code of {form.length} keys is free; make codes longer or delete old ones")


def expires_at(code: Code, leap: Leap | None = None) -> float:
    """When the code ends, 0 for never. A code that lived when the clock leapt keeps the rest of its time."""
    if not code.expires or leap is None or code.expires <= leap.start or code.created >= leap.end:
        return code.expires
    return code.expires + leap.seconds


def standing(code: Code, now: float, leap: Leap | None = None) -> Standing:
    """Whether the code is good at that time, and why not."""
    if code.revoked:
        return Standing.REVOKED
    end = expires_at(code, leap)
    if end and now >= end:
        return Standing.EXPIRED
    return Standing.GOOD if code.uses > 0 else Standing.USED_UP


def used(code: Code, now: float) -> Code:
    """The code after one more use."""
    return replace(code, uses=code.uses - 1, used=code.used + 1, last_used=now)


def grouped(code: str) -> str:
    """The code as people read it aloud: ``1234 5678``."""
    return " ".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))


def dialed(text: str) -> str:
    """The keys of what was dialed or typed: blanks and hyphens are how people write, not keys."""
    return text.translate(_NOT_KEYS)


_NOT_KEYS = str.maketrans("", "", " -\u00a0")
