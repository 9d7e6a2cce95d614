"""Encrypted profiles, as a multiplatform phone reads them: the content coding ``aes128gcm`` (RFC 8188)."""

from __future__ import annotations

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

CODING = "aes128gcm"
HEAD = 21
"""Octets of salt, record size and the length of the key identifier, which follows them."""
SMALLEST_RECORD = 18


class WrongKeyError(Exception):
    """The profile is not encrypted with this key, or is no such file."""


def decrypted(body: bytes, key: str | bytes) -> bytes:
    """The profile. ``key`` is the input keying material; a text stands for its octets. Raises WrongKeyError."""
    secret = key.encode() if isinstance(key, str) else key
    if not secret:
        raise WrongKeyError("the profile is encrypted, and the phone has no key")
    salt, size, start = body[:16], int.from_bytes(body[16:20]), HEAD + (body[20] if len(body) > HEAD else 0)
    if size < SMALLEST_RECORD or len(body) - start < SMALLEST_RECORD - 1:
        raise WrongKeyError("it is cut short, or is no encrypted profile")
    cipher = AESGCM(_derived(secret, salt, b"aes128gcm", 16))
    nonce = int.from_bytes(_derived(secret, salt, b"nonce", 12))
    plain = b""
    places = range(start, len(body), size)
    for number, place in enumerate(places):
        try:
            padded = cipher.decrypt((nonce ^ number).to_bytes(12), body[place : place + size], None).rstrip(b"\0")
        except (InvalidTag, ValueError) as error:
            raise WrongKeyError("the key of the phone is not that of the profile") from error
        if padded[-1:] != (b"\2" if place == places[-1] else b"\1"):
            raise WrongKeyError(f"record {number} of {len(places)} does not end as it has to")
        plain += padded[:-1]
    return plain


def _derived(secret: bytes, salt: bytes, what: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, b"Content-Encoding: " + what + b"\0").derive(secret)
