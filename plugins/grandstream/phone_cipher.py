"""Encrypted configuration files, as a Grandstream device reads them: what ``openssl enc -aes-256-cbc`` wrote when the
vendor's guide was written, with salt, key and IV derived by MD5."""

from __future__ import annotations

import hashlib

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from provd.plugin.ordinary import UnreadableError

MAGIC = b"Salted__"


def decrypted(body: bytes, password: str) -> bytes:
    """The file in the clear, or as it is when it does not look encrypted. Raises UnreadableError."""
    if not body.startswith(MAGIC):
        return body
    if not password:
        raise UnreadableError("it is encrypted, and P1359 is empty")
    salt, blocks, secret = body[8:16], body[16:], password.encode()
    if not blocks or len(blocks) % 16:
        raise UnreadableError("it is cut short")
    key, vector = _derived(secret + salt)
    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    unpadder = padding.PKCS7(128).unpadder()
    try:
        return unpadder.update(decryptor.update(blocks) + decryptor.finalize()) + unpadder.finalize()
    except ValueError as error:
        raise UnreadableError("P1359 is not what it is encrypted with") from error


def _derived(seed: bytes) -> tuple[bytes, bytes]:
    found = last = b""
    while len(found) < 48:
        last = hashlib.md5(last + seed, usedforsecurity=False).digest()
        found += last
    return found[:32], found[32:]
