"""A plugin is installed, upgraded and taken back by hand, while phones go on asking for their files."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provd.plugins.package.minisign import SecretKey, new_key
from provd.plugins.package.publish import build
from tests.kit import acme
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

PHONES = [f"02aaaa{number:06x}" for number in range(1, 41)]


class Crowd:
    """Phones that ask for their two files again and again, over a connection each, and what they heard."""

    def __init__(self, port: int) -> None:
        self.heard: Counter[tuple[int, bytes]] = Counter()
        self.rounds = 0
        self._port = port
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(PHONES[first::4],)) for first in range(4)]

    def _ask(self, phones: list[str]) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        while not self._over.is_set():
            for mac in phones:
                for name in ("acme.cfg", f"{mac}.cfg"):
                    connection.request("GET", f"/{name}")
                    answer = connection.getresponse()
                    body = answer.read()
                    self.heard[answer.status, b"own" if mac.encode() in body else body] += 1
            self.rounds += 1
        connection.close()

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(PATIENCE)

    def goes_round(self) -> None:
        """Every phone has asked for everything once more."""
        enough = self.rounds + 2 * len(self._threads)
        deadline = time.monotonic() + PATIENCE
        while self.rounds < enough:
            assert time.monotonic() < deadline
            self._over.wait(0.01)


@pytest.fixture
def key() -> SecretKey:
    return new_key()


def package(folder: Path, key: SecretKey | None, version: str, common: str) -> str:
    source = acme.install(folder / version, version=version, common=common, rom=b"rom")
    (source / "README.md").write_text("Acme phones.\n")
    return str(build(source, folder / "public", key).path)


def daemon_of(folder: Path, key: SecretKey, sections: str = "") -> tuple[Daemon, int]:
    folder.mkdir()
    config, port = loopback_config(folder / "state", sections=f'[plugins]\nkeys = ["{key.public}"]\n{sections}')
    return Daemon(config, folder), port


def in_force(daemon: Daemon) -> str:
    return next((row["version"] for row in daemon.json("plugin", "list") if row["id"] == "acme"), "")


def test_a_life_of_a_plugin_without_one_failed_request(tmp_path: Path, key: SecretKey) -> None:
    first = package(tmp_path, key, "1.0.0", "greeting = hello\n")
    second = package(tmp_path, key, "1.1.0", "greeting = {{ model.name }}\n")
    made, port = daemon_of(tmp_path / "site", key)
    with made as daemon:
        said = daemon.provd("plugin", "install", first).stdout
        assert "acme 1.0.0: bronze, signed (file=acme-1.0.0.zip" in said
        assert "acme 1.0.0 is in force" in said
        table = "\n".join(["mac,vendor,model", *(f"{mac},Acme,A1" for mac in PHONES)])
        daemon.provd("device", "import", "-", stdin=table)

        crowd = Crowd(port)
        with crowd.asking():
            crowd.goes_round()
            tried = daemon.json("plugin", "install", second, "--dry-run")
            assert tried["outcome"]["changed"] == 1, "the common file"
            assert tried["outcome"]["same"] == len(PHONES)
            assert tried["outcome"]["diffs"][0]["diff"].splitlines()[1:] == ["-greeting = hello", "+greeting = A1"]
            assert in_force(daemon) == "1.0.0"
            daemon.provd("plugin", "upgrade", "acme", "--version", "1.1.0", "--yes")
            assert in_force(daemon) == "1.1.0"
            crowd.goes_round()
            daemon.provd("plugin", "rollback", "acme", "--yes")
            assert in_force(daemon) == "1.0.0"
            crowd.goes_round()
        statuses = Counter(status for status, _ in crowd.heard.elements())
        assert set(statuses) == {200}, crowd.heard
        assert {body for _, body in crowd.heard} == {b"own", b"greeting = hello\n", b"greeting = A1\n"}

        refused = daemon.provd("plugin", "remove", "acme", check=False)
        assert (refused.returncode, "40 devices use acme" in refused.stderr) == (5, True)
        assert daemon.json("plugin", "remove", "acme", "--to", "none")["moved"] == 40
        assert in_force(daemon) == ""


def test_what_is_refused_says_why_and_changes_nothing(tmp_path: Path, key: SecretKey) -> None:
    good = Path(package(tmp_path, key, "1.0.0", "greeting = hello\n"))
    made, _ = daemon_of(tmp_path / "site", key)
    with made as daemon:

        def refused(path: str) -> str:
            done = daemon.provd("plugin", "install", path, check=False)
            assert done.returncode == 1, done
            assert in_force(daemon) == ""
            return done.stderr

        tampered = tmp_path / "tampered.zip"
        tampered.write_bytes(good.read_bytes().replace(b"Acme phones", b"Evil phones"))
        tampered.with_name("tampered.zip.minisig").write_bytes(good.with_name(good.name + ".minisig").read_bytes())
        assert "it was changed or damaged" in refused(str(tampered))
        assert "which is not trusted" in refused(package(tmp_path / "stranger", new_key(), "1.0.0", "x = 1\n"))
        assert "has no signature" in refused(package(tmp_path / "unsigned", None, "1.0.0", "x = 1\n"))
        endless = package(
            tmp_path, key, "1.2.0", "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
        )
        assert "acme: file {common}: takes more than 2 s of processor time" in refused(endless)
        daemon.provd("plugin", "install", str(good))
        assert in_force(daemon) == "1.0.0"


def test_work_goes_on_after_a_kill(tmp_path: Path, key: SecretKey) -> None:
    path = Path(package(tmp_path, key, "1.0.0", "greeting = hello\n"))
    made, _ = daemon_of(tmp_path / "site", key)
    with made as daemon:
        entry = tmp_path / "site/state/packages/.entry"
        entry.mkdir(parents=True)
        (entry / "x.zip").write_bytes(path.read_bytes())
        (entry / "x.zip.minisig").write_bytes(path.with_name(path.name + ".minisig").read_bytes())
        connection = _control(daemon)
        connection.request("POST", "/v1/plugin.prepare", json.dumps({"package": "x.zip"}))
        work = json.loads(connection.getresponse().read())
        connection.close()
        assert work["state"] == "running"
        daemon.kill()
        daemon.start()
        over = daemon.json("operation", "wait", work["id"])
        assert (over["state"], over["result"]["staged"]["version"]) == ("done", "1.0.0")
        assert in_force(daemon) == "", "preparing is not switching"


def _control(daemon: Daemon) -> http.client.HTTPConnection:
    from provd.cli.client import _UnixConnection, settings_of

    return _UnixConnection(settings_of(str(daemon.config)).server.control_path)
