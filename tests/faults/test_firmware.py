"""The plug is pulled while firmware is fetched, and while it is rolled out; a disk that is full in the midst of it."""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import re
import subprocess
import threading
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

import pytest

from provd.app.firmware.ports import Wanted
from provd.app.works import Progress
from provd.base.errors import StorageError
from provd.plugin.phone import Fetched
from provd.plugins.firmware.stock import Stock
from provd.plugins.firmware.supply import Supply
from provd.simulate.tftp_client import tftp_get
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.fault

IMAGE = bytes(range(256)) * 8000
"""Two megabytes."""
NAME = "T27-45.83.0.35.rom"
PHONES = [f"805ec0{number:06x}" for number in range(60)]


class Mirror:
    """A web server that gives half of the image and then waits, the first time."""

    def __init__(self) -> None:
        self.ranges: list[str] = []
        self.half = threading.Event()
        self.over = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked = self.headers.get("Range", "")
                mirror.ranges.append(asked)
                start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
                self.send_response(206 if asked else 200)
                if asked:
                    self.send_header("Content-Range", f"bytes {start}-{len(IMAGE) - 1}/{len(IMAGE)}")
                self.send_header("Content-Length", str(len(IMAGE) - start))
                self.send_header("ETag", '"v1"')
                self.end_headers()
                if asked:
                    self.wfile.write(IMAGE[start:])
                    return
                self.wfile.write(IMAGE[: len(IMAGE) // 2])
                mirror.half.set()
                mirror.over.wait(PATIENCE)

            def log_message(self, *_: object) -> None:
                """Nobody reads it."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/{NAME}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        self._server.shutdown()
        self._thread.join(PATIENCE)
        self._server.server_close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[Daemon, int]]:
    config, port = loopback_config(tmp_path / "state")
    with Daemon(config, tmp_path) as daemon:
        yield daemon, port


def fetched(port: int, path: str, agent: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", path, headers={"User-Agent": agent} if agent else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def test_what_was_fetched_by_then_is_not_fetched_again(site: tuple[Daemon, int]) -> None:
    daemon, port = site
    with Mirror() as mirror:
        fetching = subprocess.Popen(
            [*daemon.command("firmware", "fetch", "T27", "45.83.0.35", "--url", mirror.url)],
            env=daemon.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        assert mirror.half.wait(PATIENCE)
        (part,) = _until(lambda: [path for path in _parts(daemon) if path.stat().st_size >= len(IMAGE) // 2])
        fetching.terminate()  # nobody watches any more, and it goes on
        fetching.wait(PATIENCE)
        daemon.kill()
        assert part.read_bytes() == IMAGE[: len(IMAGE) // 2]
        daemon.start()
        (work,) = daemon.json("operation", "list")
        daemon.provd("operation", "wait", work["id"])
        assert mirror.ranges == ["", f"bytes={len(IMAGE) // 2}-"]
    assert daemon.json("firmware", "show", "T27")["sha256"] == hashlib.sha256(IMAGE).hexdigest()
    assert fetched(port, f"/{NAME}") == (200, IMAGE)
    tftp = int(re.search(r'\[tftp\]\nlisten = \["127.0.0.1:(\d+)"', daemon.config.read_text())[1])  # type: ignore[index]
    answer = asyncio.run(tftp_get("127.0.0.1", NAME, port=tftp, blksize=1400))
    assert isinstance(answer, Fetched)
    assert answer.body == IMAGE
    assert _parts(daemon) == []


def test_a_rollout_goes_on_where_it_was(site: tuple[Daemon, int], tmp_path: Path) -> None:
    daemon, port = site
    image = tmp_path / NAME
    image.write_bytes(IMAGE)
    daemon.provd("firmware", "upload", str(image), "--name", "T27", "--version", "45.83.0.35")
    table = "\n".join(["mac,vendor,model", *(f"{mac},Yealink,T27P" for mac in PHONES)])
    daemon.provd("device", "import", "-", stdin=table)

    def come(macs: list[str], version: str) -> dict[str, bool]:
        """Each fetches its file: whether it is to run the image."""
        told = {}
        for mac in macs:
            colons = ":".join(re.findall("..", mac))
            status, body = fetched(port, f"/{mac}.cfg", f"Yealink SIP-T27P {version} {colons}")
            assert status == 200
            told[mac] = f"firmware.url = http://127.0.0.1:{port}/{NAME}".encode() in body
        return told

    come(PHONES, "45.80.0.95")
    daemon.provd(
        *("rollout", "add", "all", "--firmware", "T27", "--version", "45.83.0.35"),
        *("--ring", "half=50", "--ring", "rest=100", "--start"),
    )
    daemon.wait_for("ROLLOUT-GIVEN")
    daemon.kill()
    daemon.start()
    _until(lambda: sum(row["waiting"] for row in daemon.json("rollout", "show", "all")["by_ring"]) == 30)
    told = come(PHONES, "45.80.0.95")
    assert sum(told.values()) == 30
    come([mac for mac, wanted in told.items() if wanted], "45.83.0.35")
    daemon.wait_for("state=running ring=rest")
    daemon.kill()
    daemon.start()
    assert all(come(PHONES, "45.83.0.35").values())
    daemon.wait_for("state=done")
    shown = daemon.provd("rollout", "show", "all").stdout
    assert shown.startswith("60 of 60 on 45.83.0.35 (done, ring rest)")
    assert daemon.provd("firmware", "remove", "T27", check=False).returncode == 5
    daemon.provd("rollout", "rollback", "all")
    daemon.wait_for("state=rolled-back")
    _until(lambda: not any(come(PHONES, "45.83.0.35").values()))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A folder on a file system of half a megabyte."""
    folder = tmp_path / "firmware"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.root
async def test_a_disk_that_is_full_in_the_midst_of_it(small: Path) -> None:
    stock = Stock(small, _Clock(), lambda _: None)
    supply = Supply(stock, _Clock(), free=lambda _: 1 << 40)

    async def coming() -> AsyncIterator[bytes]:
        for start in range(0, len(IMAGE), 100_000):
            yield IMAGE[start : start + 100_000]

    with pytest.raises(StorageError, match="No space left on device; nothing was kept"):
        await supply.receive(coming())
    with Mirror() as mirror:
        mirror.over.set()
        wanted = Wanted("yealink", "T27", "45.83.0.35", "firmware", ("T27P",), (NAME,), sha256="0" * 64)
        with pytest.raises(StorageError, match="No space left on device; nothing was kept"):
            await supply.fetch(wanted, mirror.url, Progress())
    assert _files(small) == []
    assert stock.held() == []


class _Clock:
    def now(self) -> float:
        return 1_800_000_000.0


def _parts(daemon: Daemon) -> list[Path]:
    return sorted((daemon.config.parent / "state/firmware/.entry").glob("*.part"))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _until(condition, seconds: float = PATIENCE):  # type: ignore[no-untyped-def]
    """What the condition gives, once that is something."""
    waiting = threading.Event()
    for _ in range(int(seconds / 0.05)):
        found = condition()
        if found:
            return found
        waiting.wait(0.05)
    raise AssertionError("it does not come to that")
