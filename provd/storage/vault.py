"""Secrets at rest: AES-256-GCM (NIST SP 800-38D) under a key file, and sub-keys by HKDF (RFC 5869)."""

from __future__ import annotations

import base64
import binascii
import os
import secrets
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from provd.base.errors import StorageError
from provd.base.secrets import Secret

_KEY_OCTETS = 32
_NONCE_OCTETS = 12
_FORM = "v1"


class SealError(StorageError):
    """A sealed value does not open: damaged, moved to another row, or sealed with a key that is not here."""


def _derived(key: bytes, purpose: str) -> bytes:
    return HKDF(algorithm=SHA256(), length=_KEY_OCTETS, salt=None, info=f"provd {purpose}".encode()).derive(key)


class Vault:
    """Seals and opens secrets. ``keys`` maps key ids to keys of 32 octets; the first one seals, all of them open."""

    def __init__(self, keys: dict[str, bytes]) -> None:
        self._ciphers = {name: AESGCM(_derived(key, "seal")) for name, key in keys.items()}
        self._current = next(iter(keys))
        # The oldest key, so that putting a new one on top of the file does not change every device's token.
        self._root = list(keys.values())[-1]

    @classmethod
    def open(cls, path: Path) -> Vault:
        """The vault of a key file, which is made when it is not there yet.

        The file holds one line ``<key id> <base64 of 32 octets>`` per key, the one in use first. Raises StorageError
        when the file is not usable or when others than its owner can read it.
        """
        try:
            text = _read(path)
        except FileNotFoundError:
            text = _create(path)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}") from error
        return cls(_parse(path, text))

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the one in use first."""
        return tuple(self._ciphers)

    def seal(self, secret: Secret, table: str, column: str, key: str) -> str:
        """The secret as printable text that opens at this place only."""
        nonce = secrets.token_bytes(_NONCE_OCTETS)
        place = _place(table, column, key, self._current)
        sealed = self._ciphers[self._current].encrypt(nonce, secret.reveal().encode("utf-8", "surrogatepass"), place)
        return f"{_FORM}.{self._current}.{base64.urlsafe_b64encode(nonce + sealed).decode('ascii')}"

    def open_sealed(self, text: str, table: str, column: str, key: str) -> Secret:
        """The secret of such a text. Raises SealError."""
        form, _, rest = text.partition(".")
        name, _, body = rest.partition(".")
        if form != _FORM:
            raise SealError("not a sealed value")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise SealError(f"sealed with key {name[:16]!r}, which is not in the key file")
        try:
            # What base64.urlsafe_b64decode does, in a third of the time: at the start there are ten thousand of them.
            octets = binascii.a2b_base64(body.replace("-", "+").replace("_", "/"))
            opened = cipher.decrypt(octets[:_NONCE_OCTETS], octets[_NONCE_OCTETS:], _place(table, column, key, name))
            return Secret(opened.decode("utf-8", "surrogatepass"))
        except (InvalidTag, ValueError) as error:
            raise SealError(f"does not open with key {name}") from error

    def derive(self, purpose: str) -> bytes:
        """32 octets that depend on the key file and the purpose only."""
        return _derived(self._root, f"derive {purpose}")


def _place(table: str, column: str, key: str, name: str) -> bytes:
    # The associated data. A settings name or a key may contain the separator; the length keeps them apart.
    return f"{table}|{len(column)}|{column}|{key}|{name}".encode("utf-8", "surrogatepass")


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(descriptor, encoding="ascii", errors="replace") as file:
        mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
        if mode & 0o077:
            raise StorageError(f"{path}: others can read the key (mode {mode:o}); make it 600")
        return file.read()


def _create(path: Path) -> str:
    text = f"{secrets.token_hex(4)} {base64.b64encode(secrets.token_bytes(_KEY_OCTETS)).decode('ascii')}\n"
    # Half a key, or none, would lock us out at every later start: it gets its name when all of it is on disk.
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StorageError(f"{path}: cannot make the key file: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
            file.flush()
            os.fsync(descriptor)
        path.hardlink_to(draft)  # unlike a rename it fails where another process was quicker
    except OSError as error:
        raise StorageError(f"{path}: cannot write the key file: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)
    return text


def _parse(path: Path, text: str) -> dict[str, bytes]:
    keys: dict[str, bytes] = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, _, body = line.strip().partition(" ")
        if not name:
            continue
        try:
            key = base64.b64decode(body, validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) != _KEY_OCTETS or not name.isalnum():
            raise StorageError(f"{path}:{number}: not a key; put the right file back, without it no secret opens")
        keys[name] = key
    if not keys:
        raise StorageError(f"{path}: holds no key; put the right file back, without it no secret opens")
    return keys
