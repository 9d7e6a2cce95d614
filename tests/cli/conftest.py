"""A command line in front of a daemon's control socket with the real operations behind it, all in memory."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from click.testing import CliRunner

from provd.app.admin import Admin, Caller
from provd.app.codes.office import Office as CodeOffice
from provd.app.codes.terms import Terms
from provd.cli.root import cli
from provd.domain.records import Profile
from provd.http.control import ControlServer
from provd.http.listening import control_socket
from provd.observe.tail import Tail
from tests.app.fakes import OTHER, PHONE, MemoryJournal, World, claimed, lease, line, tenant
from tests.app.packages.shelf import acme_shelf, shop_of
from tests.app.test_admin import FakeAddresses
from tests.kit.patience import PATIENCE

BELL = "02:aa:aa:00:00:01"


@dataclass
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def rows(self) -> list[list[str]]:
        """The cells of a table without its head line."""
        return [row.split() for row in self.out.splitlines()[1:]]


class Shell:
    """Runs commands with one configuration file."""

    def __init__(self, folder: Path, text: str = "") -> None:
        self.state = folder / "state"
        self.state.mkdir(exist_ok=True)
        self.config = folder / "provd.toml"
        self.config.write_text(f'[server]\nstate_dir = "{self.state}"\n{text}')

    def __call__(self, *arguments: str, stdin: str | None = None) -> Answer:
        result = CliRunner().invoke(cli, ["--config", str(self.config), *arguments], input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Answer(result.exit_code, result.stdout, result.stderr)


class Office:
    """The control socket of a daemon that never was: its own thread and loop, records in memory."""

    def __init__(self, path: Path, *records: object) -> None:
        self._path = path
        self._loop = asyncio.new_event_loop()
        self._begun = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._live(),))
        self._records = records
        self.permitted = True
        self.tail = Tail()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._begun.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._loop.close()

    def stop(self) -> None:
        """Let the daemon end."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join(PATIENCE)

    def on_loop(self, call: Callable[[], object]) -> None:
        """Do something in the daemon's thread."""
        self._loop.call_soon_threadsafe(call)

    async def _live(self) -> None:
        self._ended = asyncio.Event()
        self.world = World(MemoryJournal(*self._records))
        self.world.fleet.load()
        self.codes = CodeOffice(
            station=self.world.boot.station,
            key=b"key-of-codes-for-tests-012345678",
            terms=Terms(),
            clock=self.world.clock,
            emit=self._told,
        )
        admin = Admin(
            fleet=self.world.fleet,
            boot=self.world.boot,
            clock=self.world.clock,
            emit=self._told,
            zone=lambda name: {"name": name} if name == "Europe/Madrid" else None,
            addresses=FakeAddresses(),
            codes=self.codes,
            tasks=self.world.tasks,
            shop=shop_of(self.world, acme_shelf()),
        )

        def operation(name: str) -> Callable[[dict[str, Any]], Any]:
            async def perform(params: dict[str, Any]) -> Mapping[str, Any]:
                result = await admin.call(name, params, Caller(name="control"))
                assert isinstance(result, Mapping)
                return result

            return perform

        self._operations = {name: operation(name) for name in admin.operations} | {"broken": self._broken}
        server = ControlServer(
            self._operations,
            self.tail.watch,
            emit=self._told,
            clock=self.world.clock,
            heartbeat=0.05,
            permit=lambda _caller: self.permitted,
        )
        await server.serve(control_socket(self._path))
        self._begun.set()
        await self._ended.wait()
        await server.close()

    async def _broken(self, _params: dict[str, Any]) -> Mapping[str, Any]:
        raise ZeroDivisionError

    def _told(self, fact: Any) -> None:
        self.world.facts.append(fact)
        self.tail([fact])

    def forget(self, operation: str) -> None:
        """As a daemon of a version that did not have it yet."""
        del self._operations[operation]

    def audit(self) -> list[str]:
        """What was done, as the audit has it."""
        return [fact.action for fact in self.world.facts if fact.ID == "ADMIN-CHANGED"]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A command line without a daemon."""
    return Shell(tmp_path)


@pytest.fixture
def office(shell: Shell) -> Iterator[Office]:
    """A furnished daemon for :func:`shell`."""
    records = (
        tenant(),
        tenant("south"),
        line("n1"),
        line("n2"),
        line("s1", "south"),
        Profile(id="desk", name="Desk"),
        claimed(PHONE, "n1", profile="desk", last_seen=999_900.0),
        claimed(OTHER),
        lease(PHONE, "10.0.0.9"),
    )
    with Office(shell.state / "control.sock", *records) as found:
        yield found
