"""Facts about vendor plugins."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginLoaded(Fact):
    """A vendor plugin is in force, in a version that was not in force before.

    Do: nothing.
    """

    ID: ClassVar[str] = "PLUGIN-LOADED"

    plugin: str
    version: str
    models: int
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginBroken(Fact):
    """A vendor plugin cannot be used as it lies on disk. The others are not touched; ``kept`` names the version of it
    that stays in force, if there is one.

    Do: correct what the reason names (``provd plugin check DIR`` lists everything at once) and reload.
    """

    ID: ClassVar[str] = "PLUGIN-BROKEN"
    LEVEL: ClassVar[Level] = Level.ERROR

    plugin: str
    folder: str
    reason: str
    kept: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginClash(Fact):
    """Two plugins that are in force claim the same: a file name, or evidence with the same confidence. Devices of which
    nothing else is known get no such file, or are taken for either's.

    Do: take one of the two away, or in one that is yours what ``claim`` names; ``provd plugin check DIR`` says the same
    before it is in force.
    """

    ID: ClassVar[str] = "PLUGIN-CLASH"
    LEVEL: ClassVar[Level] = Level.WARNING

    plugin: str
    other: str
    claim: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginRemoved(Fact):
    """A vendor plugin that was in force is not there any more; its devices get no files from now on.

    Do: nothing if that was the intention; put the folder back and reload if it was not.
    """

    ID: ClassVar[str] = "PLUGIN-REMOVED"

    plugin: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModelShadowed(Fact):
    """A model that was described here (``provd model``) has something in it that a plugin claims by now as well: a file
    name, the beginning of a User-Agent or a MAC prefix. It is the plugin's; the model keeps the rest, and devices that
    are recorded as this model keep their own files.

    Do: if the plugin knows these devices better, give them to it (``provd device set MAC --model``) and delete the
    model; else take out of the model what is named here.
    """

    ID: ClassVar[str] = "SITE-MODEL-SHADOWED"
    LEVEL: ClassVar[Level] = Level.WARNING

    model: str
    field: str
    value: str
    reason: str
