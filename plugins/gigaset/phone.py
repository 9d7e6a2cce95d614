"""A simulated Gigaset DECT base with its handsets: which file it asks for, how it reads it, when it comes back.

From other provisioning systems' templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, tree
from provd.plugin.phone import NEVER, Account

from .phone_clock import shown

TRANSPORTS = {"1": "udp", "2": "tcp", "3": "tls"}
N510 = (
    ("user", "BS_IP_Data1.aucS_SIP_USER_ID"),
    ("auth", "BS_IP_Data3.aucS_SIP_LOGIN_ID"),
    ("password", "BS_IP_Data1.aucS_SIP_PASSWORD"),
    ("name", "BS_IP_Data1.aucS_SIP_DISPLAYNAME"),
    ("server", "BS_IP_Data1.aucS_SIP_REGISTRAR"),
    ("port", "BS_IP_Data1.uiI_SIP_REGISTRAR_PORT"),
)


class Phone(OrdinaryPhone):
    """One base and its parameters: symbols of a provider's frame, or parameters by name."""

    parameter_list = (1, 3, 6, 15, 42, 114)
    options = (114,)

    @property
    def series(self) -> str:
        """Which of the formats it has."""
        return str(self.model.traits.get("series"))

    @property
    def option60(self) -> str:
        """The older bases tell their model."""
        return {"n510": "N510_IP_PRO", "n720": "Gigaset_N720_DM_PRO"}.get(self.series, "")

    @property
    def user_agent(self) -> str:
        """Model, firmware and MAC."""
        if self.series == "n870":
            return f"Gigaset {self.model.name}/83.V{self.version or '2.49.1'}+build.a546b91;{self.mac.upper()}"
        usual = "70.108" if self.series == "n720" else "42.258"
        return f"{self.model.name}/{self.version or usual}.00.000.000;{self.mac.upper()}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return self.user_agent

    usual_version = ""

    def names(self) -> Iterator[str]:
        """Its own file alone, in capitals or in small letters."""
        yield f"{self.mac if self.series == 'n870' else self.mac.upper()}.xml"

    @property
    def stored(self) -> str:
        """The server that its file has named."""
        if self.series == "n870":
            return self.settings.get("Provisioning.global.ProvisioningServer", "")
        path = self.settings.get("S_CONFIGFILE_URL", "").rpartition("/")[0]
        return f"http://{path}" if path else ""

    @property
    def pause(self) -> float:
        """Not known: nothing but a start or a NOTIFY makes it look."""
        return NEVER

    def restarts(self, event: str) -> bool:
        """It reads its file again."""
        del event
        return False

    def read(self, name: str, body: bytes) -> Reading:
        """Elements with ``value``; a frame for another base changes nothing."""
        del name
        root = tree(body)
        if self.series == "n870":
            return Reading(list(self._named(root)))
        return Reading(list(self._framed(root)))

    def _named(self, root: ET.Element) -> Pairs:
        nvm = root.find("nvm")
        if root.tag != "provisioning" or root.get("productID") != "e2" or nvm is None:
            raise UnreadableError("no <nvm> in a <provisioning> for this product")
        there = {each.get("value", "") for each in nvm.iter("oper") if each.get("name") == "add_hs"}
        pairs = [(each.get("name", ""), each.get("value", "")) for each in nvm.findall("param")]
        known = {name.split(".")[1] for name, _ in pairs if name.startswith("SipAccount.")}
        # What becomes of a handset: those that are not added are taken away.
        return [*pairs, *((f"hs.{number}", "here" if number in there else "") for number in sorted(known))]

    def _framed(self, root: ET.Element) -> Pairs:
        provider = root.find("Provider")
        if root.tag != "ProviderFrame" or provider is None:
            raise UnreadableError("no <Provider> in a <ProviderFrame>")
        address = provider.find("MAC_ADDRESS")
        if address is None or address.get("value") != self.mac.upper():
            raise UnreadableError("a frame for another base")
        pairs: Pairs = []
        for each in provider:
            value = each.get("value", "")
            if value.startswith('"'):
                if len(value) < 2 or not value.endswith('"') or '"' in value[1:-1]:
                    raise UnreadableError(f"quotation marks: {value}")
                value = value[1:-1]
            if each.tag in {"SYMB_ITEM", "S_CONFIGFILE_URL"}:
                pairs.append((each.get("ID", each.tag), value))
        return pairs

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts of its handsets that register."""
        found = {"n510": self._of_n510, "n720": self._of_n720, "n870": self._of_n870}.get(self.series)
        return tuple(found()) if found else ()

    def clock(self, at: datetime) -> datetime | None:
        """What its handsets show."""
        return shown(self.settings, at)

    def _of_n510(self) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            end = "" if n == 1 else f"_{n}"
            get = {what: self.settings.get(name + end, "") for what, name in N510}
            if self.settings.get(f"BS_IP_Data1.ucB_SIP_ACCOUNT_IS_ACTIVE_{n}") == "0x1" and get["server"]:
                yield _account(n, get)

    def _of_n720(self) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            start = f"BS_VOIP_Data.astVoipAccounts[{n - 1}]."
            mine = {name.removeprefix(start): value for name, value in self.settings.items() if name.startswith(start)}
            place = f"BS_VOIP_Data.astVoipProviders[{int(mine.get('ucVoipProviderIndex', '0'), 16)}]."
            get = {
                "user": mine.get("aucS_SIP_USER_ID[0]", ""),
                "auth": mine.get("aucS_SIP_LOGIN_ID[0]", ""),
                "password": mine.get("aucS_SIP_PASSWORD[0]", ""),
                "name": mine.get("aucS_SIP_DISPLAYNAME[0]", ""),
                "server": self.settings.get(f"{place}aucSIP_REGISTRAR[%]", ""),
                "port": self.settings.get(f"{place}uiSIP_REGISTRAR_PORT", ""),
            }
            if mine.get("ucB_SIP_ACCOUNT_IS_ACTIVE_1") == "0x1" and get["server"]:
                yield _account(n, get)

    def _of_n870(self) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            start = f"SipAccount.{n:05}."
            place = f"SipProvider.{self.settings.get(f'{start}ProviderId', '0')}."
            server = self.settings.get(f"{place}RegServerAddress", "")
            user = self.settings.get(f"{start}UserName", "")
            if self.settings.get(f"hs.{n:05}") == "here" and user and server:
                yield Account(
                    line=n,
                    username=user,
                    password=self.settings.get(f"{start}AuthPassword", ""),
                    server=server,
                    port=int(self.settings.get(f"{place}RegServerPort", "0")),
                    auth_username=self.settings.get(f"{start}AuthName", ""),
                    display_name=self.settings.get(f"{start}DisplayName", ""),
                    backup_server=self.settings.get(f"{place}FailoverServerAddress", ""),
                    transport=TRANSPORTS.get(self.settings.get(f"{place}TransportProtocol", "1"), "other"),
                )


def _account(n: int, get: dict[str, str]) -> Account:
    return Account(
        line=n,
        username=get["user"],
        password=get["password"],
        server=get["server"],
        port=int(get["port"] or "0", 16),
        auth_username=get["auth"],
        display_name=get["name"],
    )
