"""Whether a package may come in: its signature, its manifest, the contract it was written for."""

from __future__ import annotations

import hashlib
import hmac
from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.plugins.package.archive import Package, read
from provd.plugins.package.index import Offer
from provd.plugins.package.minisign import PublicKey, SignatureError, read_public_key, verify

Trust = Literal["signed", "local"]
"""``signed``: every package needs the signature of a trusted key. ``local``: one from this machine's own disk needs
none; what comes over the network needs it in any case."""


class RefusedError(PluginError):
    """A package that may not come in. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Admitted:
    """A package that may come in. ``signed`` is the signed comment, empty for one without a signature."""

    package: Package
    sha256: str
    signed: str


def admit(
    content: bytes,
    signature: str | None,
    *,
    trust: Trust,
    keys: tuple[PublicKey, ...],
    offer: Offer | None = None,
) -> Admitted:
    """Let a package in or raise RefusedError, SignatureError or ArchiveError.

    ``offer`` is what an index, whose own signature was checked, says of it; such a package came over the network.
    """
    digest = hashlib.sha256(content).hexdigest()
    if offer is not None and not hmac.compare_digest(digest, offer.sha256):
        raise RefusedError(f"{offer.file} is not the file that the index lists: it was changed or damaged on its way")
    comment = ""
    if signature is not None:
        comment = verify(content, signature, keys)
    elif trust == "signed" or offer is not None:
        raise RefusedError(
            "the package has no signature (a file of the same name with .minisig at its end); "
            'only packages of trusted keys come in, unless plugins.trust is "local"'
        )
    package = read(content)
    if offer is not None and offer.id != package.plugin:
        raise RefusedError(f"{offer.file} holds {package.plugin}, and the index lists it as {offer.id}")
    return Admitted(package, digest, comment)


def keys_of(texts: tuple[str, ...]) -> tuple[PublicKey, ...]:
    """The trusted keys of a configuration. Raises SignatureError that names the one which is none."""
    keys = []
    for text in texts:
        try:
            keys.append(read_public_key(text))
        except SignatureError as error:
            raise SignatureError(f"{text[:20]!r}: {error}") from None
    return tuple(keys)
