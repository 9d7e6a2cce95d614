"""The certificates of the HTTPS listeners: loaded at the start, read anew on a reload, watched for their end."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from provd.base.facts import FactSink
from provd.base.facts.http import CertificateEnds, LegacyTls
from provd.config.settings import PhonesSection
from provd.http.tls import Pair, Tls, checked

_MODERN, _LEGACY = "https", "https-legacy"
_DAY = 86400.0
_WARN = 30 * _DAY


def pairs_of(phones: PhonesSection) -> dict[str, Pair]:
    """Certificate and key by the name of the listeners that use them."""
    pairs = {}
    if phones.tls_listen:
        pairs[_MODERN] = Pair(Path(phones.tls_certificate), Path(phones.tls_key))
    if phones.tls_legacy_listen:
        pairs[_LEGACY] = Pair(Path(phones.tls_legacy_certificate), Path(phones.tls_legacy_key))
    return pairs


class Certificates:
    """Raises ConfigError for what cannot be used."""

    def __init__(self, phones: PhonesSection, emit: FactSink) -> None:
        self._emit = emit
        self._tls: Mapping[str, Tls] = {
            name: Tls(pair, legacy=name == _LEGACY) for name, pair in pairs_of(phones).items()
        }
        self._told = 0.0

    def context(self, name: str) -> ssl.SSLContext:
        """What a listener of that name speaks."""
        return self._tls[name].context

    def check(self, phones: PhonesSection) -> None:
        """See whether ``renew`` will work. Raises ConfigError."""
        for name, pair in pairs_of(phones).items():
            if name in self._tls:
                checked(pair)

    def renew(self, phones: PhonesSection, now: float) -> None:
        """Read the files anew, at the places that the settings name now. Raises ConfigError."""
        for name, pair in pairs_of(phones).items():
            if name in self._tls:
                self._tls[name].renew(pair)
        self._told = 0.0
        self.watch(now)

    def opened(self, now: float) -> None:
        """The listeners are open: tell what is to be told of them."""
        if _LEGACY in self._tls:
            self._emit(LegacyTls(at=now))
        self.watch(now)

    def watch(self, now: float) -> None:
        """Tell of certificates that end soon, begin later or have ended, once a day."""
        if now < self._told + _DAY:
            return
        self._told = now
        for tls in self._tls.values():
            validity = tls.validity
            if not validity.begins <= now <= validity.ends - _WARN:
                days = (validity.ends - now) / _DAY
                early = validity.begins > now
                self._emit(CertificateEnds(at=now, file=str(tls.pair.certificate), days=int(days // 1), early=early))
