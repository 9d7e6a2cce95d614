"""From the version that a device is to run to the files that bring it there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol
from urllib.parse import quote

from provd.app.firmware.ports import Held
from provd.base.dataclass import dataclass
from provd.domain.firmware import older, same
from provd.domain.records import Device

VERSION = "firmware.version"
"""The setting."""


class Here(Protocol):
    """Packages that are here."""

    @property
    def stamp(self) -> int:
        """Rises when one comes or goes."""
        ...

    def held(self) -> Sequence[Held]:
        """All of them."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """The image, and the one that a device with firmware older than ``below`` takes first (none: it needs none)."""

    held: Held
    step: Held | None = None

    @property
    def below(self) -> str:
        """Version from which on the image may be taken at once."""
        return "" if self.step is None else self.step.version

    def settings(self, base: str) -> dict[str, object]:
        """What ``firmware.…`` is then, for devices that reach us at ``base``."""
        return {
            "url": located(base, self.held.file),
            "step_url": None if self.step is None else located(base, self.step.file),
            "step_below": self.below or None,
        }


def located(base: str, file: str) -> str:
    """The URL of a file of a package."""
    return f"{base}/{quote(file, safe='')}"


class Images:
    """Which images there are for what, remembered until a package comes or goes."""

    def __init__(self, here: Here) -> None:
        self._here = here
        self._stamp = -1
        self._known: dict[tuple[str, str, str], Chosen | None] = {}

    @property
    def stamp(self) -> int:
        """Rises when a package comes or goes."""
        return self._here.stamp

    def chosen(self, plugin: str, model: str, version: str) -> Chosen | None:
        """What brings a device of that model to that version, if it is here."""
        if self._stamp != self._here.stamp:
            self._stamp = self._here.stamp
            self._known.clear()
        key = (plugin, model, version)
        if key not in self._known:
            self._known[key] = choose(self._here.held(), plugin, model, version)
        return self._known[key]

    def lacking(self, device: Device, model: str, version: str) -> str:
        """Why a device cannot be brought to that version, or an empty text."""
        found = self.chosen(device.plugin, model, version)
        if found is None:
            return f"no firmware {version} for {model or device.vendor} is here"
        if lacks_step(found, device.version):
            return f"it has to run {found.held.step} before, which is not here"
        return ""


def choose(here: Iterable[Held], plugin: str, model: str, version: str) -> Chosen | None:
    """What brings a device of that model to that version, if it is here."""
    fitting = [held for held in here if held.plugin == plugin and held.kind == "firmware" and model in held.models]
    found = next((held for held in fitting if same(held.version, version)), None)
    if found is None:
        return None
    step = None
    if found.step and older(found.step, found.version):
        step = next((held for held in fitting if held.name == found.name and same(held.version, found.step)), None)
    return Chosen(found, step)


def lacks_step(chosen: Chosen, runs: str) -> bool:
    """Whether a device that runs this version would have to take a step that is not here."""
    held = chosen.held
    needs = bool(held.step) and older(held.step, held.version) and older(runs, held.step)
    return needs and chosen.step is None
