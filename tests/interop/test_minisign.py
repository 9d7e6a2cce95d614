"""The ``minisign`` program checks what we signed, and we check what it signed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from provd.base.secrets import Secret
from provd.plugins.package.minisign import (
    new_key,
    read_public_key,
    read_secret_key,
    verify,
    write_public_key,
    write_secret_key,
)
from tests.conftest import program
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer

CONTENT = b"a package"


def minisign(folder: Path, *arguments: str, said: str = "") -> subprocess.CompletedProcess[str]:
    (folder / "package").write_bytes(CONTENT)
    command = [program("minisign"), *arguments]
    return subprocess.run(
        command, cwd=folder, input=said, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def test_minisign_accepts_our_signature_and_no_other_content(tmp_path: Path) -> None:
    key = new_key()
    (tmp_path / "key.pub").write_text(write_public_key(key.public))
    (tmp_path / "package.minisig").write_text(key.sign(CONTENT, "id=acme version=1.2.0"))
    said = minisign(tmp_path, "-V", "-p", "key.pub", "-m", "package")
    assert said.returncode == 0, said
    assert "Trusted comment: id=acme version=1.2.0" in said.stdout
    (tmp_path / "package.minisig").write_text(key.sign(b"another", ""))
    assert minisign(tmp_path, "-V", "-p", "key.pub", "-m", "package").returncode == 1


def test_we_accept_what_minisign_signs_with_its_key_and_with_ours(tmp_path: Path) -> None:
    said = minisign(tmp_path, "-G", "-p", "its.pub", "-s", "its.key", said="word\nword\n")
    assert said.returncode == 0, said
    its = read_public_key((tmp_path / "its.pub").read_text())
    said = minisign(tmp_path, "-S", "-s", "its.key", "-m", "package", "-t", "by minisign", said="word\n")
    assert said.returncode == 0, said
    assert verify(CONTENT, (tmp_path / "package.minisig").read_text(), (its,)) == "by minisign"

    ours = read_secret_key((tmp_path / "its.key").read_text(), Secret("word"))
    assert ours.public == its
    (tmp_path / "open.key").write_text(write_secret_key(ours))
    said = minisign(tmp_path, "-S", "-s", "open.key", "-m", "package", "-t", "by an open key")
    assert said.returncode == 0, said
    assert verify(CONTENT, (tmp_path / "package.minisig").read_text(), (its,)) == "by an open key"
