"""Templates of one's own, on a real daemon with its own renderer: from the first look to the default again."""

from __future__ import annotations

import urllib.request
from pathlib import Path

from tests.e2e.test_packages import daemon_of, key, package
from tests.kit.daemon import Daemon

__all__ = ["key"]

MAC, OTHER = "02aaaa000001", "02aaaa000002"
OWN = "mac = {{ device.mac }}\n"


def get(port: int, name: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{name}", timeout=20) as answer:
        return str(answer.read().decode())


def said(daemon: Daemon, *words: str, stdin: str = "", code: int = 0) -> str:
    done = daemon.provd(*words, stdin=stdin, check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return str(done.stdout + done.stderr)


def test_a_template_is_changed_looked_at_and_restored(tmp_path: Path, key) -> None:
    first = package(tmp_path, key, "1.0.0", "greeting = hello\nvolume = 3\nend = yes\n")
    second = package(tmp_path, key, "1.1.0", "greeting = hello\nvolume = 3\nend = no\n")
    made, port = daemon_of(tmp_path / "site", key)
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
        said(daemon, "template", "restore", "acme/common.cfg.j2", "--site")
        assert get(port, "acme.cfg") == "greeting = hello\nvolume = 3\nend = no\n"
        said(daemon, "template", "restore", "A1/device.cfg.j2")
        assert get(port, f"{MAC}.cfg") == f"mac = {MAC}\n"
