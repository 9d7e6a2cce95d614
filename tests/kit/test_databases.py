"""A database that is laid out is one that a first start has left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from provd.storage.store import Store
from tests.app.fakes import FakeClock
from tests.kit.databases import NAME, lay_out


def dump_of(state_dir: Path) -> list[str]:
    with closing(sqlite3.connect(state_dir / NAME)) as connection:
        return list(connection.iterdump())


def test_it_holds_the_same(tmp_path: Path) -> None:
    first, laid = tmp_path / "first", tmp_path / "laid"
    lay_out(laid)
    for folder in (first, laid):
        facts: list[object] = []
        Store.open("sqlite", folder, FakeClock(), facts.append).close()
    assert facts == []
    assert dump_of(first) == dump_of(laid)
    assert (first / NAME).stat().st_mode == (laid / NAME).stat().st_mode


def test_one_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"mine")
    lay_out(tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"mine"
