"""What the configuration says about this site, as far as the use cases need it."""

from __future__ import annotations

from typing import Literal

from provd.base.dataclass import dataclass
from provd.base.types import ip_int
from provd.domain.delivery import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Policy and addresses of this site. ``advertise`` may be ``host`` or ``host:port``; ``stale_after`` is in
    seconds; ``https_port`` is 0 without a TLS listener."""

    secrets: Policy = "bound"
    claim: Literal["dial", "mac"] = "dial"
    """How a tenant may take an unclaimed device: by dialing a code on it, or also by knowing its MAC."""
    auto_add: bool = True
    max_new_devices: int = 5000
    stale_after: float = 30 * 86400.0
    advertise: str = ""
    http_port: int = 8667
    https_port: int = 0
    sip_port: int = 5060

    def host(self, local: str) -> str:
        """Our name or address for somebody who talked to ``local``."""
        return _split(self.advertise)[0] or local

    def address(self, local: str) -> str:
        """Our IPv4 address for somebody who talked to ``local``."""
        host = self.host(local)
        try:
            ip_int(host)
        except ValueError:
            return local
        return host

    def port(self, *, secure: bool = False) -> int:
        """The TCP port of our files."""
        return _split(self.advertise)[1] or (self.https_port if secure and self.https_port > 0 else self.http_port)

    def base(self, local: str, *, secure: bool = False) -> str:
        """The base URL of our files, without a trailing slash."""
        tls = secure and self.https_port > 0
        port, host = self.port(secure=secure), self.host(local)
        shown = f"[{host}]" if ":" in host else host
        suffix = "" if port == (443 if tls else 80) else f":{port}"
        return f"{'https' if tls else 'http'}://{shown}{suffix}"


def _split(advertise: str) -> tuple[str, int]:
    host, colon, port = advertise.rpartition(":")
    if colon and port.isdecimal() and ":" not in host:
        return host, int(port)
    return advertise.strip("[]"), 0
