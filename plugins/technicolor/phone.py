"""A simulated Thomson phone: which files it asks for, when it believes them, what its keys do.

From the files that the vendor ships with its firmware, and the templates of another provisioning system.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number
from provd.plugin.phone import Account

from .phone_clock import shown

TRANSPORTS = {"0": "udp", "1": "tcp", "2": "tls"}
_LINE = re.compile(r"(?P<name>[A-Za-z0-9_-]+)=(?P<value>.*)")
_SERIAL = re.compile(r"\d{12}")
_KEY = re.compile(r"(?P<kind>[LS])/<sip:(?P<number>.*)>")


class Phone(OrdinaryPhone):
    """One phone and its parameters; their sections are not told apart."""

    factory = MappingProxyType({"NtpZoneNum": "23", "NtpDaylight": "1", "Dialednum_timeout": "4"})
    parameter_list = (1, 3, 6, 15, 42, 43)
    options = (43,)
    usual_version = "2.74"
    _serial = ""

    @property
    def option77(self) -> str:
        """Vendor and model, as in the names of its files."""
        return f"Thomson {self.model.name}S"

    @property
    def user_agent(self) -> str:
        """Vendor, model, hardware, firmware and MAC."""
        mac = "-".join(self.mac.upper()[i : i + 2] for i in range(0, 12, 2))
        return f"Thomson {self.model.name} hw5 fw{self.version} {mac}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Thomson {self.model.name} {self.version}"

    def names(self) -> Iterator[str]:
        """The one that DHCP names says what the others are."""
        yield f"{self.model.name}S.inf"

    def address(self, server: str, name: str) -> str:
        """DHCP has the whole URL of the first file."""
        return server if server.endswith(name) else super().address(server, name)

    def restarts(self, event: str) -> bool:
        """It asks for its files without a restart."""
        del event
        return False

    def read(self, name: str, body: bytes) -> Reading:
        """``name=value`` in sections. The first file has URLs, and a file whose number is known is left alone."""
        section, pairs, seen = "", [], set()
        for line in body.decode("utf-8").splitlines():
            if line.startswith("[") and line.endswith("]"):
                section = line
                if section in seen:
                    raise UnreadableError(f"{section} stands twice")
                seen.add(section)
                continue
            found = _LINE.fullmatch(line)
            if not line.strip():
                continue
            if found is None or not section:
                raise UnreadableError(f"no parameter and value: {line[:40]!r}")
            pairs.append((found["name"], found["value"]))
        if name.endswith(".inf"):
            urls = dict(pairs)
            own = f"{urls['config']}{self.model.name}S_{self.mac.upper()}.txt" if "config" in urls else ""
            return Reading([], tuple(filter(None, (urls.get("common_config", ""), own))))
        return Reading(self._unless_known(name, pairs))

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The lines that are in use."""
        return tuple(self._lines())

    @property
    def keys(self) -> list[str]:
        """What its keys dial, and which of them watch."""
        found = []
        for k in range(1, self.model.keys + 1):
            key = _KEY.fullmatch(self.settings.get(f"FeatureKeyExt{k:02d}", ""))
            if key is not None and key["number"]:
                found.append(f"{k}: {'watches' if key['kind'] == 'S' else 'dials'} {key['number']}")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    def _unless_known(self, name: str, pairs: Pairs) -> Pairs:
        if not name.endswith(f"_{self.mac.upper()}.txt"):
            return pairs
        serial = dict(pairs).get("config_sn", "")
        if not _SERIAL.fullmatch(serial):
            raise UnreadableError(f"config_sn has to have twelve digits: {serial!r}")
        if serial == self._serial:
            return []
        self._serial = serial
        return [(parameter, value) for parameter, value in pairs if parameter != "config_sn"]

    def _lines(self) -> Iterator[Account]:
        get = self.settings.get
        for n in range(1, self.model.lines + 1):
            user, server = get(f"TEL{n}Number", ""), get(f"ProxyServerMP{n}", "")
            if get(f"TEL0{n}Use") != "1" or not user or not server:
                continue
            transport = TRANSPORTS.get(get(f"TransportFlgMP{n}", "0"), "other")
            port = f"sip_pxy_{'tls_' if transport == 'tls' else ''}srv_portMP{n}"
            yield Account(
                line=n,
                username=user,
                password=get(f"regpwd{n}", ""),
                server=server,
                port=number(get(port, "")),
                auth_username=get(f"regid{n}", ""),
                display_name=get(f"DisplayName{n}", ""),
                backup_server=get(f"ProxyServerBK{n}", ""),
                transport=transport,
            )
