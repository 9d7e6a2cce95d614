"""A simulated Grandstream phone, adapter or DECT base: which files it asks for, how it reads them, when it comes back.

From the vendor's configuration templates (numbers, names and values of parameters) and other provisioning systems.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from provd.plugin.ordinary import OrdinaryPhone, Reading, UnreadableError, host_and_port, number, tree
from provd.plugin.phone import NEVER, Account

from .phone_cipher import decrypted
from .phone_clock import shown
from .phone_keys import named_keys, numbered_keys
from .phone_names import CODES

SCHEMES = {"0": "tftp", "1": "http", "2": "https", "TFTP": "tftp", "HTTP": "http", "HTTPS": "https"}
TRANSPORTS = {"0": "udp", "1": "tcp", "2": "tls", "UDP": "udp", "TCP": "tcp", "TlsOrTcp": "tls"}


class Phone(OrdinaryPhone):
    """One device and its parameters, numbered or named as its model has them."""

    parameter_list = (1, 3, 6, 42)
    options = (66, 43)
    first_found = True
    own_words = frozenset({"None"})
    usual_version = "1.0.11.85"

    @property
    def user_agent(self) -> str:
        """Model, firmware and MAC."""
        return f"Grandstream Model HW {self.model.name} SW {self.version} DevId {self.mac}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Grandstream {self.model.name} {self.version}"

    def names(self) -> Iterator[str]:
        """A binary form nobody makes any more, its own file, that of its model, and one for all."""
        yield f"cfg{self.mac}"
        yield f"cfg{self.mac}.xml"
        yield f"cfg{self.model.name.lower()}.xml"
        yield "cfg.xml"

    @property
    def stored_first(self) -> bool:
        """What DHCP says counts unless that is switched off."""
        return self._said("P145") in {"0", "No"}

    @property
    def stored(self) -> str:
        """The configured server: scheme and path stand apart."""
        path = self._said("P237")
        return f"{SCHEMES.get(self._said('P212'), 'https')}://{path}" if path else ""

    @property
    def pause(self) -> float:
        """Minutes, where the periodic check is on; an hour at least."""
        if self._said("P194") not in {"1", "YesUpgradeMin"}:
            return NEVER
        return 60.0 * max(60, number(self._said("P193"), 10080))

    def restarts(self, event: str) -> bool:
        """It starts anew when a NOTIFY tells it to look, and finds its files by that."""
        return event.startswith("check-sync")

    def read(self, name: str, body: bytes) -> Reading:
        """Numbered parameters in a configuration of version 1, named ones in version 2; perhaps encrypted."""
        if not name.endswith(".xml"):
            raise UnreadableError("the binary form is not simulated")
        root = tree(decrypted(body, self._said("P1359")))
        if root.tag != "gs_provision":
            raise UnreadableError(f"the root element is <{root.tag}>")
        config = root.find("config")
        if config is None or config.get("version") not in {"1", "2"}:
            raise UnreadableError("no configuration of version 1 or 2")
        named = config.get("version") == "2"
        if named is not bool(self.model.traits.get("named")):
            raise UnreadableError("a configuration for another series")
        return Reading([(each.get("name", "") if named else each.tag, each.text or "") for each in config])

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts in use."""
        kind = self.model.traits.get("kind")
        return tuple(self._shared() if kind in {"gateway", "dect"} else self._own(second_7xx=kind == "ata"))

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys, and beside those of its expansion modules."""
        drawn = named_keys if self.model.traits.get("named") else numbered_keys
        return list(drawn(self.model, self.settings))

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self._said("P246") or self._said("P64"), at)

    def _said(self, code: str) -> str:
        """A parameter by its number, however this model calls it."""
        return self.settings.get(CODES.get(code, code) if self.model.traits.get("named") else code, "")

    def _own(self, *, second_7xx: bool) -> Iterator[Account]:
        for n in range(1, self.model.lines + 1):
            codes = _codes(n, second_7xx=second_7xx)
            if self.model.traits.get("named"):
                start = f"account.{n}."
                names = {what: start + CODES[first] for what, first in FIRST.items()}
            else:
                names = codes
            get = {what: self.settings.get(name, "") for what, name in names.items()}
            if get["on"] in {"1", "Yes"} and get["user"] and get["server"]:
                server, port = host_and_port(get["server"])
                yield Account(
                    line=n,
                    username=get["user"],
                    password=get["password"],
                    server=server,
                    port=port,
                    auth_username=get["auth"],
                    display_name=get["name"],
                    backup_server=host_and_port(get["backup"])[0],
                    transport=TRANSPORTS.get(get["transport"] or "0", "other"),
                )

    def _shared(self) -> Iterator[Account]:
        get = self.settings.get
        profiles = [("P47", "P130"), ("P747", "P830")]
        for n in range(self.model.lines):
            address, transport = profiles[number(get(f"P{4150 + n}", "0"))]
            server, port = host_and_port(get(address, ""))
            user = get(f"P{4060 + n}", "")
            off = self.model.traits.get("kind") == "gateway" and get(f"P{4595 + n}") != "1"
            if user and server and not off:
                yield Account(
                    line=n + 1,
                    username=user,
                    password=get(f"P{4120 + n}", ""),
                    server=server,
                    port=port,
                    auth_username=get(f"P{4090 + n}", ""),
                    display_name=get(f"P{4180 + n}", ""),
                    transport=TRANSPORTS.get(get(transport, "0"), "other"),
                )


FIRST = {
    "on": "P271",
    "server": "P47",
    "backup": "P2312",
    "user": "P35",
    "auth": "P36",
    "password": "P34",
    "name": "P3",
    "transport": "P130",
}
SECOND = {"on": 401, "server": 402, "backup": 2412, "user": 404, "auth": 405, "password": 406, "name": 407}


def _codes(n: int, *, second_7xx: bool) -> dict[str, str]:
    """Numbers of the parameters of an account."""
    if n == 1:
        return FIRST | ({"backup": "P967"} if second_7xx else {})
    if second_7xx:
        return {
            "on": "P401",
            "server": "P747",
            "backup": "P987",
            "user": "P735",
            "auth": "P736",
            "password": "P734",
            "name": "P703",
            "transport": "P830",
        }
    step = 100 * (n - 2)
    return {what: f"P{code + step}" for what, code in SECOND.items()} | {"transport": f"P{448 + step}"}
