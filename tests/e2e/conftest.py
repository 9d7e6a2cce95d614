"""A daemon keeps what it keeps in a file of its own, or in a PostgreSQL."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.storage.conftest import PostgresServer

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of ours, on a socket in a short path of its own."""
    if not Path("/usr/lib/postgresql/15/bin/initdb").exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("PostgreSQL 15 is not installed")
    folder = Path(tempfile.mkdtemp(prefix="provd-pg-"))
    server = PostgresServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.peer)])
def database(request: pytest.FixtureRequest) -> str:
    """The section of the configuration."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"provd_{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name}")
    return f'[database]\nurl = "{server.url(name)}"\n'
