"""A simulated Fanvil phone: which files it asks for, how it reads modules of text, when it comes back.

From what phones give out of their own settings and the templates of other provisioning systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from types import MappingProxyType

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number
from provd.plugin.phone import NEVER, Account

from .phone_clock import shown

FIRST_LINE = "<<VOIP CONFIG FILE>>Version:"
LAST_LINE = "<<END OF FILE>>"
SCHEMES = {"1": "ftp", "2": "tftp", "4": "http", "5": "https"}
TRANSPORTS = {"0": "udp", "1": "tcp", "3": "tls"}
MODULES = {"AUTOUPDATE", "DSSKEY", "SIP", "MMI", "LOG", "QOS", "PHONE FEATURE", "CTI", "MM", "CALL FEATURE"}
OF_THE_FIRST = {"AUTOUPDATE", "GLOBAL", "TELE", "DSP", "SIP", "MMI", "QOS", "AAA", "PHONE"}
"""Modules of phones of the first series, whose names have no more than 19 characters."""
_TITLE = re.compile(r"--(?P<title>[A-Za-z0-9 ]+?) ?-- *:")
_MODULE = re.compile(r"<(?P<name>[A-Z0-9 ]+?)(?: CONFIG)? MODULE>")


class Phone(OrdinaryPhone):
    """One phone and its parameters, by the vendor's names; those of a key have the title of its page in front."""

    factory = MappingProxyType({"Flash Mode": "1", "Download Mode": "1", "PNP Enable": "1"})
    parameter_list = (1, 3, 6, 12, 15, 42, 43, 60, 66, 67)
    options = (66, 43)
    usual_version = "2.12.1.7"

    @property
    def user_agent(self) -> str:
        """Vendor, model, firmware and MAC."""
        return f"Fanvil {self._name} {self.version} {self.mac}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Fanvil {self._name} {self.version}"

    @property
    def _name(self) -> str:
        return self.model.name.replace("-Pro", " Pro")

    def names(self) -> Iterator[str]:
        """The files of its hardware, then its own."""
        yield from self.model.common
        yield f"{self.mac}.cfg"

    def address(self, server: str, name: str) -> str:
        """A server may be named with the file, in which the phone puts its own address."""
        return super().address(server.removesuffix("/$mac.cfg"), name)

    @property
    def stored_first(self) -> bool:
        """A server that a file has named counts more than DHCP."""
        return self.settings.get("Save Provision Info") == "1"

    @property
    def stored(self) -> str:
        """The configured server, with its scheme or beside it."""
        server = self._said("Server IP")
        if not server or "://" in server:
            return server
        return f"{SCHEMES.get(self._said('Protocol'), 'tftp')}://{server}"

    @property
    def pause(self) -> float:
        """Hours, where it is to look again by itself."""
        if self._said("Mode") != "2":
            return NEVER
        return 3600.0 * max(1, number(self._said("Interval"), 1))

    def restarts(self, event: str) -> bool:
        """As one parameter says, whatever the event asks for."""
        del event
        return self.settings.get("Notify Reboot", "1") == "1"

    def read(self, name: str, body: bytes) -> Reading:
        """``name :value`` in modules; names of keys occur on every page. Modules that it has not are passed over."""
        del name
        first, *lines = body.decode("utf-8").splitlines()
        version = "2.0002" if self._first else "2.0000000000"
        if first != f"{FIRST_LINE}{version}".ljust(62):
            raise UnreadableError("the first line is another")
        if LAST_LINE not in lines:
            raise UnreadableError("the end is missing")
        pairs: Pairs = []
        module = page = ""
        for line in lines[: lines.index(LAST_LINE)]:
            if opened := _MODULE.fullmatch(line):
                module, page = opened["name"], ""
            elif title := _TITLE.fullmatch(line):
                page = title["title"]
            elif line.strip():
                parameter, colon, value = line.partition(":")
                if not colon or not module:
                    raise UnreadableError(f"not a parameter: {line}")
                start = f"{page} " if parameter.startswith("Fkey") else ""
                if module in (OF_THE_FIRST if self._first else MODULES):
                    pairs.append((start + parameter.strip(), value.strip()))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys, those beside the display first."""
        get = self.settings.get
        return [
            f"{k}: {get(f'{start} Title', '')} [{kind} {get(f'{start} Value', '')}]"
            for k, start in enumerate(self._keys(), 1)
            if (kind := get(f"{start} Type", "0")) != "0"
        ]

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    @property
    def _first(self) -> bool:
        return self.model.traits.get("first") is True

    def _said(self, what: str) -> str:
        return self.settings.get(f"{'Download' if self._first else 'Flash'} {what}", "")

    def _keys(self) -> Iterator[str]:
        """How the names of each key begin. The first series counts through, the others begin anew on each page."""
        if self._first:
            yield from (f"Function Key Fkey{n}" for n in range(1, self.model.keys + 1))
            return
        traits = self.model.traits
        for what, size, pages in (("Sidekey", "side", "side_pages"), ("Dsskey", "page", "pages")):
            for page in range(1, number(str(traits.get(pages, 0))) + 1):
                yield from (f"{what} Config{page} Fkey{n}" for n in range(1, number(str(traits.get(size, 0))) + 1))

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        for n in range(1, self.model.lines + 1):
            get = {name.removeprefix(f"SIP{n} "): value for name, value in self.settings.items()}
            if get.get("Enable Reg") != "1" or not get.get("Register Addr") or not get.get("Sip Name"):
                continue
            yield Account(
                line=n,
                username=get["Sip Name"],
                password=get.get("Register Pswd", ""),
                server=get["Register Addr"],
                port=number(get.get("Register Port", "")),
                auth_username=get.get("Register User", ""),
                display_name=get.get("Display Name", ""),
                backup_server=get.get("Backup Addr", ""),
                transport=TRANSPORTS.get(get.get("Transport", "0"), "other"),
            )
