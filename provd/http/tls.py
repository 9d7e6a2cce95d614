"""Our side of TLS for phones: contexts, certificates that are read anew, and when they end.

Modern listeners speak TLS 1.2 and newer (RFC 8996). Firmware of before 2012 speaks TLS 1.0 only, with ciphers that
OpenSSL's default security level refuses; it gets listeners, and a certificate, of its own.
"""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError

_LEGACY_CIPHERS = "DEFAULT:@SECLEVEL=0"


@dataclass(frozen=True, slots=True)
class Pair:
    """A certificate (with its chain) and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class Validity:
    """From when until when a certificate is good, in seconds since the epoch."""

    begins: float
    ends: float


def checked(pair: Pair) -> Validity:
    """Read both files and see that they belong together. Raises ConfigError that names the file at fault."""
    # Where there is no certificate, nothing that reads one is needed.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    octets = _read(pair.certificate)
    try:
        first = x509.load_pem_x509_certificates(octets)[0]
    except ValueError as error:
        raise ConfigError(f"not a certificate in PEM form: {error}", str(pair.certificate)) from None
    try:
        key = load_pem_private_key(_read(pair.key), password=None)
    except TypeError:
        raise ConfigError("the key is encrypted; provd cannot ask for its password", str(pair.key)) from None
    except ValueError:
        raise ConfigError("not a private key in PEM form", str(pair.key)) from None
    if key.public_key() != first.public_key():
        raise ConfigError(f"the key does not belong to the certificate {pair.certificate}", str(pair.key))
    return Validity(first.not_valid_before_utc.timestamp(), first.not_valid_after_utc.timestamp())


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot be read: {error.strerror}", str(file)) from None


class Tls:
    """One context for listeners, whose certificate can be changed while they are open."""

    def __init__(self, pair: Pair, *, legacy: bool = False) -> None:
        self.validity = checked(pair)
        self.pair = pair
        self.legacy = legacy
        self.context = _context(legacy=legacy)
        self._load(self.context, pair)

    def renew(self, pair: Pair) -> None:
        """Take the files as they are now, for every handshake from now on. Raises ConfigError and changes nothing."""
        validity = checked(pair)
        # Whatever OpenSSL itself dislikes is found on a context that nobody uses yet.
        self._load(_context(legacy=self.legacy), pair)
        self._load(self.context, pair)
        self.pair, self.validity = pair, validity

    @staticmethod
    def _load(context: ssl.SSLContext, pair: Pair) -> None:
        try:
            # Without a password of its own OpenSSL would ask the terminal, and wait.
            context.load_cert_chain(pair.certificate, pair.key, password="")
        except (OSError, ValueError) as error:
            raise ConfigError(f"not usable with {pair.key}: {error}", str(pair.certificate)) from error


def _context(*, legacy: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_RENEGOTIATION
    if legacy:
        with warnings.catch_warnings():
            # Python warns of what this listener is there for.
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers(_LEGACY_CIPHERS)
    else:
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def is_modern(context: ssl.SSLContext | None) -> bool:
    """Whether a connection of this context is as good as TLS can be."""
    return context is not None and context.minimum_version >= ssl.TLSVersion.TLSv1_2
