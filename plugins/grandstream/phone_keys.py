"""What stands beside the keys of a Grandstream phone (the vendor's templates for GXP17xx, GXP21xx and GRP26xx)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.plugin.contract import Model

MODES = {
    0: "speed dial",
    1: "blf",
    5: "dtmf",
    6: "voicemail",
    9: "park",
    10: "intercom",
}
"""Modes of a key that knows no lines; a line key counts them ten higher, and its 0 is the line."""

NUMBERED = 1363
FURTHER = 23800
MODULES = 23000
LINE_KEYS = {"GXP2135": 8, "GXP2170": 12}
ON_A_MODULE = 40


def named_keys(model: Model, settings: Mapping[str, str]) -> Iterator[str]:
    """Keys of the GRP series, whose parameters have names."""
    for k in range(1, model.keys + 1):
        mode = settings.get(f"pks.vpk.{k}.keyMode", "None")
        if mode != "None":
            words = filter(None, (mode, settings.get(f"pks.vpk.{k}.value", "")))
            yield f"{k}: {settings.get(f'pks.vpk.{k}.description', '')} [{' '.join(words)}]"


def numbered_keys(model: Model, settings: Mapping[str, str]) -> Iterator[str]:
    """Keys whose parameters have numbers: those of the phone, then those of its modules as ``2.40``."""
    own = int(model.traits.get("fixed", 6))
    for k in range(1, model.keys + 1):
        first = NUMBERED + 2 * (k - 1) if k <= own else FURTHER + 4 * (k - own - 1)
        label = first + 102 if k <= own else first + 2
        mode = _mode(settings, first, line=k <= LINE_KEYS.get(model.name, own))
        if mode:
            yield _drawn(f"{k}", mode, settings, (first + 1, label, label + 1))
    for number in range(1, 4 * ON_A_MODULE + 1):
        first = MODULES + 5 * (number - 1)
        mode = _mode(settings, first, line=False)
        if mode:
            module, key = divmod(number - 1, ON_A_MODULE)
            yield _drawn(f"{module + 1}.{key + 1}", mode, settings, (first + 1, first + 2, first + 3))


def _mode(settings: Mapping[str, str], code: int, *, line: bool) -> str:
    mode = settings.get(f"P{code}", "-1")
    if mode == "-1":
        return ""
    if line and mode == "0":
        return "line"
    return MODES.get(int(mode) - (10 if line else 0), f"mode {mode}")


def _drawn(place: str, mode: str, settings: Mapping[str, str], codes: tuple[int, int, int]) -> str:
    account, label, value = (settings.get(f"P{code}", "") for code in codes)
    words = filter(None, (mode, value, f"on line {int(account or 0) + 1}"))
    return f"{place}: {label} [{' '.join(words)}]"
