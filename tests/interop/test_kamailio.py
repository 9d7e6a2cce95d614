"""The ready Kamailio configuration, run by Kamailio, with a telephone before it and the real daemon behind it."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import program
from tests.e2e.test_dialing import account_in, code_for, http, tenant
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port
from tests.kit.sip_phone import SipPhone

ROOT = Path(__file__).resolve().parents[2]
MAC = "805ec0112233"

pytestmark = pytest.mark.peer


@contextmanager
def kamailio(folder: Path, api: int, token: str) -> Iterator[int]:
    """Kamailio with the example, its placeholders filled in; gives its port."""
    port = free_port()
    text = (ROOT / "etc/examples/pbx/kamailio/provd.cfg").read_text()
    text = text.replace("PROVD_HOST:8666", f"127.0.0.1:{api}").replace("PROVD_TOKEN", token)
    config = folder / "kamailio.cfg"
    config.write_text(text.replace("127.0.0.1:5060", f"127.0.0.1:{port}"))
    command = [program("kamailio"), "-f", str(config), "-DD", "-E", "-m", "16", "-M", "4", "-n", "1", "-Y", str(folder)]
    with (folder / "kamailio.log").open("w") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield port
        finally:
            running.terminate()
            running.wait(PATIENCE)


def test_a_code_goes_from_kamailio_to_the_interface_for_programs(tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state", sections='[codes]\ndelay = "0s"\n')
    (api,) = re.findall(r'\[api\]\nlisten = \["127.0.0.1:(\d+)"\]', config)
    with Daemon(config, tmp_path) as daemon:
        tenant(daemon, "north", "101")
        code = code_for(daemon, "101")
        token = daemon.json("token", "add", "pbx", "--scope", "write")["token"]
        file = http(socket.socket(), f"http://127.0.0.1:{port}/{MAC}.cfg")
        user, password, _, _ = account_in(file)
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.1", 0))
        with kamailio(tmp_path, int(api), token) as proxy:
            phone = SipPhone(sock, ("127.0.0.1", proxy), user, password)
            try:
                assert phone.dial("00000000") == (404, "Unknown code")
                assert phone.dial("12%22,%22mac%22:%22x")[0] == 484, "nothing comes into the JSON text"
                assert phone.dial(code) == (480, "Welcome u101")
            finally:
                phone.close()
        shown = daemon.json("device", "show", MAC)
        assert (shown["tenant"], shown["lines"]) == ("north", ["101"])
        assert "via=rest" in "\n".join(line for line in daemon.log if "CODE-ACCEPTED" in line)
        assert daemon.stop() == 0
        assert not [line for line in daemon.log if "INTERNAL" in line or code in line or token in line]
