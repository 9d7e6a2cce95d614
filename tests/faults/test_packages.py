"""Packages while the daemon is killed, the disk is full, or what was installed turns out to be bad."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from provd.plugins.package.minisign import SecretKey, new_key
from provd.plugins.package.publish import build
from tests.conftest import program
from tests.kit import acme
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.fault]

TEXTS = {"1.0.0": "greeting = hello\n", "1.1.0": "greeting = {{ model.name }}\n"}
FILES = {"1.0.0": b"greeting = hello\n", "1.1.0": b"greeting = A1\n"}
PHONES = [f"02aaaa{number:06x}" for number in range(1, 21)]
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x = 1\n"
GIGABYTES = "{% for a in range(99999) %}{{ 'x' * 99999 }}\n{% endfor %}"
RAISES = "{{ device.shoe_size }}\n"


class Site:
    """A daemon, and packages of a plugin for it."""

    def __init__(self, folder: Path, state: Path | None = None) -> None:
        self.key: SecretKey = new_key()
        self.folder = folder
        self.state = state or folder / "state"
        config, self.port = loopback_config(self.state, sections=f'[plugins]\nkeys = ["{self.key.public}"]\n')
        self.daemon = Daemon(config, folder)

    def package(self, version: str, text: str) -> str:
        source = acme.install(self.folder / version, version=version, common=text, rom=b"rom")
        (source / "README.md").write_text("Acme phones.\n")
        return str(build(source, self.folder / "public", self.key).path)

    def get(self, name: str = "acme.cfg") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("GET", f"/{name}")
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, body

    def in_force(self) -> str:
        return next((row["version"] for row in self.daemon.json("plugin", "list") if row["id"] == "acme"), "")

    def begin(self) -> None:
        self.daemon.provd("plugin", "install", self.package("1.0.0", TEXTS["1.0.0"]))
        self.daemon.provd(
            "device", "import", "-", stdin="mac,vendor,model\n" + "".join(f"{m},Acme,A1\n" for m in PHONES)
        )


@contextmanager
def killed_at(daemon: Daemon, call: str, when: int, *on: str) -> Iterator[None]:
    """The daemon is killed when one of its threads makes this system call for the so-manieth time from now on (``on``
    these files or folders)."""
    strace = subprocess.Popen(
        [program("strace"), "-f", *(f"-P{path}" for path in on), "-o", "/dev/null", "-e", f"trace={call}",
         "-e", f"inject={call}:signal=SIGKILL:when={when}", "-p", str(daemon.pid)],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert strace.stderr is not None
    assert "attached" in strace.stderr.readline()
    try:
        yield
    finally:
        strace.terminate()
        strace.wait(PATIENCE)
        strace.stderr.close()


STEPS = (("rename", 1, False), ("rename", 1, True), ("fsync", 4, False))
"""System calls of an upgrade, and whether its package is on the shelf before. The shelf alone is killed at each of its
steps beside its other tests."""


@pytest.mark.peer
def test_killed_in_the_middle_of_an_upgrade_and_of_the_way_back(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.daemon as daemon:
        site.begin()
        second = site.package("1.1.0", TEXTS["1.1.0"])

        def survives(call: str, when: int, *command: str) -> bool:
            """Whether the daemon was killed over it; what is in force then is served, and it is the old or the new."""
            assert daemon.process is not None
            with killed_at(daemon, call, when):
                done = daemon.provd(*command, check=False)
                killed = done.returncode != 0
                if killed:
                    assert daemon.process.wait(PATIENCE) == -9, done
            if killed:
                daemon.start()
            assert site.get() == (200, FILES[site.in_force()]), (call, when)
            return killed

        for call, when, there in STEPS:
            if there:
                daemon.provd("plugin", "install", second, "--dry-run")
            assert survives(call, when, "plugin", "install", second, "--yes")
            done = daemon.provd("plugin", "install", second, "--yes", check=False)
            assert done.returncode == 0, (call, when, there, done.stderr, done.stdout)
            assert (site.in_force(), site.get()) == ("1.1.0", (200, FILES["1.1.0"]))
            if there:
                assert survives("rename", 1, "plugin", "rollback", "acme", "--yes")
            if site.in_force() == "1.1.0":
                daemon.provd("plugin", "rollback", "acme", "--yes")
            assert (site.in_force(), site.get()) == ("1.0.0", (200, FILES["1.0.0"]))
            daemon.provd("plugin", "remove", "acme", "--version", "1.1.0")
        assert not [line for line in daemon.log if "PLUGIN-BROKEN" in line or "INTERNAL-ERROR" in line]


@pytest.mark.peer
def test_killed_between_the_switch_and_what_it_brings_into_ones_own_templates(tmp_path: Path) -> None:
    site = Site(tmp_path)
    texts = {"1.0.0": "a = 1\nb = 2\nc = 3\nd = 4\n", "1.1.0": "a = 1\nb = 2\nc = 3\nd = 5\n"}
    with site.daemon as daemon:
        daemon.provd("plugin", "install", site.package("1.0.0", texts["1.0.0"]))
        mine = texts["1.0.0"].replace("a = 1", "a = mine")
        daemon.provd("template", "set", "A1/common.cfg.j2", "-", stdin=mine)
        second = site.package("1.1.0", texts["1.1.0"])
        daemon.provd("plugin", "install", second, "--dry-run")
        assert daemon.process is not None
        # The choice is renamed, and its folder synced: there it ends.
        with killed_at(daemon, "fsync", 1, str(site.state / "packages/acme")):
            assert daemon.provd("plugin", "install", second, "--yes", check=False).returncode
            assert daemon.process.wait(20) == -9
        choice = json.loads((site.state / "packages/acme/choice.json").read_bytes())
        assert choice == {"in_force": "1.1.0", "history": ["", "1.0.0"], "merging": "control"}
        daemon.start()
        deadline = time.monotonic() + 30
        while site.get() != (200, b"a = mine\nb = 2\nc = 3\nd = 5\n"):
            assert time.monotonic() < deadline, site.get()
            time.sleep(0.05)
        assert [row["state"] for row in daemon.json("template", "list")] == ["in force"]


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_takes_no_package_and_changes_nothing(tmp_path: Path, small: Path) -> None:
    site = Site(tmp_path, small)
    with site.daemon as daemon:
        site.begin()
        second = site.package("1.1.0", TEXTS["1.1.0"])
        ballast = small / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass
        refused = daemon.provd("plugin", "install", second, "--yes", check=False)
        assert refused.returncode == 1
        assert "No space left on device; nothing was changed" in refused.stderr
        assert not list((small / "packages/.entry").iterdir()), "nothing is left half written"
        assert (site.in_force(), site.get()) == ("1.0.0", (200, FILES["1.0.0"]))
        ballast.unlink()
        daemon.wait_for("RECOVERED") if any("DEGRADED" in line for line in daemon.log) else None
        daemon.provd("plugin", "install", second, "--yes")
        assert (site.in_force(), site.get()) == ("1.1.0", (200, FILES["1.1.0"]))
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


def test_a_disk_on_which_there_is_no_room_to_unpack_it(tmp_path: Path, small: Path) -> None:
    site = Site(tmp_path, small)
    with site.daemon as daemon:
        site.begin()
        source = acme.install(tmp_path / "large", version="1.1.0", common=TEXTS["1.1.0"], rom=bytes(2 << 20))
        (source / "README.md").write_text("Acme phones.\n")
        second = str(build(source, tmp_path / "public", site.key).path)
        with (small / "ballast").open("wb") as file:
            file.write(bytes(shutil.disk_usage(small).free - (3 << 20)))
        refused = daemon.provd("plugin", "install", second, "--yes", check=False)
        assert refused.returncode == 1
        assert "No space left on device; nothing was changed" in refused.stderr
        assert not list((small / "packages/.entry").iterdir()), "nothing is left of it"
        assert (site.in_force(), site.get()) == ("1.0.0", (200, FILES["1.0.0"]))
        (small / "ballast").unlink()
        daemon.provd("plugin", "install", second, "--yes")
        assert (site.in_force(), site.get()) == ("1.1.0", (200, FILES["1.1.0"]))
        assert not [line for line in daemon.log if "INTERNAL-ERROR" in line]


@pytest.mark.parametrize("text", [LOOPS, GIGABYTES, RAISES], ids=["loops", "gigabytes", "raises"])
def test_what_turns_bad_keeps_the_last_good_file_and_is_told(tmp_path: Path, text: str) -> None:
    """A template that its check could not find out about: it is bad for these devices only."""
    site = Site(tmp_path)
    with site.daemon as daemon:
        site.begin()
        assert site.get() == (200, FILES["1.0.0"])
        for mac in PHONES:
            assert site.get(f"{mac}.cfg")[0] == 200
        hidden = f"{{% if device and device.mac == '{PHONES[0]}' %}}{text}{{% else %}}mac = fine\n{{% endif %}}"
        bad = acme.install(tmp_path / "bad", version="1.2.0", common=TEXTS["1.1.0"], rom=b"rom")
        (bad / "README.md").write_text("Acme phones.\n")
        (bad / "templates/device.cfg.j2").write_text(hidden)
        package = str(build(bad, tmp_path / "public", site.key).path)
        refused = daemon.provd("plugin", "install", package, "--yes", check=False)
        assert refused.returncode == 5, "the dry run has seen it"
        assert "some device would be worse off" in refused.stderr
        assert site.in_force() == "1.0.0"

        waits: list[float] = []
        over = threading.Event()

        def ask() -> None:
            while not over.is_set():
                began = time.monotonic()
                assert site.get("acme.cfg")[0] == 200
                waits.append(time.monotonic() - began)
                over.wait(0.01)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            daemon.provd("plugin", "install", package, "--yes", "--force")
            assert site.get(f"{PHONES[0]}.cfg") == (200, f"mac = {PHONES[0]}\n".encode())
            daemon.wait_for("RENDER-FAILED")
            assert site.get(f"{PHONES[1]}.cfg") == (200, b"mac = fine\n"), "it is bad for nobody else"
        finally:
            over.set()
            asking.join(PATIENCE)
        assert waits, "phones were there all the time"
        failed = next(line for line in daemon.log if "RENDER-FAILED" in line)
        assert "last_good=yes" in failed or "last_good=true" in failed.lower(), failed
