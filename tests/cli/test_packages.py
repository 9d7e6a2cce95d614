"""``provd plugin available|install|upgrade|rollback|remove|link`` and ``provd operation``, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Shell
from tests.kit import acme

pytestmark = pytest.mark.usefixtures("office")


def test_what_is_offered_and_put_in_force(shell: Shell) -> None:
    assert shell("plugin", "available").rows == [
        ["acme", "2.0.0", "1.0.0", "Acme", "1000", "yes", "http://plugins.example/"]
    ]
    dry = shell("plugin", "upgrade", "acme", "--dry-run")
    assert dry.code == 0
    assert "1.0.0 -> 1.0.0: 2 devices" in dry.out
    assert shell("plugin", "list", "--json").json[0]["origin"] == "bundled"
    done = shell("plugin", "upgrade", "--yes", "--diff")
    assert (done.code, "is in force" in done.out, "-old\n+new" in done.out) == (0, True, True)
    assert shell("plugin", "list", "--json").json[0]["origin"] == "package"
    back = shell("plugin", "rollback", "acme", "--yes", "--json")
    assert (back.json["choice"], back.json["in_force"]["origin"]) == ("", "bundled")
    assert shell("plugin", "rollback", "acme").code == 5


def test_nothing_happens_unasked(shell: Shell) -> None:
    # Nobody is there to say yes.
    assert shell("plugin", "upgrade", "acme").code == 1
    assert shell("plugin", "list", "--json").json[0]["origin"] == "bundled"


def test_a_package_is_brought_to_the_daemon(shell: Shell, tmp_path: Path) -> None:
    folder = acme.install(tmp_path, rom=b"rom")
    done = shell("plugin", "install", str(folder), "--yes")
    assert (done.code, "bronze, signed (id=acme)" in done.out) == (0, True)
    (brought,) = (shell.state / "packages/.entry").iterdir()
    assert brought.suffix == ".zip"
    assert shell("plugin", "install", str(tmp_path / "nothing.zip")).code == 4
    assert "is no plugin" in shell("plugin", "install", str(tmp_path)).err


def test_removing_and_linking(shell: Shell, tmp_path: Path) -> None:
    assert shell("plugin", "remove", "acme", "--json").json == {"removed": "acme", "version": "", "moved": 0}
    assert shell("plugin", "remove", "acme").code == 4
    linked = shell("plugin", "link", str(acme.install(tmp_path)), "--json")
    assert linked.json["origin"] == "linked"


def test_long_work_is_listed_and_waited_for(shell: Shell) -> None:
    assert shell("operation", "list").code == 4
    shell("plugin", "upgrade", "acme", "--dry-run")
    (row,) = shell("operation", "list", "--json").json
    assert (row["kind"], row["state"]) == ("plugin.prepare", "done")
    assert shell("operation", "wait", row["id"], "--json").json["result"]["plugin"] == "acme"
    assert shell("operation", "show", row["id"]).code == 0
    assert shell("operation", "cancel", row["id"], "--json").json["state"] == "done"
    assert shell("operation", "show", "nothing").code == 4


def test_where_nothing_can_be_laid_down_it_is_said_in_one_sentence(shell: Shell, tmp_path: Path) -> None:
    folder = acme.install(tmp_path)
    image = tmp_path / "a1.rom"
    image.write_bytes(b"rom")
    for name in ("packages", "firmware"):
        (shell.state / name).write_bytes(b"no folder")
    package = shell("plugin", "install", str(folder), "--yes")
    assert "cannot be written: " in package.err
    assert "nothing was changed" in package.err
    firmware = shell("firmware", "upload", str(image), "--name", "acme-a1", "--version", "2.0")
    assert "nothing was kept" in firmware.err
