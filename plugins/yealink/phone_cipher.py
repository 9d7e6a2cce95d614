"""Encrypted files, as a Yealink phone reads them: AES-128-ECB, the key its 16 characters, blanks at the end."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CLEAR = b"#!version:"


def decrypted(body: bytes, key: str) -> bytes:
    """The file in the clear, or as it is when it does not look encrypted or the key does not open it."""
    octets = key.encode()
    if body.startswith(CLEAR) or len(octets) != 16 or len(body) % 16:
        return body
    decryptor = Cipher(algorithms.AES(octets), modes.ECB()).decryptor()  # noqa: S305 - the phone knows no other mode
    plain = decryptor.update(body) + decryptor.finalize()
    return plain.rstrip(b" ") if plain.startswith(CLEAR) else body
