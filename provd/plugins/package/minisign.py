"""Signatures as minisign makes them: Ed25519 (RFC 8032) over BLAKE2b-512 (RFC 7693), with a signed comment.

Public keys and signatures are files of a few lines of base64 that the ``minisign`` program reads and writes too, so
that an operator can check a package by hand. Signatures of minisign's old kind (``Ed``, over the whole file instead of
its digest) are accepted as well.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import struct
from dataclasses import field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.base.secrets import Secret

_KEY = b"Ed"
_PREHASHED = b"ED"
_SCRYPT = b"Sc"
_PLAIN = b"\0\0"
_BLAKE2B = b"B2"
_SECRET = struct.Struct("<2s2s2s32sQQ104s")
_LARGEST_FILE = 4096
_LARGEST_MEMORY = 1 << 30
"""Octets that opening a key with a password may take: what minisign itself asks for."""

_UNTRUSTED = "untrusted comment: "
_TRUSTED = "trusted comment: "


class SignatureError(PluginError):
    """A key or a signature that cannot be used, or a signature that does not fit."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that signatures are checked with. ``number`` has the 8 octets that name it, ``key`` its 32 octets."""

    number: bytes
    key: bytes

    def __str__(self) -> str:
        """The line of base64 that stands in a configuration (``RW…``)."""
        return base64.b64encode(_KEY + self.number + self.key).decode()

    @property
    def name(self) -> str:
        """As minisign writes it in comments: 16 hexadecimal digits."""
        return _name(self.number)


@dataclass(frozen=True, slots=True)
class SecretKey:
    """A key that signs. ``seed`` has its 32 secret octets."""

    number: bytes
    seed: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The key that checks what this one signs."""
        return PublicKey(self.number, self._private().public_key().public_bytes_raw())

    def sign(self, content: bytes, comment: str) -> str:
        """The text of a ``.minisig`` file for ``content``; ``comment`` is signed with it.

        Raises SignatureError for a comment of several lines, and for a key that cannot be read.
        """
        if not comment.isprintable():
            raise SignatureError("a signed comment is one printable line")
        private = self._private()
        signature = private.sign(_digest(content))
        whole = private.sign(signature + comment.encode())
        return "\n".join(
            (
                f"{_UNTRUSTED}signature from provd secret key {_name(self.number)}",
                base64.b64encode(_PREHASHED + self.number + signature).decode(),
                _TRUSTED + comment,
                base64.b64encode(whole).decode(),
                "",
            )
        )

    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)


def new_key() -> SecretKey:
    """A key that did not exist before."""
    return SecretKey(secrets.token_bytes(8), Ed25519PrivateKey.generate().private_bytes_raw())


def read_public_key(text: str) -> PublicKey:
    """A public key from its line of base64 or from the whole ``.pub`` file. Raises SignatureError."""
    line = _lines(text)[-1]
    raw = _decoded(line, "the public key")
    if len(raw) != 42 or raw[:2] != _KEY:
        raise SignatureError("this is no minisign public key: it begins with RW and has 56 characters")
    return PublicKey(raw[2:10], raw[10:])


def read_secret_key(text: str, password: Secret | None = None) -> SecretKey:
    """A secret key from the text of its file.

    Raises SignatureError when it is no such key, when a password is needed, or when it is wrong. Opening a key with a
    password takes seconds and up to a gibibyte, as minisign meant it.
    """
    raw = _decoded(_lines(text)[-1], "the secret key")
    if len(raw) != _SECRET.size:
        raise SignatureError("this is no minisign secret key")
    algorithm, derivation, checksum, salt, operations, memory, sealed = _SECRET.unpack(raw)
    if algorithm != _KEY or checksum != _BLAKE2B or derivation not in (_SCRYPT, _PLAIN):
        raise SignatureError("this is no minisign secret key")
    if derivation == _SCRYPT:
        if password is None:
            raise SignatureError("this secret key is closed with a password")
        sealed = _masked(sealed, _stretched(password, salt, operations, memory))
    number, seed, public, seen = sealed[:8], sealed[8:40], sealed[40:72], sealed[72:]
    if not hmac.compare_digest(seen, _checksum(number, seed, public)):
        raise SignatureError("wrong password" if derivation == _SCRYPT else "this secret key is damaged")
    key = SecretKey(number, seed)
    if key.public.key != public:
        raise SignatureError("this secret key is damaged")
    return key


def write_public_key(key: PublicKey) -> str:
    """The text of a ``.pub`` file."""
    return f"{_UNTRUSTED}minisign public key {key.name}\n{key}\n"


def write_secret_key(key: SecretKey) -> str:
    """The text of a secret key file without a password (as of ``minisign -G -W``): its mode has to keep it."""
    public = key.public.key
    sealed = key.number + key.seed + public + _checksum(key.number, key.seed, public)
    raw = _SECRET.pack(_KEY, _PLAIN, _BLAKE2B, bytes(32), 0, 0, sealed)
    return f"{_UNTRUSTED}minisign secret key {_name(key.number)}\n{base64.b64encode(raw).decode()}\n"


def verify(content: bytes, signature: str, trusted: tuple[PublicKey, ...]) -> str:
    """Check that one of the trusted keys signed ``content``; returns the signed comment.

    Raises SignatureError that says whether the signature is none, is by a key that is not trusted, or does not fit.
    """
    lines = _lines(signature)
    if len(lines) != 4 or not lines[0].startswith(_UNTRUSTED) or not lines[2].startswith(_TRUSTED):
        raise SignatureError("this is no minisign signature: it has two comments and two lines of base64")
    raw, whole = _decoded(lines[1], "the signature"), _decoded(lines[3], "the comment's signature")
    if len(raw) != 74 or len(whole) != 64 or raw[:2] not in (_KEY, _PREHASHED):
        raise SignatureError("this is no minisign signature")
    number, made = raw[2:10], raw[10:]
    comment = lines[2].removeprefix(_TRUSTED)
    key = next((key for key in trusted if key.number == number), None)
    if key is None:
        known = ", ".join(key.name for key in trusted) or "none"
        raise SignatureError(f"signed with key {_name(number)}, which is not trusted (trusted: {known})")
    public = Ed25519PublicKey.from_public_bytes(key.key)
    try:
        public.verify(made, _digest(content) if raw[:2] == _PREHASHED else content)
    except InvalidSignature:
        raise SignatureError(f"the content is not what key {key.name} signed: it was changed or damaged") from None
    try:
        public.verify(whole, made + comment.encode())
    except InvalidSignature:
        raise SignatureError("the signature's comment was changed") from None
    return comment


def _name(number: bytes) -> str:
    return number[::-1].hex().upper()


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content).digest()


def _checksum(number: bytes, seed: bytes, public: bytes) -> bytes:
    return hashlib.blake2b(_KEY + number + seed + public, digest_size=32).digest()


def _masked(sealed: bytes, stream: bytes) -> bytes:
    return bytes(octet ^ mask for octet, mask in zip(sealed, stream, strict=True))


def _stretched(password: Secret, salt: bytes, operations: int, memory: int) -> bytes:
    """104 octets of scrypt (RFC 7914), its parameters derived from the two limits as libsodium does."""
    if memory > _LARGEST_MEMORY or not operations:
        raise SignatureError("this secret key asks for more memory than minisign's own")
    block = 8
    operations = max(operations, 32768)
    small = operations < memory // 32
    most = operations // (block * 4) if small else memory // (block * 128)
    rounds = max(1, most.bit_length() - 1)
    parallel = 1 if small else min(operations // 4 >> rounds, 0x3FFFFFFF) // block
    return hashlib.scrypt(
        password.reveal().encode(),
        salt=salt,
        n=1 << rounds,
        r=block,
        p=max(1, parallel),
        maxmem=2 * _LARGEST_MEMORY - 1,
        dklen=104,
    )


def _lines(text: str) -> list[str]:
    if len(text) > _LARGEST_FILE:
        raise SignatureError("this is too long for a key or a signature")
    return text.strip().splitlines() or [""]


def _decoded(line: str, what: str) -> bytes:
    try:
        return base64.b64decode(line.strip(), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError(f"{what} is not base64") from None
