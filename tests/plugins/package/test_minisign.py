"""Keys and signatures. What the ``minisign`` program makes of them is in ``tests/interop/test_minisign.py``."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.secrets import Secret
from provd.plugins.package.minisign import (
    SignatureError,
    new_key,
    read_public_key,
    read_secret_key,
    verify,
    write_public_key,
    write_secret_key,
)

KEY = new_key()
SIGNED = KEY.sign(b"content", "id=acme version=1.2.0")


def test_what_was_signed_is_verified_and_the_comment_comes_back() -> None:
    assert verify(b"content", SIGNED, (new_key().public, KEY.public)) == "id=acme version=1.2.0"


def test_keys_survive_their_files() -> None:
    assert read_public_key(write_public_key(KEY.public)) == KEY.public
    assert read_public_key(str(KEY.public)) == KEY.public
    assert read_secret_key(write_secret_key(KEY)) == KEY


def test_a_secret_key_does_not_show_its_seed() -> None:
    assert KEY.seed.hex() not in repr(KEY)
    assert repr(KEY.seed) not in repr(KEY)


@pytest.mark.parametrize(
    ("content", "signature", "why"),
    [
        (b"Content", SIGNED, "was changed or damaged"),
        (b"content", SIGNED.replace("1.2.0", "1.3.0"), "comment was changed"),
        (b"content", "", "no minisign signature"),
        (b"content", "x" * 5000, "too long"),
        (b"content", SIGNED.replace(SIGNED.splitlines()[1], "AAAA"), "no minisign signature"),
        (b"content", SIGNED.replace(SIGNED.splitlines()[1], "no base64!"), "is not base64"),
        (b"content", new_key().sign(b"content", ""), "not trusted"),
    ],
)
def test_everything_else_is_refused(content: bytes, signature: str, why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        verify(content, signature, (KEY.public,))


def test_a_comment_is_one_line() -> None:
    with pytest.raises(SignatureError, match="one printable line"):
        KEY.sign(b"content", "first\nsecond")


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "is no minisign secret key"), ("untrusted comment: x\n!!", "not base64"), ("QUJD", "no minisign secret key")],
)
def test_what_is_no_secret_key(text: str, why: str) -> None:
    with pytest.raises(SignatureError, match=why):
        read_secret_key(text)


def _with_octets(at: int, octets: bytes) -> str:
    raw = bytearray(base64.b64decode(write_secret_key(KEY).splitlines()[1]))
    raw[at : at + len(octets)] = octets
    return base64.b64encode(raw).decode()


def test_a_damaged_secret_key() -> None:
    with pytest.raises(SignatureError, match="damaged"):
        read_secret_key(_with_octets(70, b"\xff\xff"))


def test_a_closed_secret_key_needs_its_password_and_no_absurd_amount_of_memory() -> None:
    closed = _with_octets(2, b"Sc")
    with pytest.raises(SignatureError, match="closed with a password"):
        read_secret_key(closed)
    greedy = _with_octets(2, b"Sc" + b"B2" + bytes(32) + b"\xff" * 16)
    with pytest.raises(SignatureError, match="more memory"):
        read_secret_key(greedy, Secret("x"))


def test_a_wrong_password() -> None:
    # The smallest limits that libsodium knows: scrypt of a moment.
    quick = (32768).to_bytes(8, "little") + (1 << 24).to_bytes(8, "little")
    with pytest.raises(SignatureError, match="wrong password"):
        read_secret_key(_with_octets(2, b"Sc" + b"B2" + bytes(32) + quick), Secret("x"))


@given(st.integers(0, 73), st.integers(1, 255))
def test_no_octet_of_a_signature_may_change(at: int, mask: int) -> None:
    lines = SIGNED.splitlines()
    raw = bytearray(base64.b64decode(lines[1]))
    raw[at] ^= mask
    lines[1] = base64.b64encode(raw).decode()
    with pytest.raises(SignatureError):
        verify(b"content", "\n".join(lines), (KEY.public,))
