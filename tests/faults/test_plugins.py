"""Plugins that are broken, and templates that loop, grow or lie: their own files fail, everything else goes on."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.kit import acme
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import COMMON, Lan

pytestmark = [pytest.mark.root, pytest.mark.fault]

HOSTILE = {
    "loops for ever": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}x = 1\n",
    "writes gigabytes": "{% for a in range(99999) %}{{ 'x' * 99999 }}\n{% endfor %}",
    "takes all memory": "{% set a = 'x' * (1024 * 1024 * 1024 * 2) %}{{ a }}\n",
    "calls itself": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}\n",
    "climbs to the interpreter": "{{ ''.__class__.__mro__[1].__subclasses__() }}\n",
    "includes what is outside": "{% include '../../../../../etc/passwd' %}\n",
    "has a broken syntax": "{% if %}\n",
    "asks for what is not there": "{{ device.shoe_size }}\n",
}
BROKEN = {
    "no manifest text": b"\xff\xfe\x00",
    "no TOML": b"id = \n",
    "another contract": acme.MANIFEST.format(version="1.0.0").replace("contract = 1", "contract = 99").encode(),
    "a template that is not there": acme.MANIFEST.format(version="1").replace("common.cfg.j2", "no.j2").encode(),
    "a regular expression that is none": acme.MANIFEST.format(version="1.0.0")
    .replace('"acme"\nconf', '"("\nconf')
    .encode(),
}


def test_a_hostile_template_costs_its_own_file_only(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    acme.install(state)
    with Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed) as daemon, ThreadPoolExecutor(1) as beside:
        phone = lan.boots()
        for name, template in HOSTILE.items():
            acme.install(state, common=template)
            daemon.reload()
            daemon.wait_for("RELOADED")
            hostile = beside.submit(lan.http, "acme.cfg")
            meanwhile = -1
            while not hostile.done():
                assert lan.lease(f"0200000000{meanwhile % 100:02}", vendor=""), name
                meanwhile += 1
            assert hostile.result() == b"", name
            assert meanwhile > 1 or name != "loops for ever", "nobody else had his turn"
            assert "plugin=acme" in daemon.wait_for("RENDER-FAILED")
        acme.install(state)
        daemon.reload()
        daemon.wait_for("RELOADED")
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        assert lan.boots() == phone
        assert "root:" not in "".join(daemon.log)


def test_a_repaired_plugin_leaves_the_quarantine(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    folder = acme.install(state)
    (folder / "templates" / "device.cfg.j2").write_text(HOSTILE["writes gigabytes"])
    with Daemon(lan_config(lan.bed, state, secrets="open"), tmp_path, bed=lan.bed) as daemon:
        for number in range(3):
            assert lan.http(f"02aaaa00000{number}.cfg") == b""
        daemon.wait_for("PLUGIN-QUARANTINED")
        assert lan.http("acme.cfg") == b"", "nothing of this plugin is rendered"
        assert lan.http(COMMON), "everything of the others is"
        acme.install(state)
        daemon.reload()
        daemon.wait_for("RELOADED")
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        assert lan.http("02aaaa000001.cfg")


def test_a_broken_plugin_is_told_and_harms_nobody(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    folder = acme.install(state)
    manifest = folder / "plugin.toml"
    for number, octets in enumerate(BROKEN.values()):
        shutil.copytree(folder, state / "plugins" / f"broken{number}")
        (state / "plugins" / f"broken{number}" / "plugin.toml").write_bytes(octets)
    (state / "plugins" / "a_file").write_text("no folder")
    with Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed) as daemon:
        broken = {line.partition("plugin=")[2].split()[0] for line in daemon.log if "PLUGIN-BROKEN" in line}
        assert broken == {f"broken{number}" for number in range(len(BROKEN))}
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        lan.boots()
        # While it runs: the version in force stays.
        for octets in BROKEN.values():
            manifest.write_bytes(octets)
            daemon.reload()
            while "plugin=acme " not in (told := daemon.wait_for("PLUGIN-BROKEN")):
                continue
            assert "kept=1.0.0" in told
            daemon.wait_for("RELOADED")
            assert lan.http("acme.cfg") == b"greeting = hello\n"
        lan.boots()
