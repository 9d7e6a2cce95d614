"""Encrypted configuration files, as phones read them.

Neither form proves who made the file, and the second one shows which blocks of 16 octets are equal: they keep a file
from being read on its way, and are no reason to give it to anybody else than the clear one.
"""

from __future__ import annotations

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from provd.base.errors import PluginError
from provd.plugin.contract import Encryption

KEY_LENGTH = 16
BLOCK = 16
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
    return plain


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
