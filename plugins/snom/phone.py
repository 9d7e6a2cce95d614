"""A simulated Snom phone or DECT base: which files it asks for, how it reads XML settings, when it comes back.

From the vendor's public pages on auto provisioning, setting files and function keys, and the templates of other
provisioning systems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, host_and_port, number, tree
from provd.plugin.phone import NEVER, Account

from .phone_clock import shown

DAILY = 86400.0
"""Assumed of DECT bases: how often they ask is not known."""
SETTINGS = {"phone-settings", "firmware-settings"}
_OUTBOUND = re.compile(r"(?P<proxy>[^;]*)(?:;transport=(?P<transport>udp|tcp|tls))?")


class Phone(OrdinaryPhone):
    """One phone and its settings; those of an identity are kept as ``user_name.1``, those of a key as ``fkey.0``."""

    parameter_list = (1, 2, 3, 6, 12, 15, 42, 43, 66, 67)
    usual_version = "10.1.159.12"

    @property
    def option60(self) -> str:
        """The model behind one word."""
        return f"snom{self.model.name}"

    @property
    def user_agent(self) -> str:
        """Desk phones and DECT bases say it differently."""
        mac = self.mac.upper()
        if self._dect:
            return f"Mozilla/4.0 (compatible; Snom {self.model.name} 05.20.0001 {mac.lower()})"
        return f"Mozilla/4.0 (compatible; snom{self.model.name}-SIP {self.version} 2010.12-00004-g9ba52f5 {mac})"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"snom{self.model.name}/{self.version}"

    def names(self) -> Iterator[str]:
        """The file of its model, then its own, with the MAC in capitals."""
        yield f"snom{self.model.name}.htm"
        yield f"snom{self.model.name}-{self.mac.upper()}.htm"

    @property
    def stored(self) -> str:
        """What a file has said."""
        return self.settings.get("setting_server", "")

    @property
    def stored_first(self) -> bool:
        """Yes: "redirection" is the first in its provisioning_order."""
        return True

    @property
    def pause(self) -> float:
        """The refresh timer, in seconds; 0 is never."""
        return float(number(self.settings.get("settings_refresh_timer", ""))) or (DAILY if self._dect else NEVER)

    def read(self, name: str, body: bytes) -> Reading:
        """Settings and function keys; a list of further files instead is followed."""
        del name
        if not body.startswith(b"<?xml"):
            raise UnreadableError("it does not begin with <?xml")
        root = tree(body)
        if root.tag == "setting-files":
            return Reading([], tuple(file.get("url", "") for file in root))
        if root.tag != "settings":
            raise UnreadableError(f"the root element is <{root.tag}>")
        pairs: Pairs = []
        for part in root:
            if part.tag in SETTINGS:
                pairs += [(_key(each), (each.text or "").strip()) for each in part]
            elif part.tag == "functionKeys":
                for key in part:
                    start = _key(key)
                    pairs += [(start, (key.text or "").strip()), (f"{start}.label", key.get("label", ""))]
                    pairs.append((f"{start}.context", key.get("context", "")))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its function keys."""
        get = self.settings.get
        keys = ((k, get(f"fkey.{k}", "")) for k in range(self.model.keys))
        return [
            f"{k + 1}: {get(f'fkey.{k}.label', '')} [{said}{_of_line(get(f'fkey.{k}.context', ''))}]"
            for k, said in keys
            if said and said != "none"
        ]

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    @property
    def _dect(self) -> bool:
        return self.model.traits.get("kind") == "dect"

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        get = self.settings.get
        for n in range(1, self.model.lines + 1):
            host = get(f"user_host.{n}", "")
            if self._dect:
                host = get(f"user_host.{get(f'subscr_sip_ua_data_server_id.{n}', '')}", "")
            user = get(f"user_name.{n}", "")
            if get(f"user_active.{n}") != "on" or not user or not host:
                continue
            server, port = host_and_port(host)
            outbound = _OUTBOUND.fullmatch(get(f"user_outbound.{n}", ""))
            yield Account(
                line=n,
                username=user,
                password=get(f"user_pass.{n}", ""),
                server=server,
                port=port,
                auth_username=get(f"user_pname.{n}", ""),
                display_name=get(f"user_realname.{n}", ""),
                label=get(f"user_idle_text.{n}", ""),
                transport=(outbound["transport"] if outbound else "") or "udp",
            )


def _key(element: ET.Element) -> str:
    index = element.get("idx")
    return element.tag if index is None else f"{element.tag}.{index}"


def _of_line(context: str) -> str:
    return f" on line {context}" if context.isdigit() else ""
