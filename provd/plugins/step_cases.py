"""Checks of the steps that a plugin brings along: each for every model, and the plugin's own cases of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from pydantic import Field

from provd.app.context import model_values
from provd.app.ports import RenderJob
from provd.app.tasks.calls import device_values
from provd.app.tasks.plugin_steps import Request, begun, ended, job
from provd.base.errors import PluginError
from provd.base.types import Mac
from provd.domain.filling import pointed
from provd.domain.records import Device
from provd.domain.tasks import Conflict, Done, Failed, NotYet, Outcome, Retry
from provd.plugin import Manifest, Model, StepRule
from provd.plugins import sample
from provd.plugins.schema import Strict

Render = Callable[[RenderJob], bytes]
NOON = 1_767_268_800.0
"""2026-01-01 12:00 UTC: when the sample device was seen."""


class StepCase(Strict):
    """``[[step]]`` of a file below ``cases/``: what the step is about, then the ``request`` that must come of it, and
    how it ``ends`` (``{ done = { … } }``, ``{ wait = "…" }``) when the reply is this one."""

    step: str
    model: str = ""
    device: dict[str, Any] = Field(default_factory=dict)
    given: dict[str, Any] = Field(default_factory=dict, alias="with")
    meta: dict[str, Any] = Field(default_factory=dict)
    request: dict[str, Any] | None = None
    status: int = 200
    reply: Any = None
    ends: dict[str, Any] | None = None


def faults(manifest: Manifest, cases: Iterable[tuple[str, StepCase]], render: Render) -> Iterator[str]:
    """A sentence for everything that is wrong with the steps; ``cases`` come with where they stand."""
    for rule in manifest.steps:
        given = {name: f"sample {name}" for name in rule.needs}
        for model in manifest.models:
            try:
                begun(render(job(manifest.id, rule, rule.template, context(manifest, model, given))))
            except PluginError as error:
                yield f"step {rule.name} for {model.name}: {error}"
    for origin, case in cases:
        step = manifest.step(case.step)
        if step is None:
            yield f"{origin}: there is no step {case.step!r}"
            continue
        try:
            yield from (f"{origin}: {fault}" for fault in _differences(manifest, step, case, render))
        except PluginError as error:
            yield f"{origin}: {error}"


def unproven(manifest: Manifest, cases: Iterable[tuple[str, StepCase]]) -> Iterator[str]:
    """A note for each step that no case ends."""
    known = {case.step for _, case in cases if case.ends is not None}
    for rule in manifest.steps:
        if rule.name not in known:
            yield f"step {rule.name}: no case says how it ends"


def context(
    manifest: Manifest,
    model: Model,
    given: Mapping[str, object],
    device: Mapping[str, object] | None = None,
    meta: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """What the templates of a step see, with an invented device."""
    invented = Device(mac=Mac(sample.MAC), vendor=manifest.vendor, model=model.name, plugin=manifest.id)
    invented = replace(invented, serial="S0001", tenant="blue", ip="192.0.2.77", first_seen=NOON, last_seen=NOON)
    return {
        "device": {**device_values(invented), **(device or {})},
        "run": {"id": f"sample:1:{sample.MAC}:1", "at": "2026-01-01T12:00:00+00:00", "generation": 1},
        "meta": dict(meta or {}),
        "given": dict(given),
        "model": model_values(model),
    }


def _differences(manifest: Manifest, rule: StepRule, case: StepCase, render: Render) -> Iterator[str]:
    known = context(manifest, manifest.assumed(case.model), case.given, case.device, case.meta)
    said = begun(render(job(manifest.id, rule, rule.template, known)))
    if case.request is not None:
        wanted = Request.of(case.request)
        if not isinstance(said, Request):
            yield f"it ends with {_words(said)} and asks nothing"
        elif said != wanted:
            yield f"it asks {said}, not {wanted}"
    if case.ends is not None:
        heard = {**known, "status": case.status, "reply": case.reply}
        found = _words(_end(manifest, rule, case, heard, render) if isinstance(said, Request) else said)
        if found != case.ends:
            yield f"it ends with {found}, not {case.ends}"


def _end(manifest: Manifest, rule: StepRule, case: StepCase, known: Mapping[str, object], render: Render) -> Outcome:
    if rule.reply:
        return ended(render(job(manifest.id, rule, rule.reply, known)))
    try:
        return Done({name: pointed(case.reply, pointer) for name, pointer in rule.take.items()})
    except LookupError:
        return NotYet("")


def _words(outcome: Outcome) -> dict[str, object]:
    """The outcome in the words of templates."""
    match outcome:
        case Done(result):
            return {"done": dict(result)}
        case NotYet(what):
            return {"wait": what}
        case Retry(reason):
            return {"retry": reason}
        case Failed(reason):
            return {"fail": reason}
        case Conflict(reason):
            return {"conflict": reason}
        case _:
            return {}
