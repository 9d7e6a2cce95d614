"""The system's clock is years off: at the start, while the daemon runs, and when somebody corrects it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, leases_of

pytestmark = [pytest.mark.root, pytest.mark.fault]

YEARS = 10 * 365 * 86400


def mark(state: Path) -> int:
    return int((state / "clock").read_text().split()[0])


def stopped(daemon: Daemon) -> None:
    with daemon:
        assert daemon.stop() == 0


def states(daemon: Daemon) -> dict[str, str]:
    return {row["mac"]: row["state"] for row in daemon.json("lease", "list")}


def test_a_clock_years_behind_the_last_run_gives_nothing_a_longer_life(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    daemon = Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed)
    with daemon:
        phone = lan.boots()
        assert daemon.stop() == 0
    lived_until = mark(state) + YEARS
    (state / "clock").write_text(f"{lived_until}\n")  # seen from here the wall clock is ten years behind
    with daemon:
        daemon.wait_for("CLOCK-SUSPECT")
        assert "clock" in str(daemon.json("status")["degraded"])
        assert "active" not in states(daemon).values(), "the lease has ended years ago"
        assert lan.boots() == phone, "and its client gets the same address again"
        assert daemon.stop() == 0
    assert lived_until <= mark(state) < lived_until + 300
    daemon.start()
    assert leases_of(daemon)[phone] == PHONE
    assert states(daemon).popitem()[1] == "active"
    daemon.kill()


def test_a_clock_years_ahead_ends_no_lease_early(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    daemon = Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed)
    with daemon:
        phone = lan.boots()
        assert daemon.stop() == 0
    # What the daemon wrote ten years ago: everything of that run is shifted, so that now is the future.
    shift(state, -YEARS)
    with daemon:
        daemon.wait_for("CLOCK-LEAPT")
        assert states(daemon) == {colons(PHONE): "active"}
        assert lan.http(f"{PHONE}.cfg", phone), "it is still that phone, and may have its secrets"
        daemon.kill()
        daemon.start()
        assert states(daemon) == {colons(PHONE): "active"}, "a kill and a second start later"


def colons(mac: str) -> str:
    return ":".join(mac[i : i + 2] for i in range(0, 12, 2))


def shift(state: Path, seconds: int) -> None:
    """Make the mark and the leases of a stopped daemon older (or, with a positive number, younger)."""
    (state / "clock").write_text(f"{mark(state) + seconds}\n")
    database = sqlite3.connect(state / "provd.db")
    database.execute("UPDATE lease SET starts = starts + ?, expires = expires + ?", (seconds, seconds))
    database.commit()
    database.close()


def test_leases_from_the_future_end_like_others(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    daemon = Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed)
    with daemon:
        phone = lan.boots()
        assert daemon.stop() == 0
    shift(state, YEARS)
    (state / "clock").unlink()
    with daemon:
        row = daemon.json("lease", "list")[0]
        assert row["state"] == "active"
        assert row["ip"] == phone
        lasts = datetime.fromisoformat(row["expires"]) - datetime.now(tz=UTC)  # noqa: TID251 - the daemon's clock is real
        assert timedelta(seconds=3000) < lasts <= timedelta(seconds=3601), "an hour from now, and not in ten years"
