"""The rules of a diagnosis in their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from provd.app.diagnosis import arrival, use
from provd.app.diagnosis.case import Case, Finding, Level
from provd.base.types import mac_text

_RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    arrival.unheard,
    arrival.silent,
    arrival.network,
    arrival.files,
    arrival.identity,
    use.codes,
    use.account,
    use.claimed,
    use.wishes,
)
_ORDER: dict[Level, int] = {"problem": 0, "waiting": 1, "note": 2, "good": 3}


def diagnose(case: Case) -> list[Finding]:
    """All findings, the most urgent first."""
    found = [finding for rule in _RULES for finding in rule(case)]
    found.sort(key=lambda finding: _ORDER[finding.level])
    return [replace(each, do=_named(each.do, case)) for each in found]


def _named(do: str, case: Case) -> str:
    """What to do, with the names that a command needs."""
    device = case.device
    lines = () if device is None else device.lines
    for mark, name in (
        ("{mac}", mac_text(case.mac)),
        ("{tenant}", "TENANT" if device is None else device.tenant),
        ("{line}", lines[0] if lines else "LINE"),
    ):
        do = do.replace(mark, name)
    return do
