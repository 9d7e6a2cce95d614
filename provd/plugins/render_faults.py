"""Who has broken renderers lately: whoever goes on doing so is put into quarantine."""

from __future__ import annotations

FAULTS = 3
FAULT_SECONDS = 600.0
"""So many faults in so many seconds put a plugin into quarantine."""
MOST_BLAMED = 256
"""Each text of an override is to blame for itself, and there may be any number of them in the end: those that are kept
in mind beside plugins. Whoever is forgotten begins anew."""
_WITH = " with "


def blamed(plugin: str, overrides: str) -> str:
    """The name under which a plugin is blamed, or the overrides that stand in it (their digest)."""
    return f"{plugin}{_WITH}{overrides}" if overrides else plugin


class Faults:
    """Counts them. ``quarantined`` are those of which nothing is rendered."""

    def __init__(self) -> None:
        self.quarantined: dict[str, None] = {}
        self._recent: dict[str, list[float]] = {}

    def add(self, name: str, now: float) -> int:
        """One more; gives how many there were lately if that begins a quarantine, else 0."""
        recent = [at for at in self._recent.pop(name, ()) if now - at < FAULT_SECONDS]
        _make_room(self._recent)
        self._recent[name] = [*recent, now]
        if len(recent) + 1 < FAULTS or name in self.quarantined:
            return 0
        _make_room(self.quarantined)
        self.quarantined[name] = None
        return len(recent) + 1

    def forget(self, plugin: str) -> None:
        """Forgive a plugin and whatever stands in it."""
        for known in (self._recent, self.quarantined):
            for name in [name for name in known if name.partition(_WITH)[0] == plugin]:
                del known[name]

    def clear(self) -> None:
        """Forgive everybody."""
        self._recent.clear()
        self.quarantined.clear()

    def __len__(self) -> int:
        return len(self._recent)


def _make_room(known: dict[str, list[float]] | dict[str, None]) -> None:
    """The oldest text of an override goes; plugins stay."""
    if len(known) >= MOST_BLAMED:
        oldest = next((name for name in known if _WITH in name), None)
        if oldest is not None:
            del known[oldest]
