"""The ``[[step]]`` rows of a manifest: steps of tasks that a plugin brings along."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from provd.domain.filling import POINTER
from provd.plugin import StepRule
from provd.plugins.schema import StepRow


def step_problems(rows: Sequence[StepRow]) -> Iterator[str]:
    """Everything that is wrong with them, a sentence each."""
    names = [row.name for row in rows]
    for number, row in enumerate(rows, 1):
        place = f"step[{number}] ({row.name})"
        if names.index(row.name) < number - 1:
            yield f"{place}.name: is there twice"
        if row.reply and row.take:
            yield f"{place}.take: the reply's template says what the step gives"
        if row.accepts and not row.reply:
            yield f"{place}.accepts: only a template for the reply can understand these"
        for pointer in row.take.values():
            if not re.fullmatch(POINTER, pointer):
                yield f"{place}.take: {pointer!r} is no JSON pointer (/customer/id)"


def steps_of(rows: Sequence[StepRow]) -> tuple[StepRule, ...]:
    """The rules of rows without problems."""
    return tuple(
        StepRule(row.name, row.template, row.reply, row.take, tuple(row.needs), tuple(row.accepts)) for row in rows
    )
