"""The templates of our own pages. Imported when the first page is asked for: Jinja2 takes its time, and no phone waits
for a page."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_TEMPLATES = Path(__file__).parent / "templates"


SECTIONS = (
    ("/", "Devices"),
    ("/activation", "Activation"),
    ("/regions", "Regions"),
    ("/plugins", "Plugins"),
    ("/templates", "Templates"),
    ("/firmware", "Firmware"),
    ("/leases", "Leases"),
    ("/refused", "Refused"),
    ("/status", "Status"),
    ("/api/v1/", "REST"),
)
"""What every page leads to."""


def environment(**globals_: object) -> Environment:
    """An environment in which each of these names is known to every template."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals.update({"sections": SECTIONS, **globals_})
    return made
