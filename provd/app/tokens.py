"""Device tokens and temporary accounts: derived from a key, so that nothing is stored before first use."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode

from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.base.secrets import Secret
from provd.base.types import Mac

TOKEN = re.compile(r"[a-z2-7]{26}")
"""A device token in a path: 128 bits in base32, lower case, without padding."""

ACCOUNT_PREFIX = "ap"
ACCOUNT = re.compile(rf"{ACCOUNT_PREFIX}(?P<mac>[0-9a-f]{{12}})(?:-(?P<port>[1-9][0-9]?))?")
"""The user name of a temporary account. Ports of a gateway beyond the first one have a name of their own."""
_MINIMUM_KEY = 16


@dataclass(frozen=True, slots=True)
class TemporaryAccount:
    """The SIP account of a phone that nobody has claimed."""

    username: str
    password: Secret


class Tokens:
    """Derives and checks tokens and temporary passwords.

    ``epoch`` is the device's ``token_epoch``: raising it makes every token and password of the device another one.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < _MINIMUM_KEY:
            raise ConfigError(f"the token key must have at least {_MINIMUM_KEY} octets")
        self._key = key

    def _derive(self, purpose: str, mac: Mac, epoch: int) -> str:
        digest = hmac.digest(self._key, f"{purpose}|{mac}|{epoch}".encode(), "sha256")
        return b32encode(digest[:16])[:26].decode("ascii").lower()

    def token(self, mac: Mac, epoch: int = 0) -> str:
        """The device's token: 26 characters."""
        return self._derive("token", mac, epoch)

    def valid(self, token: str, mac: Mac, epoch: int = 0) -> bool:
        """Whether this is the device's token, in constant time."""
        return hmac.compare_digest(token.encode(), self.token(mac, epoch).encode())

    def handed(self, mac: Mac, epoch: int) -> str:
        """What proves a device to us that another instance hands over with this epoch: 26 characters, too."""
        return self._derive("handed over", mac, epoch)

    def account(self, mac: Mac, epoch: int = 0, port: int = 1) -> TemporaryAccount:
        """The temporary account of the device, or of one of its ports; the SIP side derives the same one."""
        suffix, purpose = ("", "account") if port == 1 else (f"-{port}", f"account {port}")
        return TemporaryAccount(ACCOUNT_PREFIX + mac + suffix, Secret(self._derive(purpose, mac, epoch)))


class TokenBook:
    """Whose token is this? Needed where a request names no MAC: a common file below a token directory.

    Tokens are derived when the first such request comes: most sites never have one.
    """

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._epochs: dict[Mac, int] = {}
        self._owners: dict[str, Mac] = {}
        self._issued: dict[Mac, str] = {}

    def keep(self, mac: Mac, epoch: int) -> None:
        """Remember the device; an older token of it is forgotten."""
        if self._epochs.get(mac) != epoch:
            self.drop(mac)
            self._epochs[mac] = epoch

    def token(self, mac: Mac, epoch: int) -> str:
        """The device's token, remembered from now on."""
        self.keep(mac, epoch)
        token = self._issued.get(mac)
        if token is None:
            token = self._issued[mac] = self._tokens.token(mac, epoch)
            self._owners[token] = mac
        return token

    def drop(self, mac: Mac) -> None:
        """Forget the device."""
        self._epochs.pop(mac, None)
        token = self._issued.pop(mac, None)
        if token is not None:
            self._owners.pop(token, None)

    def owner(self, token: str) -> Mac | None:
        """The remembered device with this token, or None.

        The look-up goes by hash, so it tells nothing of near misses by its time.
        """
        if len(self._issued) < len(self._epochs):
            for mac, epoch in self._epochs.items():
                self.token(mac, epoch)
        return self._owners.get(token)
