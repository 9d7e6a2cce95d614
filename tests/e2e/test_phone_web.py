"""A phone that is registered nowhere is told through its own web server, with the password that its file has set."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from tests.e2e.test_dialing import tenant
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONE, Lan, phone_bed, socket_in
from tests.outbound.test_action import WebServer

pytestmark = pytest.mark.root

PATH = "/servlet?key=AutoP"


class Web:
    """The phone's web server, at its own address."""

    def __init__(self, lan: Lan, ip: str) -> None:
        self.server = WebServer(password="admin", paths={PATH: (200, "ok")})
        self._sock = socket_in(lan.bed.client, socket.SOCK_STREAM)
        self._sock.bind((ip, 80))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def __enter__(self) -> WebServer:
        self._thread.start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        self._ended = asyncio.Event()
        async with await asyncio.start_server(self.server.serve, sock=self._sock):
            await self._ended.wait()


def test_it_is_told_with_the_password_that_it_has(tmp_path: Path) -> None:
    with (
        phone_bed() as bed,
        Lan(bed) as lan,
        Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon,
    ):
        tenant(daemon, "north", "101")
        daemon.provd("tenant", "set", "north", "--set", "admin.password=hunter2")
        ip = lan.boots()
        with Web(lan, ip) as web:
            daemon.provd("device", "assign", PHONE, "101")
            assert "way=http heard=accepted" in daemon.wait_for("RESYNC-SENT")
            assert [shown.split(" ")[0] for _, shown in web.requests] == ["", "", "Digest"], "as from the factory"
            assert b"security.user_password = admin:hunter2" in lan.http(f"{PHONE}.cfg", ip)
            daemon.wait_for("RESYNC-DONE")
            # Now it has its tenant's file, and with it another password.
            web.password = "hunter2"
            web.requests.clear()
            synced = daemon.json("device", "sync", PHONE)
            assert [(told["way"], told["heard"]) for told in synced["told"]] == [
                ("sip", "no-way"),
                ("ami", "no-way"),
                ("http", "accepted"),
            ]
            assert [shown.split(" ")[0] for _, shown in web.requests] == ["", "", "Digest"]
            web.password = "changed by hand"
            refused = daemon.provd("device", "sync", PHONE, check=False)
            assert refused.returncode == 1
            assert "no password of ours is right" in refused.stdout
        assert daemon.stop() == 0
        assert not [line for line in daemon.log if "hunter2" in line or "INTERNAL" in line]
