"""Models that an operator has described without a plugin: two templates, and the names that their files are asked by.

The words are those of IvozProvider: a *generic* pattern is the name of the file that every device of the model asks
for, a *specific* one that of a device's own file, with ``{mac}`` in it.
"""

from __future__ import annotations

from collections.abc import Mapping

from provd.base.dataclass import dataclass
from provd.domain.route import SITE

MARK = SITE
"""In front of the id: the plugin that such a model is to everything else. No plugin's id has a hyphen in it."""
GENERIC, SPECIFIC = "generic.j2", "specific.j2"
"""The names of the two templates."""
FORMATS = ("text", "keyvalue", "xml")
ADVICE = ("66={base}/",)


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModel:
    """A model of any vendor. ``user_agents`` are beginnings of User-Agents, ``ouis`` MAC prefixes (6 digits), ``dhcp``
    option codes with their texts (``66={base}/``)."""

    id: str
    vendor: str
    model: str
    lines: int = 1
    generic: tuple[str, ...] = ()
    specific: tuple[str, ...] = ()
    format: str = "text"
    content_type: str = "text/plain; charset=utf-8"
    generic_template: str = ""
    specific_template: str = ""
    user_agents: tuple[str, ...] = ()
    ouis: tuple[str, ...] = ()
    dhcp: tuple[str, ...] = ADVICE
    changed: float = 0.0
    by: str = ""

    @property
    def plugin(self) -> str:
        """The plugin that it stands for."""
        return MARK + self.id

    @property
    def texts(self) -> Mapping[str, str]:
        """Its templates by name."""
        return {GENERIC: self.generic_template, SPECIFIC: self.specific_template}
