"""Encrypted configuration files, as phones read them.

They keep a file from being read on its way, and are no reason to give it to anybody else than the clear one: everybody
who has the key can make such a file, the two older forms do not even prove that, and ECB shows which blocks of
16 octets are equal.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provd.base.errors import PluginError
from provd.plugin.contract import Encryption

KEY_LENGTH = 16
BLOCK = 16
RECORD = 4096
"""Octets of an encrypted record (RFC 8188 section 2); the last one may be shorter."""
_OVERHEAD = 17
"""Octets of a record that are no content: the tag of AES-GCM and what tells the last record."""
_MAGIC = b"Salted__"


def encrypt(plain: bytes, phrase: str, encryption: Encryption) -> bytes:
    """The file in that form. The same file with the same phrase gives the same octets: phones compare what they get.

    Raises PluginError for a phrase that is no key.
    """
    key = phrase.encode()
    if encryption == "aes-128-ecb":
        if len(key) != KEY_LENGTH:
            raise PluginError(f"files.key must have {KEY_LENGTH} characters")
        # The phone knows no other mode.
        cipher = Cipher(algorithms.AES(key), modes.ECB())  # noqa: S305
        return _through(cipher, plain + b" " * (-len(plain) % BLOCK))
    if encryption == "salted-aes-256-cbc":
        salt = hmac.digest(key, plain, "sha256")[:8]
        return _MAGIC + salt + cbc(plain, key, salt)
    if encryption == "aes128gcm":
        return aes128gcm(plain, key, hmac.digest(key, plain, "sha256")[:16])
    return plain


def coding_of(encryption: Encryption, phrase: str) -> str:
    """The content coding (RFC 9110 section 8.4) of a file in that form with that phrase; empty: none."""
    return encryption if encryption == "aes128gcm" and phrase else ""


def aes128gcm(plain: bytes, secret: bytes, salt: bytes, record: int = RECORD) -> bytes:
    """The content coding of that name (RFC 8188 section 2) without a key identifier. The salt, of 16 octets, is for one
    file alone: key and nonces come from it and the secret."""
    key = _expanded(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    first = int.from_bytes(_expanded(secret, salt, b"Content-Encoding: nonce\0", 12))
    size = record - _OVERHEAD
    pieces = [plain[start : start + size] for start in range(0, len(plain), size)] or [b""]
    marks = [b"\1"] * (len(pieces) - 1) + [b"\2"]
    head = salt + record.to_bytes(4) + b"\0"
    records = [
        AESGCM(key).encrypt((first ^ number).to_bytes(12), piece + mark, None)
        for number, (piece, mark) in enumerate(zip(pieces, marks, strict=True))
    ]
    return head + b"".join(records)


def _expanded(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(hashes.SHA256(), length, salt, info).derive(secret)


def cbc(plain: bytes, phrase: bytes, salt: bytes) -> bytes:
    """AES-256-CBC with PKCS#7 (RFC 5652 section 6.3); key and IV from phrase and salt by OpenSSL's EVP_BytesToKey with
    MD5, one round."""
    derived = block = b""
    while len(derived) < 48:
        block = hashlib.md5(block + phrase + salt, usedforsecurity=False).digest()
        derived += block
    short = BLOCK - len(plain) % BLOCK
    cipher = Cipher(algorithms.AES(derived[:32]), modes.CBC(derived[32:]))
    return _through(cipher, plain + bytes((short,)) * short)


def _through(cipher: Cipher[modes.CBC] | Cipher[modes.ECB], octets: bytes) -> bytes:
    encryptor = cipher.encryptor()
    return encryptor.update(octets) + encryptor.finalize()
