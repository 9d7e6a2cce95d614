"""Facts about the template renderer."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class RendererReplaced(Fact):
    """The renderer process was ended and another one took its place, because a template exceeded a limit or the
    process died. The file at fault failed; the files that waited behind it were rendered again.

    Do: read the reason and correct the plugin's template or the operator's override of it.
    """

    ID: ClassVar[str] = "RENDERER-REPLACED"
    LEVEL: ClassVar[Level] = Level.WARNING

    reason: str
    plugin: str = ""
    template: str = ""
    retried: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginQuarantined(Fact):
    """The templates of a plugin exceeded a limit or ended the renderer too often; nothing of this plugin is
    rendered any more. Its devices keep their last good files, all other plugins go on. With ``(steps of tasks)`` after
    its name only the steps that it brings along fail; its files are rendered as before.

    Do: correct the template (``provd plugin check``), then reload; a reload lifts the quarantine.
    """

    ID: ClassVar[str] = "PLUGIN-QUARANTINED"
    LEVEL: ClassVar[Level] = Level.ERROR

    plugin: str
    faults: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedFilesDamaged(Fact):
    """A file that was rendered before the last start could not be read from its cache on disk and is rendered
    again; told once for each start. Another ``master.key`` or a power cut in the middle of a write does this.

    Do: nothing. When it comes at every start, look after the disk that holds ``folder``.
    """

    ID: ClassVar[str] = "RENDERED-FILES-DAMAGED"

    folder: str
