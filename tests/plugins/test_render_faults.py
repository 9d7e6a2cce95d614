"""Who breaks renderers is put into quarantine, and there is room for everybody who does."""

from __future__ import annotations

from provd.plugins.render_faults import FAULT_SECONDS, FAULTS, MOST_BLAMED, Faults, blamed


def broken(faults: Faults, name: str, at: float) -> list[int]:
    return [faults.add(name, at) for _ in range(FAULTS)]


def test_three_in_ten_minutes_begin_a_quarantine_and_it_is_told_once() -> None:
    faults = Faults()
    assert broken(faults, "acme", 0.0) == [0, 0, 3]
    assert set(faults.quarantined) == {"acme"}
    assert broken(faults, "acme", 1.0) == [0, 0, 0]
    assert [faults.add("bolt", number * FAULT_SECONDS / 2) for number in range(9)] == [0] * 9
    faults.clear()
    assert (len(faults), faults.quarantined) == (0, {})


def test_texts_of_overrides_come_and_go_without_end_and_plugins_stay() -> None:
    faults = Faults()
    broken(faults, "acme", 0.0)
    for number in range(5 * MOST_BLAMED):
        assert broken(faults, blamed("acme", f"{number:016x}"), 0.0) == [0, 0, 3]
        assert len(faults) <= MOST_BLAMED
        assert len(faults.quarantined) <= MOST_BLAMED
    assert "acme" in faults.quarantined
    assert blamed("acme", f"{5 * MOST_BLAMED - 1:016x}") in faults.quarantined


def test_a_plugin_is_forgiven_with_whatever_stood_in_it() -> None:
    faults = Faults()
    for name in ("acme", blamed("acme", "ff"), "acme2", blamed("acme2", "ff")):
        broken(faults, name, 0.0)
    faults.forget("acme")
    assert set(faults.quarantined) == {"acme2", "acme2 with ff"}
    assert len(faults) == 2
