"""Packing, signing and listing as a publisher does it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from provd.base.errors import ConflictError, PluginError
from provd.plugins.loader import ManifestError
from provd.plugins.package import index
from provd.plugins.package.gate import admit
from provd.plugins.package.minisign import SecretKey, SignatureError, new_key, read_public_key, verify
from provd.plugins.package.publish import build, make_index, make_key, open_key, sign

NOW = 1_800_000_000.0
MANIFEST = """
id = "acme"
version = "{version}"
contract = 1
vendor = "Acme"
license = "Apache-2.0"
description = "made up"
[[model]]
name = "A1"
"""


@pytest.fixture
def key() -> SecretKey:
    return new_key()


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return tmp_path / "public"


def plugin(root: Path, version: str = "1.0.0") -> Path:
    folder = root / "acme"
    folder.mkdir(exist_ok=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(version=version))
    return folder


def test_a_key_is_for_its_owner_only_and_never_overwritten(tmp_path: Path) -> None:
    made = make_key(tmp_path / "my.key")
    assert stat.S_IMODE((tmp_path / "my.key").stat().st_mode) == 0o600
    assert open_key(tmp_path / "my.key") == made
    assert read_public_key((tmp_path / "my.key.pub").read_text()) == made.public
    with pytest.raises(ConflictError, match="exists already"):
        make_key(tmp_path / "my.key")


def test_building_signs_and_building_again_changes_nothing(tmp_path: Path, public: Path, key: SecretKey) -> None:
    built = build(plugin(tmp_path), public, key)
    assert (built.path, built.version) == (public / "acme-1.0.0.zip", "1.0.0")
    assert built.signature is not None
    content, signature = built.path.read_bytes(), built.signature.read_text()
    assert admit(content, signature, trust="signed", keys=(key.public,)).sha256 == built.sha256
    assert build(tmp_path / "acme", public).signature is None
    assert built.path.read_bytes() == content


def test_a_version_that_was_built_never_changes(tmp_path: Path, public: Path) -> None:
    folder = plugin(tmp_path)
    build(folder, public)
    (folder / "README.md").write_text("new")
    with pytest.raises(ConflictError, match=r"raise the version in acme/plugin\.toml"):
        build(folder, public)
    assert build(plugin(tmp_path, "1.0.1"), public).version == "1.0.1"


def test_a_broken_plugin_is_not_packed(tmp_path: Path, public: Path) -> None:
    folder = plugin(tmp_path, "new")
    with pytest.raises(ManifestError, match="version"):
        build(folder, public)
    assert not public.exists()


def test_a_list_has_what_was_signed_with_this_key(tmp_path: Path, public: Path, key: SecretKey) -> None:
    build(plugin(tmp_path), public, key)
    build(plugin(tmp_path, "1.1.0"), public, new_key())
    build(plugin(tmp_path, "1.2.0"), public)
    (public / "rubbish-1.0.0.zip").write_text("rubbish")
    sign(public / "rubbish-1.0.0.zip", key)
    sign((public / "acme-1.0.0.zip").rename(public / "acme-9.9.9.zip"), key)
    build(plugin(tmp_path), public, key)
    listed = make_index(public, key, now=NOW, seconds=60)
    assert listed.packages == 1
    reasons = "\n".join(listed.passed_over)
    assert "acme-1.1.0.zip: signed with key" in reasons
    assert "acme-1.2.0.zip: is not signed" in reasons
    assert "acme-9.9.9.zip: holds acme 1.0.0" in reasons
    assert "rubbish-1.0.0.zip: this is no plugin package" in reasons
    content = (public / "index.json").read_bytes()
    verify(content, (public / "index.json.minisig").read_text(), (key.public,))
    read = index.read(content)
    assert (read.serial, read.expires) == (1, NOW + 60)
    (offer,) = read.offers
    assert admit(
        (public / offer.file).read_bytes(),
        (public / f"{offer.file}.minisig").read_text(),
        trust="signed",
        keys=(key.public,),
        offer=offer,
    )


def test_the_number_of_a_list_rises(public: Path, key: SecretKey) -> None:
    public.mkdir()
    assert [make_index(public, key, now=NOW, seconds=60).serial for _ in range(3)] == [1, 2, 3]


def test_files_that_are_not_there(tmp_path: Path, key: SecretKey) -> None:
    with pytest.raises(PluginError, match="cannot be read"):
        sign(tmp_path / "nothing.zip", key)
    with pytest.raises(PluginError, match="cannot be written"):
        make_key(tmp_path / "no/folder/key")
    with pytest.raises(PluginError, match="too large"):
        open_key(_large(tmp_path))
    with pytest.raises(SignatureError):
        open_key(plugin(tmp_path) / "plugin.toml")


def _large(folder: Path) -> Path:
    path = folder / "large"
    path.write_bytes(bytes(5000))
    return path
