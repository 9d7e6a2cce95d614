"""A daemon keeps what it keeps in a file of its own, or in a PostgreSQL."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from tests.storage.conftest import PostgresServer, postgres_server

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server of ours, on a socket in a short path of its own."""
    with postgres_server() as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.peer)])
def database(request: pytest.FixtureRequest) -> str:
    """The section of the configuration."""
    if request.param == "sqlite":
        return ""
    server: PostgresServer = request.getfixturevalue("postgres")
    name = f"provd_{next(_NUMBERS)}"
    server.execute(f"CREATE DATABASE {name}")
    return f'[database]\nurl = "{server.url(name)}"\n'
