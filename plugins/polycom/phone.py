"""A simulated Polycom phone: the master file, the files it names, attributes as parameters.

From the vendor's administrator's guides as other provisioning systems follow them.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number, tree
from provd.plugin.phone import NEVER, Account

from .phone_clock import shown

TRANSPORTS = {"UDPOnly": "udp", "TCPOnly": "tcp", "TLS": "tls"}
NOBODY = "000000000000.cfg"
FACTORY_PERIOD = 86400
ON_A_MODULE = 84


class Phone(OrdinaryPhone):
    """One phone and its parameters."""

    factory = MappingProxyType({"device.dhcp.bootSrvUseOpt": "CustomAndOption66"})
    parameter_list = (1, 2, 3, 4, 6, 12, 15, 28, 42, 43, 60, 66, 67, 160)
    options = (160, 66)
    first_found = True
    own_words = frozenset({"None"})
    usual_version = "5.9.2.3446"

    @property
    def user_agent(self) -> str:
        """It says the series, the model and the firmware."""
        kind = {"VVX": "VVX", "SPI": "SoundPointIP", "SSI": "SoundStationIP"}[self.model.name[:3]]
        return f"FileTransport Polycom{kind}-{self.model.aliases[0]}-UA/{self.version} Type/Application"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Polycom{self.model.aliases[0]}-UA/{self.version}"

    def names(self) -> Iterator[str]:
        """Its own master file, else the one for all."""
        yield f"{self.mac}.cfg"
        yield NOBODY

    def address(self, server: str, name: str) -> str:
        """A server may be given with the name of the master file behind it."""
        return super().address(server.removesuffix(f"/{NOBODY}"), name)

    @property
    def stored_first(self) -> bool:
        """A static server is the only one; DHCP counts otherwise."""
        return self.settings.get("device.dhcp.bootSrvUseOpt") == "Static"

    @property
    def stored(self) -> str:
        """The server in its settings."""
        return self.settings.get("device.prov.serverName", "")

    @property
    def pause(self) -> float:
        """Seconds, an hour at least."""
        if self.settings.get("prov.polling.enabled") != "1":
            return NEVER
        return float(max(3600, number(self.settings.get("prov.polling.period", ""), FACTORY_PERIOD)))

    def read(self, name: str, body: bytes) -> Reading:
        """A master file names others; in those every attribute of every element is a parameter."""
        del name
        root = tree(body)
        if root.tag == "APPLICATION":
            files = root.get("CONFIG_FILES", "").replace("[PHONE_MAC_ADDRESS]", str(self.mac))
            return Reading([], tuple(each.strip() for each in files.split(",") if each.strip()))
        if root.tag not in {"PHONE_CONFIG", "polycomConfig"}:
            raise UnreadableError(f"the root element is <{root.tag}>")
        attributes = dict(pair for element in root.iter() for pair in element.attrib.items())
        pairs: Pairs = []
        for parameter, value in attributes.items():
            if parameter.startswith("device.") and parameter != "device.set":
                if parameter.endswith(".set") or attributes.get(f"{parameter}.set") != "1":
                    continue
                if attributes.get("device.set") != "1":
                    continue
            pairs.append((parameter, value))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its line keys, and beside those of one expansion module behind them."""
        get = self.settings.get
        places = range(1, self.model.keys + ON_A_MODULE + 1)
        watched = [k for k in places if get(f"attendant.resourceList.{k}.address")]
        found = []
        for k in places:
            category, index = get(f"lineKey.{k}.category", ""), get(f"lineKey.{k}.index", "")
            place = f"{k}" if k <= self.model.keys else f"1.{k - self.model.keys}"
            # A key that watches takes the next of those numbers; where keys have no category, they follow the lines.
            if watched and (index == "0" if category == "BLF" else not category and k == watched[0]):
                one = f"attendant.resourceList.{watched.pop(0)}"
                found.append(f"{place}: {get(f'{one}.label', '')} [blf {get(f'{one}.address')}]")
            elif category == "Line":
                found.append(f"{place}: {get(f'reg.{index}.label', '')} [line {index}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        get = self.settings.get
        for n in range(1, self.model.lines + 1):
            user, server = get(f"reg.{n}.address", ""), get(f"reg.{n}.server.1.address", "")
            if user and server:
                yield Account(
                    line=n,
                    username=user,
                    password=get(f"reg.{n}.auth.password", ""),
                    server=server,
                    port=number(get(f"reg.{n}.server.1.port", "")),
                    auth_username=get(f"reg.{n}.auth.userId", ""),
                    display_name=get(f"reg.{n}.displayName", ""),
                    label=get(f"reg.{n}.label", ""),
                    backup_server=get(f"reg.{n}.server.2.address", ""),
                    transport=TRANSPORTS.get(get(f"reg.{n}.server.1.transport", "UDPOnly"), "other"),
                )
