from __future__ import annotations

import base64
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from provd.base.errors import StorageError
from provd.base.secrets import Secret
from provd.storage.vault import SealError, Vault
from tests.conftest import program

PLACE = ("line", "password", "17")


def key_line(name: str, octet: int, size: int = 32) -> str:
    return f"{name} {base64.b64encode(bytes([octet]) * size).decode()}\n"


@pytest.fixture
def vault() -> Vault:
    return Vault({"k1": bytes(32)})


@pytest.mark.parametrize("text", ["", "1234", "pässword\n", "\udc80", "x" * 10_000])
def test_what_was_sealed_opens_at_its_place(vault: Vault, text: str) -> None:
    sealed = vault.seal(Secret(text), *PLACE)
    assert text not in sealed or not text
    assert vault.open_sealed(sealed, *PLACE).reveal() == text


def test_the_same_secret_looks_different_every_time(vault: Vault) -> None:
    assert vault.seal(Secret("a"), *PLACE) != vault.seal(Secret("a"), *PLACE)


@pytest.mark.parametrize(
    "elsewhere", [("device", "password", "17"), ("line", "settings.x", "17"), ("line", "password", "18")]
)
def test_it_opens_nowhere_else(vault: Vault, elsewhere: tuple[str, str, str]) -> None:
    sealed = vault.seal(Secret("a"), *PLACE)
    with pytest.raises(SealError, match="does not open"):
        vault.open_sealed(sealed, *elsewhere)


def test_separators_in_names_do_not_make_two_places_one(vault: Vault) -> None:
    sealed = vault.seal(Secret("a"), "line", "settings.a|b", "c")
    with pytest.raises(SealError):
        vault.open_sealed(sealed, "line", "settings.a", "b|c")


@pytest.mark.parametrize("damaged", ["", "plain", "v2.k1.AAAA", "v1.k1.", "v1.k1.AAAA", "v1.k1.%%%", "v1.k9.AAAA", "é"])
def test_what_was_not_sealed_here_does_not_open(vault: Vault, damaged: str) -> None:
    with pytest.raises(SealError):
        vault.open_sealed(damaged, *PLACE)


def test_a_changed_octet_is_noticed(vault: Vault) -> None:
    sealed = vault.seal(Secret("a secret"), *PLACE)
    changed = sealed[:-5] + ("A" if sealed[-5] != "A" else "B") + sealed[-4:]
    with pytest.raises(SealError, match="does not open with key k1"):
        vault.open_sealed(changed, *PLACE)


def test_a_new_key_on_top_seals_and_the_old_one_still_opens(vault: Vault) -> None:
    sealed = vault.seal(Secret("old"), *PLACE)
    rotated = Vault({"k2": b"\x02" * 32, "k1": bytes(32)})
    assert rotated.open_sealed(sealed, *PLACE).reveal() == "old"
    assert rotated.seal(Secret("new"), *PLACE).startswith("v1.k2.")
    assert rotated.derive("tokens") == vault.derive("tokens"), "tokens in the field stay valid"


def test_sub_keys_differ_by_purpose_and_from_the_sealing_key(vault: Vault) -> None:
    assert len({vault.derive("tokens"), vault.derive("etags"), vault.derive("seal")}) == 3


def test_the_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    sealed = Vault.open(path).seal(Secret("a"), *PLACE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Vault.open(path).open_sealed(sealed, *PLACE).reveal() == "a"


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    Vault.open(path)
    path.chmod(0o640)
    with pytest.raises(StorageError, match="others can read"):
        Vault.open(path)


@pytest.mark.parametrize(
    "text", ["", "\n\n", "k1\n", "k1 notbase64!\n", key_line("k1", 1, 16), key_line("k-1", 1), "\xff\xff"]
)
def test_a_file_that_is_no_key_is_refused_and_kept(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master.key"
    path.write_text(text, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(StorageError, match=r"master\.key.*put the right file back"):
        Vault.open(path)
    assert path.read_text(encoding="latin-1") == text


def test_a_key_file_of_several_keys(tmp_path: Path) -> None:
    path = tmp_path / "master.key"
    path.write_text(key_line("k2", 2) + "\n" + key_line("k1", 0))
    path.chmod(0o600)
    sealed = Vault({"k1": bytes(32)}).seal(Secret("a"), *PLACE)
    assert Vault.open(path).open_sealed(sealed, *PLACE).reveal() == "a"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    Vault.open(tmp_path / "real.key")
    (tmp_path / "master.key").symlink_to(tmp_path / "real.key")
    with pytest.raises(StorageError, match=r"master\.key"):
        Vault.open(tmp_path / "master.key")


@pytest.mark.peer
def test_a_start_that_is_killed_leaves_no_key_that_locks_out_the_next_one(tmp_path: Path) -> None:
    """Killed by the first write to what is in the folder."""
    path = tmp_path / "master.key"
    strace = [program("strace"), "-f", "-qq", "-o", "/dev/null", "-e", "inject=write:error=EIO:signal=KILL:when=1"]
    make = f"from pathlib import Path; from provd.storage.vault import Vault; Vault.open(Path({str(path)!r}))"
    killed = subprocess.run([*strace, sys.executable, "-B", "-c", make], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not path.exists()
    assert Vault.open(path).ids


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot make the key file"):
        Vault.open(tmp_path / "nowhere" / "master.key")
