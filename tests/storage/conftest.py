"""A store on SQLite and on a PostgreSQL of our own, and what the tests of storage share."""

from __future__ import annotations

import contextlib
import itertools
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from provd.base.facts import Fact
from provd.storage.store import Store
from provd.storage.writer import Limits
from tests.kit import databases
from tests.kit.patience import PATIENCE

F = TypeVar("F", bound=Fact)

_BIN = Path("/usr/lib/postgresql/15/bin")


class StillClock:
    """A clock that stands still."""

    def now(self) -> float:
        return 1_700_000_000.0


@dataclass
class Place:
    """Somewhere a store can be opened, again and again."""

    url: str
    state_dir: Path
    facts: list[Fact] = field(default_factory=list)
    hears: Callable[[Fact], None] | None = None
    _open: list[Store] = field(default_factory=list)

    def emit(self, fact: Fact) -> None:
        self.facts.append(fact)
        if self.hears:
            self.hears(fact)

    def open(self, **limits: Any) -> Store:
        """A store that waits for a slow server as long as a test does, unless it is told otherwise."""
        some = Limits(**{"patience": PATIENCE, **limits})
        store = Store.open(self.url, self.state_dir, StillClock(), self.emit, limits=some)
        self._open.append(store)
        return store

    def reopen(self) -> Store:
        self.close()
        return self.open()

    def close(self) -> None:
        while self._open:
            self._open.pop().close()

    def told(self, kind: type[F]) -> list[F]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


class PostgresServer:
    """A PostgreSQL on a unix socket in its own folder, run as a user that is not root."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._as: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
            self._as = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self._run("initdb", "-D", str(folder / "data"), "-U", "provd", "-A", "trust", "-E", "UTF8", "--no-locale")
        self.start()

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as, str(_BIN / program), *arguments]
        # Not through a pipe: the server inherits it and the reader would wait for the server's end.
        with (self.folder / "log").open("ab") as log:
            subprocess.run(command, check=True, stdout=log, stderr=log, cwd="/", timeout=PATIENCE)

    def start(self) -> None:
        options = f"-k {self.folder} -c listen_addresses='' -c max_connections=20 -c shared_buffers=8MB"
        self._run("pg_ctl", "-w", "-t", "200", "-D", str(self.folder / "data"), "-o", options, "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-w", "-t", "200", "-D", str(self.folder / "data"), "-m", "immediate", "stop")

    def url(self, database: str) -> str:
        return f"postgresql://provd@/{database}?host={self.folder}"

    def execute(self, sql: str, *parameters: object, database: str = "postgres") -> list[tuple[Any, ...]]:
        import psycopg

        with psycopg.connect(dbname=database, user="provd", host=str(self.folder), autocommit=True) as connection:
            cursor = connection.execute(sql.encode(), parameters)
            return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """One of its own while it is needed; skips the test where there is none, and fails it where CI=true."""
    if not (_BIN / "initdb").exists():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)("PostgreSQL 15 is not installed")
    # A short path of its own: socket names are limited to 107 octets, and pytest's folders are closed to other users.
    folder = Path(tempfile.mkdtemp(prefix="provd-pg-"))
    server = PostgresServer(folder)
    yield server
    server.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


_NUMBERS = itertools.count(1)


@pytest.fixture
def sqlite_place(tmp_path: Path) -> Iterator[Place]:
    place = Place("sqlite", tmp_path / "state")
    yield place
    place.close()


@pytest.fixture
def postgres_place(postgres: PostgresServer, tmp_path: Path) -> Iterator[Place]:
    name = f"provd_{next(_NUMBERS)}"
    postgres.execute(f"CREATE DATABASE {name}")
    place = Place(postgres.url(name), tmp_path / "state")
    yield place
    place.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.peer)])
def place(request: pytest.FixtureRequest) -> Place:
    found: Place = request.getfixturevalue(f"{request.param}_place")
    return found


@pytest.fixture
def store(place: Place) -> Store:
    """What is there from the beginning is no concern of those who take this."""
    if place.url == "sqlite":
        databases.lay_out(place.state_dir)
    return place.open()
