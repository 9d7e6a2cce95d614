"""Who comes in."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from provd.plugins.package.archive import ArchiveError, build
from provd.plugins.package.gate import RefusedError, admit, keys_of
from provd.plugins.package.index import Offer
from provd.plugins.package.minisign import SignatureError, new_key

KEY = new_key()
KEYS = (KEY.public,)


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "plugin.toml").write_text("id")
    return build(folder)


def listed(content: bytes, plugin: str = "acme") -> Offer:
    digest = hashlib.sha256(content).hexdigest()
    return Offer(plugin, "1.0.0", 1, "Acme", "", "acme-1.0.0.zip", len(content), digest)


def test_a_signed_package_comes_in(content: bytes) -> None:
    admitted = admit(content, KEY.sign(content, "id=acme"), trust="signed", keys=KEYS, offer=listed(content))
    assert admitted.package.plugin == "acme"
    assert admitted.signed == "id=acme"
    assert admitted.sha256 == hashlib.sha256(content).hexdigest()


def test_one_without_a_signature_only_from_this_machine_and_only_if_the_site_says_so(content: bytes) -> None:
    assert admit(content, None, trust="local", keys=()).signed == ""
    with pytest.raises(RefusedError, match="has no signature"):
        admit(content, None, trust="signed", keys=KEYS)
    with pytest.raises(RefusedError, match="has no signature"):
        admit(content, None, trust="local", keys=KEYS, offer=listed(content))


def test_a_bad_signature_is_worse_than_none(content: bytes) -> None:
    with pytest.raises(SignatureError):
        admit(content, new_key().sign(content, ""), trust="local", keys=KEYS)


def test_what_the_index_lists_is_what_must_come(content: bytes) -> None:
    signature = KEY.sign(content, "")
    with pytest.raises(RefusedError, match="not the file that the index lists"):
        admit(content, signature, trust="signed", keys=KEYS, offer=listed(b"other"))
    with pytest.raises(RefusedError, match="holds acme, and the index lists it as other"):
        admit(content, signature, trust="signed", keys=KEYS, offer=listed(content, "other"))


def test_a_signature_does_not_make_a_package(content: bytes) -> None:
    with pytest.raises(ArchiveError):
        admit(b"rubbish", KEY.sign(b"rubbish", ""), trust="signed", keys=KEYS)


def test_keys_of_a_configuration() -> None:
    assert keys_of((str(KEY.public),)) == KEYS
    with pytest.raises(SignatureError, match="nonsense"):
        keys_of(("nonsense",))
