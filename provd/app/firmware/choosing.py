"""From the version that a device is to run to the files that bring it there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from provd.app.firmware.ports import Held
from provd.domain.firmware import older, same

VERSION = "firmware.version"
"""The setting."""


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
