"""The sockets that are open before there is somebody to answer."""

import asyncio
import socket
from pathlib import Path

import pytest

from provd.base.errors import ConfigError
from provd.config.settings import Settings
from provd.daemon.doors import Doors
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port


def test_a_port_that_cannot_be_had_leaves_nothing_open(tmp_path: Path) -> None:
    first, taken = free_port(), free_port()
    settings = Settings.model_validate(
        {
            "server": {"state_dir": str(tmp_path)},
            "api": {"listen": [f"127.0.0.1:{first}", f"127.0.0.1:{taken}"]},
        }
    )
    doors = Doors()
    with socket.create_server(("127.0.0.1", taken)):
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{taken}"):
            doors.open(settings)
        assert list(tmp_path.iterdir()) == []
        socket.create_server(("127.0.0.1", first)).close()
    doors.open(settings)
    assert doors.addresses == (f"127.0.0.1:{first}", f"127.0.0.1:{taken}")
    doors.close()
    assert list(tmp_path.iterdir()) == []


async def test_somebody_who_knocks_is_heard_and_still_waits(tmp_path: Path) -> None:
    settings = Settings.model_validate(
        {"server": {"state_dir": str(tmp_path)}, "api": {"listen": [f"127.0.0.1:{free_port()}"]}}
    )
    doors = Doors()
    doors.open(settings)
    knocked = asyncio.create_task(doors.knocked())
    await asyncio.sleep(0)
    assert not knocked.done()
    host, _, port = doors.addresses[0].partition(":")
    with socket.create_connection((host, int(port))) as caller:
        await asyncio.wait_for(knocked, PATIENCE)
        opened = doors.take()
        connection, address = opened.pages[0].accept()
        assert address == caller.getsockname()
        for listener in (connection, opened.control, *opened.pages):
            listener.close()
