"""What a caller is told of each outcome: a prompt and the Reason of our BYE, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from provd.app.dialing import Answer, Outcome
from provd.sip.effects import Verdict
from provd.sip.prompts import Prompt

_PLAYED: Final[Mapping[Outcome, tuple[Prompt, int]]] = MappingProxyType(
    {
        Outcome.ACCEPTED: (Prompt.ACCEPTED, 200),
        Outcome.RESET: (Prompt.RESET, 200),
        Outcome.UNKNOWN: (Prompt.WRONG, 404),
        Outcome.EXPIRED: (Prompt.SPENT, 410),
        Outcome.USED_UP: (Prompt.SPENT, 410),
        Outcome.REVOKED: (Prompt.SPENT, 410),
        Outcome.TENANT_DISABLED: (Prompt.SPENT, 403),
        Outcome.LINE_TAKEN: (Prompt.TAKEN, 403),
        Outcome.DEVICE_TAKEN: (Prompt.TAKEN, 403),
        Outcome.DEVICE_FULL: (Prompt.FULL, 486),
        # The caller has proved to be a phone of ours: somebody who mistyped, and who is to know that waiting helps.
        Outcome.LOCKED: (Prompt.LOCKED, 480),
        Outcome.NOT_STORED: (Prompt.ERROR, 500),
    }
)
"""Prompt, and the status code that comes nearest to what happened, as the ``cause`` of the Reason (RFC 3326)."""

FAILED: Final = Verdict(500, "Server error, try again")
"""For a defect of ours."""


def verdict_of(answer: Answer) -> Verdict:
    """What to do with the call."""
    played = _PLAYED.get(answer.outcome)
    if played is None:
        # NO_DEVICE: an account without its device, which nobody at the phone can change.
        return Verdict(403, answer.text, wait=answer.wait)
    prompt, cause = played
    return Verdict(200, answer.text, prompt=prompt.value, cause=cause, wait=answer.wait)
