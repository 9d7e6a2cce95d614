"""``provd firmware``, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.base.errors import StorageError
from provd.cli import package_files
from provd.plugins.firmware.supply import RESERVE
from tests.cli.conftest import Shell

pytestmark = pytest.mark.usefixtures("office")


def test_what_is_offered_fetched_shown_and_removed(shell: Shell) -> None:
    assert shell("firmware", "list").code == 4
    rows = shell("firmware", "available", "--model", "A1G").rows
    assert rows[0][:7] == ["acme", "acme-a1", "1.9b", "firmware", "A1", "A1G", "no"]
    fetched = shell("firmware", "fetch", "acme-a1", "2.1")
    assert (fetched.code, "2.1" in fetched.out) == (0, True)
    assert shell("plugin", "firmware", "list", "--json").json[0]["files"][0]["name"] == "a1 (new)-2.1.rom"
    assert "a1 (new)-2.1.rom" in shell("firmware", "show", "acme-a1").out
    assert shell("firmware", "remove", "acme-a1").code == 0
    assert shell("firmware", "remove", "acme-a1").code == 4


def test_an_image_is_brought_to_the_daemon(shell: Shell, tmp_path: Path) -> None:
    image = tmp_path / "a1-2.0.rom"
    image.write_bytes(b"rom")
    refused = shell("firmware", "upload", str(image), "--name", "acme-a1", "--version", "2.0")
    # The daemon of these tests has a depot of its own, and does not find what was laid into the folder.
    assert (refused.code, "there is no file" in refused.err) == (4, True)
    (laid,) = (shell.state / "firmware/.entry").iterdir()
    assert (laid.suffix, laid.read_bytes()) == (".sent", b"rom")
    with pytest.raises(StorageError, match="64 MiB are needed; nothing was kept"):
        package_files.laid(str(shell.config), image, room=lambda _: RESERVE + 2)
    assert list((shell.state / "firmware/.entry").iterdir()) == [laid]
    nobody = shell("firmware", "fetch", "acme-a1", "2.0")
    assert (nobody.code, "Get it there: acme.example" in nobody.err) == (2, True)
    assert shell("firmware", "upload", str(tmp_path / "none"), "--name", "x").code == 2
