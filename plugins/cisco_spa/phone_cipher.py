"""Encrypted profiles, as an SPA phone reads them: what ``openssl enc -aes-256-cbc -md md5`` writes."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

MAGIC = b"Salted__"


class WrongKeyError(Exception):
    """The profile is not encrypted with this key."""


def decrypted(body: bytes, phrase: str) -> bytes:
    """The profile behind :data:`MAGIC` and eight octets of salt. Raises WrongKeyError."""
    salt, secret = body[8:16], phrase.encode()
    if not phrase or len(body) % 16 or len(body) < 32:
        raise WrongKeyError("the profile is encrypted, and the rule has no key" if not phrase else "it is cut short")
    first = hashlib.md5(secret + salt, usedforsecurity=False).digest()
    second = hashlib.md5(first + secret + salt, usedforsecurity=False).digest()
    third = hashlib.md5(second + secret + salt, usedforsecurity=False).digest()
    decryptor = Cipher(algorithms.AES(first + second), modes.CBC(third)).decryptor()
    padded = decryptor.update(body[16:]) + decryptor.finalize()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise WrongKeyError("the key in the rule is not that of the profile") from error
