"""A client that we did not write, unchanged: it finds us by the name of its product, as it finds its own service."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, loopback_config
from tests.kit.netns import Bed

pytestmark = [pytest.mark.peer, pytest.mark.root]
if os.geteuid() != 0:
    pytest.skip("needs root", allow_module_level=True)

CLIENT = """
import json, sys, warnings
warnings.simplefilter("ignore")
from murano_client.http import MuranoHTTP

host, sn = sys.argv[1:]
told = {}
client = MuranoHTTP(murano_host=host, murano_id=sn, http_timeout=200)
client.http_activate()
told["token"] = client.murano_token()
told["listed"] = client._http_listContent().text
told["info"] = client._http_getContentInfo("settings").text
told["content"] = client._http_getContent("settings").text
again = MuranoHTTP(murano_host=host, murano_id=sn, http_timeout=200)
told["again"] = repr(again._http_activate())
print(json.dumps(told))
"""


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed() as made:
        names = Path("/etc/netns") / made.server
        names.mkdir(parents=True)
        (names / "hosts").write_text("127.0.0.1 localhost sensor.m2.example other.m2.example\n")
        yield made
        shutil.rmtree(names)


def asked(bed: Bed, host: str, sn: str) -> dict[str, str]:
    done = bed.run(bed.server, sys.executable, "-c", CLIENT, host, sn, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_it_activates_and_fetches(bed: Bed, tmp_path: Path) -> None:
    config, port = loopback_config(tmp_path / "state")
    settings = tmp_path / "settings"
    settings.write_text("rate=5")
    with Daemon(config, tmp_path, bed=bed) as daemon:
        daemon.provd("activation", "model", "add", "sensor", "sensor")
        daemon.provd("activation", "serial", "add", "sensor", "sensor", "S1")
        daemon.provd("activation", "enable", "sensor", "sensor", "S1")
        daemon.provd("activation", "content", "add", "sensor", "sensor", "settings", "--meta", "v1")
        sent = ("activation", "content", "send", "sensor", "sensor", "settings", str(settings), "--type", "text/x")
        daemon.provd(*sent)
        told = asked(bed, f"http://sensor.m2.example:{port}", "S1")
        assert len(told["token"]) == 40
        assert (told["listed"], told["content"]) == ("settings", "rate=5")
        assert told["info"].startswith("text/x,6,")
        assert "409" in told["again"]
        assert "success: False" in told["again"]
        assert daemon.json("activation", "show", "sensor", "sensor", "S1")["first_used"]
        for host, sn, status in (("sensor", "S9", "404"), ("other", "S1", "403")):
            assert status in asked(bed, f"http://{host}.m2.example:{port}", sn)["again"]
