"""What becomes of overridden templates when another version of their plugin comes in force."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, replace
from typing import Any, Literal

from provd.base.dataclass import dataclass
from provd.domain.merging import merge
from provd.domain.overrides import Override

Standing = Literal["same", "merges", "conflicts", "gone"]
"""``same``: what it was made from has not changed. ``merges``: both changes fit together. ``conflicts``: both changed
the same lines. ``gone``: the new version has no such template, and the override does nothing."""

_LONGEST = 400
"""Lines of a difference that are shown."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """An override under the new version: ``kept`` is what it will be. ``default`` and ``mine`` are the differences of
    the new default and of the override to what it was made from."""

    before: Override
    kept: Override
    state: Standing
    conflicts: int = 0
    default: str = ""
    mine: str = ""

    @property
    def shown(self) -> dict[str, Any]:
        """As plain values for people."""
        row = asdict(self)
        del row["before"], row["kept"]
        override = self.before
        names = ("id", "template", "place", "applies_to", "base_version")
        return {**{name: str(getattr(override, name)) for name in names}, **row}


def reviewed(
    overrides: Iterable[Override], texts: Mapping[str, str], version: str, *, keep: bool = False
) -> list[Reviewed]:
    """Each of them beside the templates of that version. With ``keep`` all stay as they are, whatever fits."""
    return [_review(each, texts, version, keep=keep) for each in sorted(overrides, key=lambda each: each.id)]


def _review(override: Override, texts: Mapping[str, str], version: str, *, keep: bool) -> Reviewed:
    default = texts.get(override.template)
    if default is None:
        return Reviewed(override, override, "gone")
    if default == override.base:
        return Reviewed(override, override, "same")
    merged = merge(override.base, override.text, default)
    fits = merged.conflicts == 0
    kept = override
    if fits and not keep:
        kept = replace(override, text=merged.text, base=default, base_version=version)
    was, now = f"{override.template} {override.base_version}", f"{override.template} {version}"
    return Reviewed(
        override,
        kept,
        "merges" if fits else "conflicts",
        merged.conflicts,
        _difference(override.base, default, was, now),
        _difference(override.base, override.text, was, "yours"),
    )


def _difference(before: str, after: str, was: str, now: str) -> str:
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), was, now, lineterm="", n=1)
    return "".join(f"{line}\n" for number, line in enumerate(lines) if number < _LONGEST)
