"""Another version of a plugin on a real daemon: how long the fleet is rendered with both, how phones fare meanwhile,
and how long the switch keeps anybody waiting."""

from __future__ import annotations

import http.client
import json
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self

from provd.cli.client import _UnixConnection, settings_of
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.package.publish import build
from tests.bench.arena import Arena
from tests.bench.table import OURS, Floor, Report, Row
from tests.kit.daemon import Daemon, loopback_config

FLEET, MODELS = 5000, ("T21P", "T21P_E2", "T23P", "T27P", "T48G", "W52P", "W56P")
BESIDE = 23
"""Plugins beside those that come with provd: forty in all."""
PHONES = 400
EVERY = 0.005
"""Seconds between two requests of phones."""


def mac(number: int) -> str:
    return f"805ec0{number:06x}"


class Phones:
    """Asks for files of many phones, one after the other at a steady pace, and keeps how long each took."""

    def __init__(self, port: int) -> None:
        self.waits: list[float] = []
        self.wrong = 0
        self._port = port
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        began = time.monotonic()
        for turn in range(1_000_000):
            if self._over.is_set():
                break
            due = began + turn * EVERY
            time.sleep(max(0.0, due - time.monotonic()))
            # Who comes late because somebody was stalled has waited, too.
            asked = min(due, time.monotonic())
            connection.request("GET", f"/{mac(turn % PHONES)}.cfg")
            answer = connection.getresponse()
            answer.read()
            self.wrong += answer.status != 200
            self.waits.append(time.monotonic() - asked)
        connection.close()

    def share(self, part: float) -> float:
        """The wait in milliseconds that so many of a hundred stay below."""
        ordered = sorted(self.waits)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * part / 100))]


class Site:
    """A daemon with forty plugins and a fleet with a line each."""

    def __init__(self, folder: Path, fleet: int) -> None:
        self.folder = folder
        plugins = folder / "plugins"
        for number in range(BESIDE):
            generated(plugins, number)
        sections = f'[plugins]\npaths = ["{plugins}"]\ntrust = "local"\n'
        config, self.port = loopback_config(folder / "state", sections=sections)
        self.daemon = Daemon(config, folder)
        self._fleet = fleet

    def furnish(self) -> None:
        run = self.daemon.provd
        run("tenant", "add", "acme", "--set", "sip.server=pbx.example", "--set", "time.zone=Europe/Madrid")
        lines = "\n".join(["id,tenant,number,password", *(f"{n},acme,{n},secret" for n in range(self._fleet))])
        run("line", "import", "-", stdin=lines)
        rows = (f"{mac(n)},{MODELS[n % len(MODELS)]},acme,{n}" for n in range(self._fleet))
        run("device", "import", "-", stdin="\n".join(["mac,model,tenant,lines", *rows]))

    def call(self, operation: str, **params: object) -> Any:
        connection = _UnixConnection(settings_of(str(self.daemon.config)).server.control_path)
        connection.request("POST", f"/v1/{operation}", json.dumps(params))
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer

    def tried(self, version: str, *, template: str) -> tuple[float, dict[str, Any]]:
        """Lay a version into the entry and have it tried; the seconds of its dry run, and what came of it."""
        source = _copy(self.folder / version / "yealink", f'version = "{version}"')
        with (source / "templates" / template).open("a") as file:
            file.write(f"{{# {version} #}}\n")
        path = Path(build(source, self.folder / "public", None).path)
        entry = self.folder / "state/packages/.entry"
        entry.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, entry)
        work = self.call("plugin.prepare", package=path.name)
        began = 0.0
        while True:
            shown = self.call("operation.show", id=work["id"])
            now = time.monotonic()
            if shown["doing"] == "rendering":
                began = began or now
            if shown["state"] != "running":
                return now - began if began else 0.0, shown
            time.sleep(0.05)


def generated(root: Path, number: int) -> Path:
    """A plugin as large as the usual ones that has nothing to do with anybody else's devices."""
    word = f"vendor{number}"
    models = "\n".join(
        f'[[model]]\nname = "V{number}M{each}"\ncommon = "{word}-{each}.cfg"\nlines = 4' for each in range(40)
    )
    prefixes = ", ".join(f'"{0x020000 + number * 16 + each:06x}"' for each in range(12))
    folder = root / word
    (folder / "templates").mkdir(parents=True)
    (folder / "templates" / "device.cfg.j2").write_text("mac = {{ device.mac }}\n")
    (folder / "templates" / "common.cfg.j2").write_text("model = {{ model.name }}\n")
    (folder / "plugin.toml").write_text(f"""
id = "{word}"
version = "1.0.0"
contract = 1
vendor = "Vendor {number}"
license = "Apache-2.0"
description = "generated"
{models}
[[match]]
source = "user_agent"
starts = ["{word} "]
regex = '''{word} (?P<model>[a-z0-9]{{2,8}}) (?P<version>\\d{{1,3}})'''
confidence = 95
[[match]]
source = "option60"
starts = ["{word}"]
regex = "{word}"
confidence = 45
[[oui]]
prefixes = [{prefixes}]
[[file]]
name = "{{common}}"
kind = "common"
template = "common.cfg.j2"
secrets = false
[[file]]
name = "{word}-{{mac}}.cfg"
kind = "device"
template = "device.cfg.j2"
[[dhcp]]
options.66 = {{ text = "{{base}}/" }}
""")
    return folder


def _copy(folder: Path, *changes: str) -> Path:
    shutil.copytree(bundled_plugins() / "yealink", folder, ignore=shutil.ignore_patterns("golden", "__pycache__"))
    manifest = folder / "plugin.toml"
    text = manifest.read_text()
    for change in changes:
        key = change.partition(" ")[0]
        lines = text.splitlines()
        place = next(number for number, line in enumerate(lines) if line.startswith(f"{key} = "))
        text = "\n".join([*lines[:place], change, *lines[place + 1 :]]) + "\n"
    manifest.write_text(text)
    return folder


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    del arena
    fleet = 500 if quick else FLEET
    dry = Row(f"dry run of {fleet} devices, two versions", "s", (Floor(10.0, most=True),))
    calm = Row("   a phone's file, 99 % while it calculates", "ms", (Floor(100.0, most=True),))
    switch = Row("   longest wait while a version is put in force", "ms", (Floor(100.0, most=True),))
    with tempfile.TemporaryDirectory(prefix="provd-bench-") as place:
        site = Site(Path(place), fleet)
        with site.daemon:
            site.furnish()
            with Phones(site.port) as warm:
                time.sleep(PHONES * EVERY * 1.5)
            assert not warm.wrong
            for number in range(reps):
                version = f"9.0.{number}"
                with Phones(site.port) as phones:
                    seconds, work = site.tried(version, template="device.cfg.j2")
                assert work["state"] == "done", work["reason"]
                assert work["result"]["outcome"]["files"] >= fleet
                dry.add(OURS, seconds)
                calm.add(OURS, phones.share(99))
                with Phones(site.port) as phones:
                    time.sleep(0.5)
                    site.call("plugin.switch", id="yealink", version=version)
                    time.sleep(1.0)
                assert not phones.wrong
                switch.add(OURS, phones.share(100))
    report.add(dry, calm, switch)
