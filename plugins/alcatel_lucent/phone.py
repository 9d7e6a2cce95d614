"""A simulated Alcatel-Lucent phone: which files it asks for, how it reads them, when it comes back.

From the vendor's administrator guides for Myriad and Halo phones and the templates of another provisioning system.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number, tree
from provd.plugin.phone import NEVER, Account, LeaseGot, Notify, Reaction

from .phone_clock import shown

URL_OF_XML, URL_OF_TOUCH = 66, 67
"""Sub-options of option 43."""
TRANSPORTS = {"1": "udp", "2": "tcp"}


class Phone(OrdinaryPhone):
    """One phone; a parameter of an IP Touch is its section and its name."""

    parameter_list = (1, 3, 6, 15, 42, 43, 66, 67)
    usual_version = "2.13.02.2001"

    @property
    def option60(self) -> str:
        """The series."""
        return {"touch": "alcatel.sip.0", "80x8s": "alcatel.ictouch.0"}.get(self._series, "aledevice")

    @property
    def user_agent(self) -> str:
        """Model and firmware, and all but an IP Touch their MAC."""
        if self._series == "touch":
            return f"Alcatel IP Touch {self.model.name}/{self.version}"
        return f"ALE {(*self.model.aliases, self.model.name)[0]} {self.version} {self.mac}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"ALE {self.model.name} {self.version}"

    def offered(self, lease: LeaseGot) -> list[str]:
        """What option 43 says, then option 66."""
        wanted = URL_OF_TOUCH if self._series == "touch" else URL_OF_XML
        inside = lease.suboption(43, wanted)
        return [text for text in (inside, lease.text(66)) if text]

    def names(self) -> Iterator[str]:
        """For all, for its model, its own."""
        if self._series == "touch":
            yield from ("lanpbx.cfg", "sipconfig.txt", f"sipconfig-{self.mac}.txt")
        else:
            yield from ("config.xml", f"config.{self.model.name}.xml", f"config.{self.mac.upper()}.xml")

    @property
    def stored(self) -> str:
        """The server that its files have told it, where DHCP names none."""
        return self.settings.get("DeviceProvisionServerUrl") or self.settings.get("LocalEnetcfgDmUrl", "")

    @property
    def pause(self) -> float:
        """An IP Touch looks so often, in minutes; of the others nobody has said how to tell them."""
        minutes = number(self.settings.get("admin/config_polling_timer", ""))
        return 60.0 * minutes if minutes else NEVER

    def notified(self, notify: Notify) -> Reaction:
        """An IP Touch knows of no such thing."""
        return Reaction(489) if self._series == "touch" else super().notified(notify)

    def restarts(self, event: str) -> bool:
        """It starts anew."""
        del event
        return True

    def read(self, name: str, body: bytes) -> Reading:
        """Settings by their ids, or sections of parameters."""
        if name.endswith("xml"):
            root = tree(body)
            if root.tag != "settings":
                raise UnreadableError(f"the root element is <{root.tag}>")
            return Reading([(each.get("id", ""), each.get("value", "")) for each in root.iter("setting")])
        pairs: Pairs = []
        section = ""
        for line in body.decode("utf-8").splitlines():
            if line.startswith("["):
                section = f"{line.strip('[]')}/"
            elif line.strip():
                parameter, equals, value = line.partition("=")
                if not equals:
                    raise UnreadableError(f"not a parameter: {line}")
                pairs.append((section + parameter, value))
        return Reading(pairs)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts that have a server."""
        found = {"touch": self._of_touch, "80x8s": self._groups}.get(self._series, self._accounts)()
        return tuple(account for account in found if account.server and account.username)

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys."""
        get, found = self.settings.get, []
        for k in range(1, self.model.keys + 1):
            if kind := get(f"ProgramKey{k}Type", ""):
                words = f"{kind} {get(f'ProgramKey{k}Value', '')}"
                found.append(f"{k}: {get(f'ProgramKey{k}Label', '')} [{words}]")
            elif number_to_dial := get(f"appl/speed_dial_{k}_uri", ""):
                found.append(f"{k}: {get(f'appl/speed_dial_{k}_first_name', '')} [{number_to_dial}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    @property
    def _series(self) -> str:
        return str(self.model.traits.get("series", "myriad"))

    def _accounts(self) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            get = {name.removeprefix(f"Account{n}"): value for name, value in self.settings.items()}.get
            if get("Enable") != "true":
                continue
            yield Account(
                line=n,
                username=get("UserName", ""),
                password=get("Password", ""),
                server=get("Server1Address", ""),
                port=number(get("Server1Port", "")),
                auth_username=get("RegName", ""),
                display_name=get("DisplayName", ""),
                label=get("Label", ""),
                backup_server=get("Server2Address", ""),
                transport=get("Server1Transport", "udp"),
            )

    def _groups(self) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            get = {name.removeprefix(f"SIPGroup{n}"): value for name, value in self.settings.items()}.get
            server = self.settings.get(f"SIPServer{n}Address", "")
            ahead = get("OutBoundProxyAddress", "")
            yield Account(
                line=n,
                username=get("DeviceUri", ""),
                password=get("AuthenticationPassword", ""),
                server=server,
                port=number(get("OutBoundProxyPort", "")) if ahead == server else 5060,
                auth_username=get("AuthenticationName", ""),
                display_name=get("DisplayName", ""),
                label=get("LabelName", ""),
            )

    def _of_touch(self) -> Iterator[Account]:
        get = {name.removeprefix("sip/"): value for name, value in self.settings.items()}.get
        yield Account(
            line=1,
            username=get("user_name", ""),
            password=get("authentication_password", ""),
            server=get("registrar_addr", ""),
            port=number(get("registrar_port", "")),
            auth_username=get("authentication_name", ""),
            display_name=get("display_name", ""),
            backup_server=get("registrar2_addr", ""),
            transport=TRANSPORTS.get(get("sip_transport_mode", "1"), "other"),
        )
