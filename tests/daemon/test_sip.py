"""The daemon answers SIP where its configuration says so, counts it, and takes changed settings while it runs."""

from __future__ import annotations

import re
import socket
import urllib.request
from pathlib import Path

from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE
from tests.sip.stage import Heard, Phone, heard


def ask(port: int, octets: bytes) -> Heard:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.sendto(octets, ("127.0.0.1", port))
        return heard(sock.recv(4000))


def metrics_of(config: str) -> str:
    found = re.search(r'\[api\]\nlisten = \["([^"]+)"\]', config)
    assert found
    with urllib.request.urlopen(f"http://{found[1]}/metrics", timeout=PATIENCE) as answer:
        return answer.read().decode()


def test_it_listens_counts_and_reloads(tmp_path: Path) -> None:
    text, _ = loopback_config(tmp_path / "state")
    found = re.search(r'\[sip\]\nlisten = \["127.0.0.1:(\d+)"\]\n', text)
    assert found
    port = int(found[1])
    phone = Phone(1, host="127.0.0.1")
    with Daemon(text, tmp_path) as daemon:
        assert f"sip 127.0.0.1:{port}" in daemon.json("status")["listeners"]
        challenge = ask(port, phone.register())
        assert challenge.code == 401
        assert len(challenge.headers["www-authenticate"]) == 2
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as sock:
            sock.sendall(Phone(1, transport="tcp").request("OPTIONS", "sip:h"))
            assert sock.recv(4000).startswith(b"SIP/2.0 200 OK")
        metrics = metrics_of(text)
        assert 'provd_sip_total{what="challenged"} 1.0' in metrics
        assert 'provd_sip_present{what="registrations"} 0.0' in metrics

        daemon.config.write_text(text.replace("[sip]\n", '[sip]\ndigest = ["MD5"]\n'))
        daemon.reload()
        assert daemon.wait_for("RELOADED").endswith("changed=sip.digest")
        assert len(ask(port, phone.register()).headers["www-authenticate"]) == 1

        daemon.config.write_text(text.replace(f":{port}", ":5099"))
        daemon.reload()
        assert "restart_needed=sip.listen" in daemon.wait_for("RELOADED")


def test_without_listeners_there_is_none(tmp_path: Path) -> None:
    text, _ = loopback_config(tmp_path / "state", sections="[sip]\nlisten = []\n")
    with Daemon(text, tmp_path) as daemon:
        assert not [line for line in daemon.json("status")["listeners"] if line.startswith("sip")]
        assert "provd_sip_total" not in metrics_of(text)
