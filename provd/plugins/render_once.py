"""One file rendered here and now, for ``provd plugin check`` and tests: no process, no limits of time or memory."""

from __future__ import annotations

from pathlib import Path

from provd.app.ports import RenderJob
from provd.plugins.render_engine import Engine


def render_once(folder: Path, job: RenderJob, *, overrides: Path | None = None, engine: Engine | None = None) -> bytes:
    """The file that the job describes, from the templates in ``folder`` and, before those, in ``overrides``.

    Pass one ``engine`` for many files and templates are compiled once. Raises PluginError.
    """
    folders = [str(place) for place in (overrides, folder) if place is not None]
    return (engine or Engine()).render(folders, job.rule.template, job.rule.format, job.context)
