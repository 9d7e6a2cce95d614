"""The plugins in force, and beside them the models that an operator has described himself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from provd.app.ports import Catalogue
from provd.app.tables import Tables
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.base.facts.plugins import SiteModelShadowed
from provd.domain.ambiguity import clashes
from provd.domain.described import manifest_of
from provd.domain.site_models import SiteModel
from provd.plugin import Manifest


class SiteCatalogue:
    """Implements :class:`provd.app.ports.Catalogue` over another one.

    A plugin that comes later and claims what a model of the site has said before gets it; the model keeps the rest, and
    its devices keep their own files. Nothing of that is silent.
    """

    def __init__(self, plugins: Catalogue, tables: Tables, clock: Clock, emit: FactSink) -> None:
        self._plugins = plugins
        self._tables = tables
        self._clock = clock
        self._emit = emit
        self._seen = (-1, -1)
        self._made: tuple[Manifest, ...] = ()
        self._from: tuple[tuple[Manifest, ...], tuple[SiteModel, ...]] = ((), ())
        self._told: set[tuple[str, str, str]] = set()
        self._revision = 0

    @property
    def manifests(self) -> tuple[Manifest, ...]:
        """Those of the plugins in the order of their ids, then those of the models."""
        self._look()
        return self._made

    @property
    def revision(self) -> int:
        """Rises when a plugin, a template of one, or what identifies and names a model of the site changes."""
        self._look()
        return self._revision

    def static(self, plugin: str, name: str) -> bytes | memoryview | None:
        """A file of the operator's firmware folder or of a plugin."""
        return self._plugins.static(plugin, name)

    def templates(self, plugin: str) -> Mapping[str, str]:
        """The templates of a plugin."""
        return self._plugins.templates(plugin)

    def _look(self) -> None:
        seen = (self._plugins.revision, self._tables.stamp)
        if seen == self._seen:
            return
        changed, self._seen = seen[0] != self._seen[0], seen
        # A template is no matter of identification: whoever edits one does not have every file made again.
        models = tuple(
            replace(each, generic_template="", specific_template="", changed=0.0, by="")
            for each in sorted(self._tables.site_models.values(), key=lambda each: each.id)
        )
        source = (self._plugins.manifests, models)
        if changed or source != self._from:
            self._from = source
            self._made = (*source[0], *self._described(*source))
            self._revision += 1

    def _described(self, plugins: tuple[Manifest, ...], models: tuple[SiteModel, ...]) -> list[Manifest]:
        made = []
        for place, own in enumerate(models):
            lost = clashes(own, models[:place], plugins)
            for clash in lost:
                self._tell(own, clash.field, clash.value, clash.reason)
            gone = {(clash.field, clash.value) for clash in lost}
            generic, agents, ouis = (
                tuple(value for value in getattr(own, field) if (field, value) not in gone)
                for field in ("generic", "user_agents", "ouis")
            )
            made.append(manifest_of(replace(own, generic=generic, user_agents=agents, ouis=ouis)))
        return made

    def _tell(self, own: SiteModel, field: str, value: str, reason: str) -> None:
        if (own.id, field, value) not in self._told:
            self._told.add((own.id, field, value))
            self._emit(SiteModelShadowed(at=self._clock.now(), model=own.id, field=field, value=value, reason=reason))
