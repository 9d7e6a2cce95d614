"""Everything that can be said about a plugin folder without a phone: for ``provd plugin check`` and the tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from provd.app.limits import limits_rule, read
from provd.app.ports import RenderJob
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.domain.identify import Index
from provd.domain.names import with_folders
from provd.plugin import FileRule, Manifest
from provd.plugin.contract import MatchSource
from provd.plugins import sample, step_cases
from provd.plugins.cases import Case, failures, load_cases, load_step_cases
from provd.plugins.claims import claimed_twice
from provd.plugins.loader import ManifestError, load
from provd.plugins.step_cases import StepCase

Render = Callable[[RenderJob], bytes]
"""Renders a job from the templates of the folder under check. Raises PluginError."""

Level = Literal["unusable", "recognises", "bronze", "silver"]
"""What the evidence in the folder supports. ``recognises``: identification and DHCP advice; ``bronze``: every file
renders for every model; ``silver``: and whole expected files are kept. Gold needs a real phone, which no check has."""


@dataclass(frozen=True, slots=True)
class Report:
    """The outcome. ``problems`` must be mended; ``notes`` are worth knowing. ``rendered`` counts files."""

    plugin: str
    version: str
    level: Level
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    models: int = 0
    cases: int = 0
    rendered: int = 0
    steps: int = 0

    @property
    def ok(self) -> bool:
        """Whether the plugin may be installed."""
        return not self.problems


def check(folder: Path, *, others: Iterable[Manifest] = (), render: Render | None = None) -> Report:
    """Check the plugin in that folder, beside the other plugins that will be in force with it.

    Without ``render`` templates are only looked for, and the level is "recognises" at best. Never raises.
    """
    try:
        manifest = load(folder)
    except PluginError as error:
        faults = error.problems if isinstance(error, ManifestError) else (str(error),)
        return Report(folder.name, "", "unusable", faults, ())
    neighbours = [other for other in others if other.id != manifest.id]
    index = Index.build([manifest, *neighbours])
    problems, cases, of_steps = _cases(folder, index, manifest)
    found = [
        *problems,
        *_missing(folder, manifest),
        *(told for _, told in claimed_twice(manifest, neighbours)),
    ]
    rendered = 0
    if render is not None and not found:
        for fault in _render_all(manifest, render):
            if fault:
                found.append(fault)
            else:
                rendered += 1
        found += _unsaid(manifest, render)
        found += step_cases.faults(manifest, of_steps, render)
    return Report(
        plugin=manifest.id,
        version=manifest.version,
        level=_level(folder, manifest, ok=not found, rendered=rendered),
        problems=tuple(found),
        notes=(*_notes(folder, manifest, cases), *step_cases.unproven(manifest, of_steps)),
        models=len(manifest.models),
        cases=len(cases) + len(of_steps),
        rendered=rendered,
        steps=len(manifest.steps),
    )


def _level(folder: Path, manifest: Manifest, *, ok: bool, rendered: int) -> Level:
    if not ok:
        return "unusable"
    if not rendered or all(rule.kind == "absent" for rule in manifest.files):
        return "recognises"
    golden = folder / "golden"
    return "silver" if golden.is_dir() and any(path.is_file() for path in golden.rglob("*")) else "bronze"


def _cases(
    folder: Path, index: Index, manifest: Manifest
) -> tuple[list[str], tuple[Case, ...], tuple[tuple[str, StepCase], ...]]:
    try:
        cases, of_steps = load_cases(folder), load_step_cases(folder)
    except PluginError as error:
        return [str(error)], (), ()
    return list(failures(cases, index, manifest)), cases, of_steps


def _missing(folder: Path, manifest: Manifest) -> Iterator[str]:
    for rule in manifest.files:
        for template in (rule.template, rule.elsewhere) if rule.kind in {"common", "device", "thing"} else ():
            if template and not (folder / "templates" / template).is_file():
                yield f"file {rule.name}: there is no templates/{template}"
        if rule.kind == "static" and not (folder / "static" / rule.template).is_file():
            yield f"file {rule.name}: there is no static/{rule.template}"
    for step in manifest.steps:
        for template in (step.template, step.reply):
            if template and not (folder / "templates" / template).is_file():
                yield f"step {step.name}: there is no templates/{template}"
    if manifest.limits and not (folder / "templates" / manifest.limits).is_file():
        yield f"limits: there is no templates/{manifest.limits}"
    if not (folder / "README.md").is_file():
        yield "there is no README.md"


def _render_all(manifest: Manifest, render: Render) -> Iterator[str]:
    """A fault for each file that does not render as it must, an empty text for each that does."""
    away = (rule.sending_away() for rule in manifest.files if rule.elsewhere)
    for rule in (*manifest.files, *away):
        if rule.kind not in {"common", "device", "elsewhere", "thing"}:
            continue
        for what, context in sample.contexts(manifest, rule):
            yield _render_one(manifest, rule, what, render, context)
        if not rule.secrets:
            yield from _leaks(manifest, rule, render)
        if rule.kind == "elsewhere":
            yield from _stays(manifest, rule, render)


def _render_one(manifest: Manifest, rule: FileRule, what: str, render: Render, context: sample.Context) -> str:
    job = RenderJob(manifest.id, rule, context)
    try:
        first, again = render(job), render(job)
    except PluginError as error:
        return f"file {rule.name} for {what}: {error}"
    if not first.strip():
        return f"file {rule.name} for {what}: is empty"
    if first != again:
        return f"file {rule.name} for {what}: differs when rendered again (phones hash what they get)"
    return ""


def _unsaid(manifest: Manifest, render: Render) -> Iterator[str]:
    """Limits that do not render, or not as lines of their form."""
    if not manifest.limits:
        return
    rule = limits_rule(manifest)
    for what, context in sample.contexts(manifest, rule):
        try:
            read(render(RenderJob(manifest.id, rule, context)))
        except PluginError as error:
            yield f"limits for {what}: {error}"


def _leaks(manifest: Manifest, rule: FileRule, render: Render) -> Iterator[str]:
    for model in manifest.models:
        try:
            body = render(RenderJob(manifest.id, rule, sample.leaky(model, rule)))
        except PluginError as error:
            yield f"file {rule.name} for {model.name}: {error}"
            continue
        if sample.MARK.encode() in body:
            yield f"file {rule.name} for {model.name}: shows a password, but is given to anybody who asks"


def _stays(manifest: Manifest, rule: FileRule, render: Render) -> Iterator[str]:
    """A file that is to send a device elsewhere and does not name that place."""
    for what, context in sample.contexts(manifest, rule):
        with suppress(PluginError):  # which has been told already
            # Some write scheme and path apart.
            if sample.HOME.partition("://")[2].encode() not in render(RenderJob(manifest.id, rule, context)):
                yield f"file {rule.name} for {what}: does not lead to urls.home"


def _notes(folder: Path, manifest: Manifest, cases: Iterable[Case]) -> Iterator[str]:
    texts: dict[MatchSource, set[str]] = {"option60": set(), "option77": set(), "user_agent": set(), "file": set()}
    for evidence in (evidence for case in cases for evidence in case.evidence()):
        texts["option60"].add(evidence.option60)
        texts["option77"].add(evidence.option77)
        texts["user_agent"].add(evidence.user_agent)
        texts["file"].update(with_folders(evidence.name))
    for number, match in enumerate(manifest.matches, 1):
        regex = re.compile(match.regex, re.IGNORECASE)
        if not any(regex.fullmatch(text) for text in texts[match.source]):
            yield f"match[{number}] ({match.source}): no case leads to it"
    if all(rule.kind == "thing" for rule in manifest.files) and manifest.files:
        return  # no phone: it is told nothing and asks by itself
    if not manifest.dhcp:
        yield "no DHCP advice: phones must learn of this server in another way"
    own = [rule for rule in manifest.files if rule.kind == "device"]
    if own and not any(rule.elsewhere for rule in own):
        yield "no elsewhere: devices cannot be sent to another server"
    if manifest.resync is None and manifest.files:
        yield "no [resync]: devices cannot be told to fetch their files, and come by themselves"
    if not (folder / "golden").is_dir() and any(rule.template for rule in manifest.files):
        yield "no golden files: changes of templates go unseen"
