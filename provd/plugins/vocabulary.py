"""The vocabulary of settings as people read it: with the plugins that write each one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from provd.base.dataclass import dataclass
from provd.base.errors import NotFoundError
from provd.domain.capability import shortfall, written
from provd.domain.vocabulary import TABLE, Setting
from provd.plugin import Manifest, Model

GROUPS: Mapping[str, str] = {
    "admin": "Access to the phone itself",
    "locale": "Language, country, time",
    "network": "Network",
    "dialing": "Before anybody has claimed it",
    "resync": "When it asks again, and for which firmware",
    "sip": "SIP",
    "audio": "Voice and calls",
    "feature": "Codes of the PBX",
    "phonebook": "Phone book and display",
    "action": "URLs that the phone calls",
    "keys": "Keys",
    "dect": "DECT",
}
"""Headings by the group of settings that each one stands before."""

_INTRODUCTION = """\
# Settings

What a phone can be told, in words that belong to no vendor. A setting is made in a profile (by vendor, model, site,
tenant or group), a tenant or a device with `--set NAME=VALUE`; a stronger level covers a weaker one. Those marked
*line* can be made for a single line too. An empty value (`null` in JSON) removes what a weaker level has set, `keys=`
every key. Lists are written with commas. Values that do not fit are refused, and nothing is changed.
`provd device settings MAC --origin` shows what is in force, where each value comes from, and which of them do nothing
on that device and why; `provd profile settings --model NAME` tells beforehand.

`N` stands for a number from 1: `keys.5.type=blf`, `keys.5.value=101`. Keys of which nothing is said are the lines, in
order. `vendor.PLUGIN.PARAMETER` writes a parameter of the vendor's as it is, when all else fails; the plugin's list
must have its name: `vendor.acme.backlight_time=60`.

This page is made by `provd profile settings --markdown`.
"""
_TABLE = "| setting | value | default | what | written by |\n|---|---|---|---|---|\n"


@dataclass(frozen=True, slots=True)
class Row:
    """One setting, and the ids of the plugins that write it."""

    setting: Setting
    plugins: tuple[str, ...]
    note: str = ""
    """Why a model that was asked for cannot do it."""

    def shown(self) -> dict[str, object]:
        """The row as plain values."""
        setting = self.setting
        return {
            "name": setting.name,
            "kind": setting.kind,
            "values": setting.form.wanted.removeprefix("be ").replace("have at most", "at most"),
            "default": "" if setting.default is None else str(setting.default),
            "of_line": setting.of_line,
            "doc": setting.doc,
            "plugins": list(self.plugins),
            "note": self.note,
        }


def model_named(manifests: Iterable[Manifest], name: str) -> tuple[Manifest, Model]:
    """The model of that name with its plugin. Raises NotFoundError."""
    for manifest in manifests:
        model = manifest.model(name)
        if model is not None:
            return manifest, model
    raise NotFoundError(f"no plugin knows a model {name!r}")


def rows(manifests: Iterable[Manifest], model: tuple[Manifest, Model] | None = None) -> Iterator[Row]:
    """Every setting in the order of the documentation."""
    known = list(manifests)
    for setting in TABLE:
        plugins = tuple(manifest.id for manifest in known if written(manifest, setting.name))
        first = setting.name.replace(".N", ".1")
        note = "" if model is None else shortfall(model[0], model[1], first, None)
        yield Row(setting, plugins, note)


def markdown(manifests: Iterable[Manifest]) -> str:
    """The page."""
    parts = [_INTRODUCTION]
    headed: set[str] = set()
    for row in rows(manifests):
        setting, shown = row.setting, row.shown()
        heading = GROUPS.get(setting.group)
        if heading and heading not in headed:
            headed.add(heading)
            parts.append(f"\n## {heading}\n\n{_TABLE}")
        marks = " *line*" if setting.of_line else " *secret*" if setting.secret else ""
        plugins = ", ".join(row.plugins)
        parts.append(
            f"| `{setting.name}`{marks} | {shown['values']} | {shown['default']} | {setting.doc} | {plugins} |\n"
        )
    return "".join(parts)
