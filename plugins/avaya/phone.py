"""A simulated Avaya phone: an upgrade file that leads to its settings, or a provisioning file that leads to its own.

From the vendor's administrator guides (J100, 96x1 SIP, SIP software for 1200) and the templates of other systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number
from provd.plugin.phone import NEVER, Account, LeaseGot

from .phone_clock import shown

DAY = 86400.0
SITE = 242
"""The option of the site, ``NAME=value`` with commas between them."""
LONGEST = 79
"""Characters of a line that a 12x0 reads."""
_SET = re.compile(r'SET (?P<name>[A-Z0-9_]+) "(?P<value>[^"]*)"')
_CONTROLLER = re.compile(r"(?P<host>.*):(?P<port>\d+);transport=(?P<transport>udp|tcp|tls)")


class Phone(OrdinaryPhone):
    """One phone; a parameter is a SET command's name, a command of a 12x0, or a key."""

    factory = MappingProxyType({"ENABLE_OOD_RESET_NOTIFY": "0", "REMOTE_CHECK_FOR_UPDATE": "NO"})
    parameter_list = (1, 3, 6, 7, 15, 26, 42, 43, 51, 58, 59, 66, 120, SITE)
    usual_version = "4.1.3.0.6"

    @property
    def user_agent(self) -> str:
        """A browser of old times before model, firmware and MAC; a 12x0 puts an octet there that is no text."""
        if self._series == "12x0":
            return f"AVAYA/SIP12x0\x16/{self.version}"
        return f"Mozilla/4.0 (compatible; MSIE 6.0) AVAYA/{self.model.name}-{self.version} (MAC:{self.mac})"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Avaya {self.model.name} {self.version}"

    def offered(self, lease: LeaseGot) -> list[str]:
        """What the site's option puts together; a 12x0 reads a URL in option 66."""
        said = dict(pair.partition("=")[::2] for pair in lease.text(SITE).split(","))
        if self._series != "12x0" and said.get("HTTPSRVR"):
            return [f"http://{said['HTTPSRVR']}:{said.get('HTTPPORT', '80')}/{said.get('HTTPDIR', '')}".rstrip("/")]
        return super().offered(lease)

    def names(self) -> Iterator[str]:
        """The file of its series or its model, which names the others."""
        yield from self.model.common

    @property
    def pause(self) -> float:
        """Minutes, where it can be told; once a day otherwise, at a time that is not simulated."""
        if minutes := number(self.settings.get("UPGRADE_POLLING_PERIOD", "")):
            return 60.0 * minutes
        daily = self.settings.get("AUTOMATIC_UPDATE_POLICY", "0") != "0" or self.settings.get("AUTO_UPDATE") == "YES"
        return DAY if daily else NEVER

    def restarts(self, event: str) -> bool:
        """It starts anew."""
        del event
        return True

    def read(self, name: str, body: bytes) -> Reading:
        """GET leads to another file, and nothing behind it is read; all keys are those of the last file."""
        lines = [line for line in body.decode("utf-8").split("\n") if line.strip()]
        if self._series == "12x0":
            return self._of_12x0(name, lines)
        pairs: Pairs = []
        keys: Pairs = []
        for line in lines:
            if line.startswith("##"):
                continue
            if line.startswith("GET "):
                return Reading(pairs, (line[4:].replace("$MACADDR", str(self.mac)),))
            found = _SET.fullmatch(line)
            if found is None:
                raise UnreadableError(f"neither SET nor GET: {line[:40]}")
            if found["name"] == "PHONEKEY":
                key, _, rest = found["value"].partition(";")
                keys.append((f"PHONEKEY {key.removeprefix('Key=')}", rest))
            else:
                pairs.append((found["name"], found["value"]))
        said = {parameter for parameter, _ in keys}
        gone = [name for name in self.settings if name.startswith("PHONEKEY ") and name not in said]
        return Reading([*pairs, *((parameter, "") for parameter in gone), *keys])

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Its one account."""
        found = self._account_of_12x0() if self._series == "12x0" else self._account()
        return (found,) if found else ()

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys."""
        found = (name for name in self.settings if name.startswith("PHONEKEY "))
        return [f"{name.removeprefix('PHONEKEY ')}: {self.settings[name]}" for name in sorted(found)]

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    @property
    def _series(self) -> str:
        return str(self.model.traits.get("series", "j100"))

    def _of_12x0(self, name: str, lines: list[str]) -> Reading:
        if name in self.model.common:
            own = "[USER_CONFIG]" in lines
            return Reading([], (f"SIP{self.mac.upper()}.cfg",) if own else ())
        if any(len(line) > LONGEST for line in lines):
            raise UnreadableError(f"a line has more than {LONGEST} characters")
        return Reading([(line.partition(" ")[0], line.partition(" ")[2]) for line in lines])

    def _account(self) -> Account | None:
        get = self.settings.get
        found = _CONTROLLER.fullmatch(get("SIP_CONTROLLER_LIST", ""))
        if found is None or not get("FORCE_SIP_EXTENSION") or not get("SIPDOMAIN"):
            return None
        return Account(
            line=1,
            username=get("FORCE_SIP_EXTENSION", ""),
            password=get("FORCE_SIP_PASSWORD", ""),
            server=get("SIPDOMAIN", ""),
            port=int(found["port"]) if found["host"] == get("SIPDOMAIN") else 0,
            auth_username=get("FORCE_SIP_USERNAME", ""),
            display_name=get("DISPLAY_NAME", ""),
            transport=found["transport"],
        )

    def _account_of_12x0(self) -> Account | None:
        get = self.settings.get
        user, at, server = get("AUTOLOGIN_ID_KEY01", "").rpartition("@")
        if get("AUTOLOGIN_ENABLE") != "USE_AUTOLOGIN_ID" or not at:
            return None
        return Account(
            line=1,
            username=user,
            password=get("AUTOLOGIN_PASSWD_KEY01", ""),
            server=server,
            port=number(get("SERVER_PORT1_1", "")),
            auth_username=get("AUTOLOGIN_AUTHID_KEY01", ""),
            backup_server=get("SERVER_IP1_2", ""),
        )
