"""Templates of one's own, on a real daemon with its own renderer: from the first look to the default again."""

from __future__ import annotations

import subprocess
import urllib.request
from pathlib import Path

from tests.e2e.test_packages import daemon_of, key, package
from tests.kit.daemon import Daemon
from tests.kit.patience import PATIENCE

__all__ = ["key"]

MAC, OTHER = "02aaaa000001", "02aaaa000002"
OWN = "mac = {{ device.mac }}\n"


def get(port: int, name: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=PATIENCE) as answer:
        return str(answer.read().decode())


def said(daemon: Daemon, *words: str, stdin: str = "", code: int = 0) -> str:
    done = daemon.provd(*words, stdin=stdin, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return str(done.stdout + done.stderr)


def test_a_template_is_changed_looked_at_and_restored(tmp_path: Path, key, database: str) -> None:
    first = package(tmp_path, key, "1.0.0", "greeting = hello\nvolume = 3\nend = yes\n")
    second = package(tmp_path, key, "1.1.0", "greeting = hello\nvolume = 3\nend = no\n")
    made, port = daemon_of(tmp_path / "site", key, database)
    with made as daemon:
        daemon.provd("plugin", "install", first)
        daemon.provd("device", "import", "-", stdin=f"mac,vendor,model\n{MAC},Acme,A1\n{OTHER},Acme,A1\n")
        assert "device.cfg.j2" in said(daemon, "template", "list", "A1")
        assert said(daemon, "template", "show", "A1/device.cfg.j2") == OWN

        # An endless one, a misspelt one and one that Jinja2 does not know are refused, each with its line.
        for text, reason in (
            ("a = 1\n{{ devise.mac }}\n", "device.cfg.j2:2: 'devise' is undefined (in 02aaaa000001.cfg for 02:aa:aa:"),
            ("a = 1\n\n{% if %}\n", "device.cfg.j2:3: Expected an expression"),
            ("{{ ''.__class__.mro() }}\n", "device.cfg.j2:1: access to attribute '__class__'"),
            ("x\n{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "more than "),
        ):
            assert reason in said(daemon, "template", "set", "--device", MAC, "device.cfg.j2", "-", stdin=text, code=2)
        assert get(port, f"{MAC}.cfg") == f"mac = {MAC}\n"

        new = '{% include "default/device.cfg.j2" %}\nroom = 7\n'
        shown = said(daemon, "template", "preview", "A1/device.cfg.j2", "-", stdin=new)
        assert "+room = 7" in shown
        assert "for 2 devices" in shown
        assert "2 devices" in said(daemon, "template", "set", "A1/device.cfg.j2", "-", stdin=new)
        assert get(port, f"{MAC}.cfg") == f"mac = {MAC}\nroom = 7\n"
        said(daemon, "template", "set", "acme/common.cfg.j2", "--site", "-",
             stdin="greeting = HELLO\nvolume = 3\nend = yes\n")  # fmt: skip
        assert get(port, "acme.cfg") == "greeting = HELLO\nvolume = 3\nend = yes\n"

        told = said(daemon, "plugin", "install", second, "--yes", "--diff")
        assert "your common.cfg.j2 for site: the default has changed, and what is new fits into yours" in told
        assert get(port, "acme.cfg") == "greeting = HELLO\nvolume = 3\nend = no\n"
        daemon.kill()
        daemon.start()
        assert get(port, "acme.cfg") == "greeting = HELLO\nvolume = 3\nend = no\n", "it is in the database"
        stale = "was changed by control meanwhile"
        assert stale in said(
            daemon, "template", "restore", "acme/common.cfg.j2", "--site", "--expect", "0" * 64, code=5
        )
        assert stale in said(
            daemon, "template", "set", "acme/common.cfg.j2", "--site", "-", "--expect", "default",
            stdin="greeting = late\n", code=5,
        )  # fmt: skip
        sha = daemon.json("template", "show", "acme/common.cfg.j2", "--site")["sha256"]
        said(daemon, "template", "restore", "acme/common.cfg.j2", "--site", "--expect", sha)
        assert get(port, "acme.cfg") == "greeting = hello\nvolume = 3\nend = no\n"
        said(daemon, "template", "restore", "A1/device.cfg.j2")
        assert get(port, f"{MAC}.cfg") == f"mac = {MAC}\n"


def test_whom_a_template_is_for_and_what_becomes_of_it(tmp_path: Path, key, database: str) -> None:
    first = package(tmp_path, key, "1.0.0", "greeting = hello\n")
    made, port = daemon_of(tmp_path / "site", key, database)
    with made as daemon:
        daemon.provd("plugin", "install", first)
        for name in ("north", "south"):
            daemon.provd("tenant", "add", name)
        rows = f"mac,vendor,model,tenant\n{MAC},Acme,A1,north\n{OTHER},Acme,A1,south\n"
        daemon.provd("device", "import", "-", stdin=rows)
        largest = "x" * (255 * 1024 // 4)  # with text of every kind in it, near to the most that there may be
        texts = {
            ("acme/device.cfg.j2", "--site"): "who = site\n",
            ("acme/device.cfg.j2", "--tenant", "north"): f"who = north {{# {largest} é 漢 🕿 \\ ' \" %s #}}.\n",
            ("device.cfg.j2", "--device", OTHER): "who = {{ device.mac }}\n",
        }
        for (name, *whom), text in texts.items():
            daemon.provd("template", "set", *whom, name, "-", stdin=text)
        for _ in range(2):
            assert get(port, f"{MAC}.cfg") == "who = north .\n"
            assert get(port, f"{OTHER}.cfg") == f"who = {OTHER}\n"
            rows = daemon.json("template", "list")
            assert [(row["place"], row["devices"], row["state"]) for row in rows] == [
                ("device", 1, "in force"), ("site", 0, "in force"), ("tenant", 1, "in force"),
            ]  # fmt: skip
            for (name, *whom), text in texts.items():
                assert said(daemon, "template", "show", *whom, name) == text
            daemon.kill()
            daemon.start()
        # What was written for a device does not go with it to somebody else, and a tenant's goes with the tenant.
        daemon.provd("device", "transfer", OTHER, "north")
        assert get(port, f"{OTHER}.cfg") == "who = north .\n"
        daemon.provd("device", "transfer", MAC, "south")
        assert get(port, f"{MAC}.cfg") == "who = site\n"
        daemon.provd("device", "transfer", OTHER, "south")
        daemon.provd("tenant", "delete", "north")
        assert [row["place"] for row in daemon.json("template", "list")] == ["site"]
        daemon.kill()
        daemon.start()
        assert [row["place"] for row in daemon.json("template", "list")] == ["site"]


def test_who_edits_does_not_undo_what_somebody_else_has_written_meanwhile(tmp_path: Path, key) -> None:
    first = package(tmp_path, key, "1.0.0", "greeting = hello\n")
    made, port = daemon_of(tmp_path / "site", key)
    editor = tmp_path / "editor"
    with made as daemon:
        daemon.provd("plugin", "install", first)
        editor.write_text('#!/bin/sh\necho "mine = 1" >> "$1"\n')
        editor.chmod(0o755)
        edit = ("template", "edit", "A1/common.cfg.j2")
        command = daemon.command(*edit)

        def edited() -> subprocess.CompletedProcess[str]:
            around = daemon.environment | {"EDITOR": str(editor), "VISUAL": str(editor)}
            return subprocess.run(
                command, env=around, input="y\n", capture_output=True, text=True, timeout=PATIENCE, check=False
            )

        assert "+mine = 1" in edited().stdout
        assert get(port, "acme.cfg") == "greeting = hello\nmine = 1\n"
        other = " ".join(daemon.command("template", "set", "A1/common.cfg.j2", "-"))
        editor.write_text(f'#!/bin/sh\necho "his = 1" | {other} >/dev/null\necho "mine = 2" >> "$1"\n')
        refused = edited()
        assert refused.returncode == 5, refused
        assert "common.cfg.j2 was changed by" in refused.stderr
        assert get(port, "acme.cfg") == "his = 1\n"
