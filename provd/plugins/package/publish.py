"""What a publisher does: keys, packages with their signatures, and the list of them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, PluginError
from provd.base.secrets import Secret
from provd.plugins.loader import MANIFEST, load
from provd.plugins.package import archive, index
from provd.plugins.package.index import INDEX, SIGNATURE, Offer
from provd.plugins.package.minisign import (
    SecretKey,
    new_key,
    read_secret_key,
    verify,
    write_public_key,
    write_secret_key,
)

PUBLIC = ".pub"
SUFFIX = ".zip"

_LARGEST_KEY = 4096


@dataclass(frozen=True, slots=True)
class Built:
    """A package that was written, and its signature when there was a key."""

    plugin: str
    version: str
    path: Path
    size: int
    sha256: str
    signature: Path | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A list that was written: its number, how many packages it has, and why other files were passed over."""

    path: Path
    serial: int
    packages: int
    passed_over: tuple[str, ...]


def make_key(path: Path) -> SecretKey:
    """Write a new secret key to ``path`` (mode 0600), its public key beside it. Raises ConflictError, PluginError."""
    key = new_key()
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(write_secret_key(key))
        path.with_name(path.name + PUBLIC).write_text(write_public_key(key.public), encoding="ascii")
    except FileExistsError:
        raise ConflictError(f"{path} exists already") from None
    except OSError as error:
        raise PluginError(f"{path} cannot be written: {error.strerror}") from None
    return key


def open_key(path: Path, password: Secret | None = None) -> SecretKey:
    """The secret key in a file, of ours or of minisign's. Raises SignatureError, PluginError."""
    return read_secret_key(_read(path, _LARGEST_KEY).decode("utf-8", "replace"), password)


def build(folder: Path, target: Path, key: SecretKey | None = None) -> Built:
    """Make ``target/ID-VERSION.zip`` of a plugin folder and sign it.

    The same folder gives the same octets. Raises ManifestError, ArchiveError, and ConflictError when another package of
    this version lies there: a version that was given away never changes.
    """
    folder = folder.resolve()
    manifest = load(folder)
    content = archive.build(folder)
    path = target / f"{manifest.id}-{manifest.version}{SUFFIX}"
    if path.exists() and _read(path, archive.LARGEST) != content:
        raise ConflictError(f"{path} holds something else: raise the version in {manifest.id}/plugin.toml")
    _write(path, content)
    signature = None if key is None else sign(path, key)
    digest = hashlib.sha256(content).hexdigest()
    return Built(manifest.id, manifest.version, path, len(content), digest, signature)


def sign(path: Path, key: SecretKey) -> Path:
    """Write the signature of a package (or of any other file) beside it and return its path."""
    content = _read(path, archive.LARGEST)
    comment = f"file={path.name} sha256={hashlib.sha256(content).hexdigest()}"
    signature = path.with_name(path.name + SIGNATURE)
    _write(signature, key.sign(content, comment).encode())
    return signature


def make_index(folder: Path, key: SecretKey, *, now: float, seconds: float) -> Listed:
    """List the packages in ``folder`` that this key signed in ``index.json``, which counts for so many seconds.

    Its number is one more than that of the list that lies there. Raises PluginError.
    """
    path = folder / INDEX
    serial = index.read(_read(path, index.LARGEST)).serial + 1 if path.exists() else 1
    offers, passed_over = [], []
    for found in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            offers.append(_offer(found, key))
        except PluginError as error:
            passed_over.append(f"{found.name}: {error}")
    # The list before its signature: who fetches in between is told that they do not fit, and fetches again.
    _write(path, index.write(serial, now + seconds, offers))
    sign(path, key)
    return Listed(path, serial, len(offers), tuple(passed_over))


def _offer(path: Path, key: SecretKey) -> Offer:
    content = _read(path, archive.LARGEST)
    signature = path.with_name(path.name + SIGNATURE)
    if not signature.is_file():
        raise PluginError("is not signed")
    verify(content, _read(signature, _LARGEST_KEY).decode("utf-8", "replace"), (key.public,))
    package = archive.read(content)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / package.plugin
        folder.mkdir()
        (folder / MANIFEST).write_bytes(package.files[MANIFEST])
        manifest = load(folder)
    if path.name != f"{manifest.id}-{manifest.version}{SUFFIX}":
        raise PluginError(f"holds {manifest.id} {manifest.version}: it has to be called so")
    return Offer(
        id=manifest.id,
        version=manifest.version,
        contract=manifest.contract,
        vendor=manifest.vendor,
        description=manifest.description,
        file=path.name,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )


def _read(path: Path, largest: int) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(largest + 1)
    except OSError as error:
        raise PluginError(f"{path} cannot be read: {error.strerror}") from None
    if len(content) > largest:
        raise PluginError(f"{path} is too large")
    return content


def _write(path: Path, content: bytes) -> None:
    """The whole file or none of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise PluginError(f"{path} cannot be written: {error.strerror}") from None
