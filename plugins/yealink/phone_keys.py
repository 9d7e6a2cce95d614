"""The keys of a phone and of its expansion modules as somebody in front of it sees them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.plugin import Model

TYPES = {
    "2": "forward",
    "5": "dnd",
    "9": "pickup",
    "10": "park",
    "11": "dtmf",
    "12": "voicemail",
    "13": "speed dial",
    "14": "intercom",
    "15": "line",
    "16": "blf",
    "17": "url",
    "23": "group pickup",
}


def drawn(settings: Mapping[str, str], model: Model) -> list[str]:
    """A line of text for each key that does something: ``2: Anna [blf 101 on line 1]``; ``M3`` is a memory key, ``1.4``
    the fourth one of the first module."""

    def count(trait: str) -> int:
        value = model.traits.get(trait, 0)
        return value if isinstance(value, int) else 0

    rows = [("linekey.", "", model.keys), ("memorykey.", "M", count("memory_keys"))]
    rows += [(f"expansion_module.{m}.key.", f"{m}.", count("module_keys")) for m in range(1, count("modules") + 1)]
    return [line for start, shown, keys in rows for line in _row(settings, start, shown, keys)]


def _row(settings: Mapping[str, str], start: str, shown: str, keys: int) -> Iterator[str]:
    for key in range(1, keys + 1):
        begin = f"{start}{key}."
        kind = settings.get(f"{begin}type", "0")
        if kind == "0":
            continue
        words = [TYPES.get(kind, f"type {kind}"), settings.get(f"{begin}value", "")]
        line = settings.get(f"{begin}line", "")
        if line:
            words.append(line if kind == "15" else f"on line {line}")
        if settings.get(f"{begin}extension"):
            words.append(f"picked up by {settings[f'{begin}extension']}")
        yield f"{shown}{key}: {settings.get(f'{begin}label', '')} [{' '.join(filter(None, words))}]"
