"""Databases for tests: what a first start leaves is made once, and copied for all that are not about first starts."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from provd.base.facts import Fact
from provd.storage.store import Store

NAME = "provd.db"


class _Still:
    def now(self) -> float:
        return 1_700_000_000.0


def _nobody(_fact: Fact) -> None:
    return None


@cache
def _octets() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        Store.open("sqlite", Path(folder), _Still(), _nobody).close()
        assert not list(Path(folder).glob(f"{NAME}-*")), "something of it lies beside it"
        return (Path(folder) / NAME).read_bytes()


def lay_out(state_dir: Path) -> None:
    """Put a database with nothing in it into that folder, unless it has one. Its key is still to be made."""
    path = state_dir / NAME
    if not path.exists():
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(_octets())
