"""Which of a device's last facts a caller may see: one of a tenant those since the device became that tenant's."""

from __future__ import annotations

from collections.abc import Sequence

from provd.app.caller import Caller
from provd.base.facts import Fact

_OWNING = frozenset({"DEVICE-STATE", "DEVICE-PROVISIONED", "ADMIN-CHANGED", "CODE-ACCEPTED"})
"""Facts whose tenant is the one that has the device then."""


def since_it_was_ours(facts: Sequence[Fact], caller: Caller) -> int:
    """The place behind the last fact by which somebody else had the device."""
    for place in range(len(facts) - 1, -1, -1):
        if facts[place].ID in _OWNING and is_another_s(facts[place], caller):
            return place + 1
    return 0


def is_another_s(fact: Fact, caller: Caller) -> bool:
    """Whether a fact tells of another tenant."""
    return caller.tenant is not None and getattr(fact, "tenant", "") not in ("", caller.tenant)


def own_facts(facts: Sequence[Fact], caller: Caller) -> list[Fact]:
    """Those that the caller may see."""
    return [fact for fact in facts[since_it_was_ours(facts, caller) :] if not is_another_s(fact, caller)]
