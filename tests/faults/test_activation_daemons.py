"""Several daemons on one PostgreSQL: one winner for each serial, over HTTP, whoever is asked."""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, loopback_config
from tests.storage.conftest import PostgresServer, postgres_server

pytestmark = pytest.mark.peer
SERIALS, CONTENDERS, AT_ONCE = 20, 100, 150


@pytest.fixture
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server


async def ask(port: int, sn: str, turn: asyncio.Semaphore) -> tuple[str, int, str]:
    """Serial, status and body. Where the database is slow a device hears 503, and asks again."""
    body = f"vendor=acme&model=s2&sn={sn}"
    head = f"POST /provision/activate HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    async with turn:
        status = 503
        while status == 503:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write((head + body).encode())
            octets = await reader.read()
            writer.close()
            top, _, text = octets.decode().partition("\r\n\r\n")
            status = int(top.split()[1])
    return sn, status, text


async def contend(ports: list[int]) -> list[tuple[str, int, str]]:
    turn = asyncio.Semaphore(AT_ONCE)
    asked = [
        ask(ports[contender % len(ports)], f"S{number}", turn)
        for contender in range(CONTENDERS)
        for number in range(SERIALS)
    ]
    return await asyncio.gather(*asked)


@pytest.mark.parametrize("count", [2, 3])
def test_each_serial_has_one_winner_over_all_daemons(postgres: PostgresServer, tmp_path: Path, count: int) -> None:
    postgres.execute("CREATE DATABASE provd")
    database = f'[database]\nurl = "{postgres.url("provd")}"\n'
    with contextlib.ExitStack() as running:
        ports: list[int] = []
        daemons: list[Daemon] = []
        for number in range(count):
            folder = tmp_path / f"d{number}"
            state = folder / "state"
            state.mkdir(parents=True, mode=0o700)
            if daemons:
                # The same key, as on the machines of one site.
                shutil.copy(tmp_path / "d0" / "state" / "master.key", state / "master.key")
            config, port = loopback_config(state, sections=database)
            daemons.append(running.enter_context(Daemon(config, folder)))
            ports.append(port)
        daemons[0].provd("activation", "model", "add", "acme", "s2")
        serials = tmp_path / "serials.csv"
        serials.write_text("".join(f"S{number}\n" for number in range(SERIALS)))
        daemons[0].provd("activation", "serial", "import", "acme", "s2", str(serials))
        for number in range(SERIALS):
            daemons[number % count].provd("activation", "enable", "acme", "s2", f"S{number}")

        answers = asyncio.run(contend(ports))

        assert Counter(status for _, status, _ in answers) == {200: SERIALS, 409: SERIALS * (CONTENDERS - 1)}
        keys = {sn: text for sn, status, text in answers if status == 200}
        assert len(keys) == len(set(keys.values())) == SERIALS
        assert all(re.fullmatch("[0-9a-f]{40}", key) for key in keys.values())
        # A key that one daemon gave is known to all of them, and dead at all of them at once.
        shown = daemons[0].json("activation", "list", "acme", "s2")
        assert {row["state"] for row in shown} == {"activated"}
        assert [asyncio.run(download(port, keys["S7"])) for port in ports] == [200] * count
        daemons[-1].provd("activation", "disable", "acme", "s2", "S7")
        assert [asyncio.run(download(port, keys["S7"])) for port in ports] == [401] * count


async def download(port: int, key: str) -> int:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    path = "/provision/download?vendor=acme&model=s2"
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Exosite-CIK: {key}\r\n\r\n".encode())
    octets = await reader.read()
    writer.close()
    return int(octets.split()[1])
