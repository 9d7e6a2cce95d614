"""A simulated Panasonic phone: which files it asks for, how it reads them, when it comes back.

From the vendor's administrator guides and other provisioning systems' templates.
"""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterator
from datetime import UTC, datetime
from types import MappingProxyType

from provd.plugin.contract import Model
from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number
from provd.plugin.phone import NEVER, Account, Handset, LeaseGot, Notify, Reaction, Report, Result, Step

from .phone_clock import shown

FIRST = {"tgp": "# PCC Standard Format File #", "ut": "# Panasonic SIP Phone Standard Format File #"}
TRANSPORTS = {"0": "udp", "1": "tcp", "2": "tls"}
KEYS = {"DN": "line", "LINE": "line", "CONTACT": "blf", "BLF": "blf", "ONETOUCH": "speed dial"}
LONGEST = 537
"""Octets of a line with its end; longer ones are left out."""
_LINE = re.compile(r'(?P<name>[A-Z0-9_]{1,32})="(?P<value>[^"]{0,500})"')
DAY = 86400.0


class Phone(OrdinaryPhone):
    """One phone and its parameters, by the vendor's names."""

    factory = MappingProxyType({"OPTION66_ENABLE": "Y", "OPTION66_REBOOT": "N", "CFG_CYCLIC": "N"})
    parameter_list = (1, 3, 6, 12, 15, 42, 66, 67, 159, 160)
    options = (160, 159, 66)
    usual_version = "01.221"

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        super().__init__(model, handset, rng)
        self._lease: LeaseGot | None = None
        self._wanted: list[str] = []

    @property
    def option60(self) -> str:
        """Its maker."""
        return "Panasonic"

    @property
    def user_agent(self) -> str:
        """Model, firmware and MAC."""
        return f"Panasonic_{self.model.name}/{self.version} ({self.mac})"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return self.user_agent

    def names(self) -> Iterator[str]:
        """What it is after just now."""
        yield from self._wanted

    @property
    def stored(self) -> str:
        """Where its own file is."""
        return self.settings.get("CFG_STANDARD_FILE_PATH", "").replace("{MAC}", self.mac.upper())

    @property
    def pause(self) -> float:
        """Minutes, or a day where a time of the day is set."""
        if self.settings.get("CFG_RESYNC_TIME"):
            return DAY
        if self.settings.get("CFG_CYCLIC") != "Y":
            return NEVER
        return 60.0 * min(max(1, number(self.settings.get("CFG_CYCLIC_INTVL", ""), 10080)), 40320)

    def notified(self, notify: Notify) -> Reaction:
        """It obeys the event that its configuration names, none from the factory."""
        event = notify.event.partition(";")[0].strip()
        known = event != "" and event == self.settings.get("CFG_RESYNC_FROM_SIP", "check-sync")
        return Reaction(200, obeys=True) if known else Reaction(489)

    def restarts(self, event: str) -> bool:
        """It reads its files again."""
        del event
        return False

    def read(self, name: str, body: bytes) -> Reading:
        """``NAME="value"``, each line with CR LF; the first one that has a name counts, an empty line is the last."""
        del name
        text = body.decode("utf-8")
        first = FIRST["tgp" if self.model.traits.get("series") == "tgp" else "ut"]
        if not text.startswith(first):
            raise UnreadableError("it does not begin as such files do")
        lines = text.split("\r\n")
        if lines[-2:] != ["", ""]:
            raise UnreadableError("the last line is not an empty one")
        pairs: Pairs = []
        for line in lines:
            if not line or line.startswith("#"):
                continue
            match = _LINE.fullmatch(line)
            if match is None:
                raise UnreadableError(f"not a parameter: {line}")
            if len(line.encode()) + 2 <= LONGEST:
                pairs.append((match["name"], match["value"]))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys."""
        found = []
        for k in range(1, self.model.keys + 1):
            get = {
                what: self.settings.get(f"FLEX_BUTTON_{what}{k}", "")
                for what in ("FACILITY_ACT", "FACILITY_ARG", "QUICK_DIAL", "LABEL")
            }
            kind = KEYS.get(get["FACILITY_ACT"].removeprefix("X_PANASONIC_IPTEL_"), "")
            if kind:
                words = " ".join(filter(None, (kind, get["FACILITY_ARG"] or get["QUICK_DIAL"])))
                found.append(f"{k}: {get['LABEL']} [{words}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at.astimezone(UTC))

    def _provision(self, lease: LeaseGot) -> Generator[Step, Result, bool]:
        """When it starts it may ask the server that DHCP names for its model's file; then it asks for its own one."""
        begins, self._lease = lease is not self._lease, lease
        if begins and (not self.stored or self.settings.get("OPTION66_REBOOT") == "Y"):
            self._wanted = [f"{self.model.name}.cfg"]
            for server in self.offered(lease):
                if (yield from self._provision_from(server)):
                    break
        if not self.stored:
            yield Report("nobody has said where its file is")
            return False
        self._wanted = [self.stored]
        return (yield from self._provision_from(self.stored))

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        for n in range(1, self.model.lines + 1):
            end = f"_{n}"
            get = {name.removesuffix(end): value for name, value in self.settings.items() if name.endswith(end)}
            user = get.get("SIP_URI") or get.get("LINE_ID") or get.get("PHONE_NUMBER", "")
            if not user or not get.get("SIP_RGSTR_ADDR"):
                continue
            yield Account(
                line=n,
                username=user,
                password=get.get("SIP_PASS", ""),
                server=get["SIP_RGSTR_ADDR"],
                port=number(get.get("SIP_RGSTR_PORT", "")),
                auth_username=get.get("SIP_AUTHID", ""),
                display_name=get.get("DISPLAY_NAME", ""),
                backup_server=get.get("SIP_2NDRGSTR_ADDR", ""),
                transport=TRANSPORTS.get(get.get("SIP_TRANSPORT", "0"), "other"),
            )
