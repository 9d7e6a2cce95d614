"""Steps that plugins bring along: their renderer, and what the configuration says of them that no plugin has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from provd.app.ports import RenderJob
from provd.base.clock import Clock
from provd.base.facts import Fact, FactSink
from provd.base.facts.render import PluginQuarantined
from provd.config.tasks import PluginSection, TasksSection
from provd.plugin import Manifest
from provd.plugins.render import RenderPool, TemplateFolders

OF_STEPS = " (steps of tasks)"


class StepRenderer:
    """Implements the port ``Renderer`` apart from the renderer of files: a step that loops keeps no phone waiting for
    its file, and what is put into quarantine are steps. The process begins with the first step."""

    def __init__(self, folders: TemplateFolders, clock: Clock, emit: FactSink) -> None:
        def told(fact: Fact) -> None:
            emit(replace(fact, plugin=fact.plugin + OF_STEPS) if isinstance(fact, PluginQuarantined) else fact)

        self._pool = RenderPool(folders, clock, told)
        self._begun = False

    async def render(self, job: RenderJob) -> bytes:
        """What a template says. Raises PluginError."""
        if not self._begun:
            self._begun = True
            await self._pool.start()
        return await self._pool.render(job)

    def moved(self, plugin: str) -> None:
        """Another folder holds this plugin's templates."""
        self._pool.moved(plugin)

    def reload(self) -> None:
        """Templates may have changed."""
        self._pool.reload()

    async def close(self) -> None:
        """End the process."""
        await self._pool.close()


def step_faults(section: TasksSection, manifests: Iterable[Manifest]) -> Iterator[str]:
    """Which steps of the configuration no plugin in force can carry out, a sentence each."""
    known = {manifest.id: manifest for manifest in manifests}
    for template in section.template:
        for step in template.step:
            if not isinstance(step, PluginSection):
                continue
            where = f"tasks.template {template.id!r}, step {step.id!r}"
            asked = [known.get(step.plugin)] if step.plugin else list(known.values())
            rules = [rule for each in asked if each is not None and (rule := each.step(step.step)) is not None]
            if not rules:
                whose = f"plugin {step.plugin!r} has no" if step.plugin else "no plugin has a"
                yield f"{where}: {whose} step {step.step!r}"
            for name in {name for rule in rules for name in rule.needs if name not in step.given}:
                yield f"{where}: with.{name} is needed"
