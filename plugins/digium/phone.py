"""A simulated Digium phone: one file, the two sheets that it names, and a restart whenever it is told to look.

From the vendor's wiki on XML configuration, contacts and Smart BLF.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from xml.etree import ElementTree as ET

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number, tree
from provd.plugin.phone import Account, LeaseGot

from .phone_clock import shown


class Phone(OrdinaryPhone):
    """One phone; a parameter is a setting's id, or place and attribute in the rest of the file."""

    parameter_list = (1, 3, 6, 12, 15, 42, 60, 66)
    usual_version = "2_9_26"

    @property
    def option60(self) -> str:
        """Model and firmware, with underscores."""
        return f"digium_{self.model.name}_{self._firmware}"

    @property
    def user_agent(self) -> str:
        """Model and firmware; its MAC when it has been told to say it."""
        says = self.settings.get("send_mac_with_useragent") == "1"
        return f"Digium {self.model.name} {self._firmware}{f' {self.mac}' if says else ''}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Digium {self.model.name} {self._firmware}"

    @property
    def stored_first(self) -> bool:
        """The server that it once had counts more than DHCP."""
        return True

    @property
    def stored(self) -> str:
        """Where its configuration is."""
        return self.settings.get("config_server_url", "")

    def offered(self, lease: LeaseGot) -> list[str]:
        """DHCP counts for a phone that has no server yet."""
        return [] if self.stored else super().offered(lease)

    def restarts(self, event: str) -> bool:
        """It starts anew, unless it has been told not to listen."""
        del event
        return self.settings.get("enable_check_sync", "1") == "1"

    def read(self, name: str, body: bytes) -> Reading:
        """Settings by their ids; the rest by place. A sheet replaces the one before it."""
        root = tree(body)
        if name.endswith("-smartblf.xml") or root.tag == "phonebooks":
            return Reading(list(self._sheet(root)))
        if root.tag != "config":
            raise UnreadableError(f"the root element is <{root.tag}>")
        pairs: Pairs = [(each.get("id", ""), each.get("value", "")) for each in root.findall("setting")]
        pairs += [(f"{each.get('id')}/url", each.get("url", "")) for each in root.findall("setting[@url]")]
        for account in root.findall("accounts/account"):
            place = f"account{account.get('index')}"
            pairs += [(f"{place}/{what}", account.get(what, "")) for what in _ACCOUNT]
            for host in ("host_primary", "host_alternate"):
                found = account.find(host)
                pairs += [(f"{place}/{host}/{what}", "" if found is None else found.get(what, "")) for what in _HOST]
        pairs += [(f"codec/{each.get('id')}", each.get("enabled", "")) for each in root.findall("codecs/codec")]
        sheets = [*root.findall("contacts"), *root.findall("smart_blf/blf_items")]
        urls = [url for sheet in sheets if (url := sheet.get("url"))]
        firmware = root.find("firmwares/firmware")
        pairs.append(("firmware/url", "" if firmware is None else firmware.get("url", "")))
        book = [sheet.get("url", "") for sheet in root.findall("contacts") if sheet.get("id") == "phonebook"]
        pairs.append(("phonebook/url", book[0] if book else ""))
        # A sheet on another server is not simulated.
        return Reading(pairs, tuple(url for url in urls if url.startswith(self._home(root))))

    @property
    def keys(self) -> list[str]:
        """What stands beside the keys, by display, page and place."""
        found = []
        for name in sorted(name for name in self.settings if name.startswith("key:")):
            contact = self.settings.get(f"contact:{self.settings[name]}", "")
            found.append(f"{name.removeprefix('key:')}: {contact}")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    @property
    def _firmware(self) -> str:
        return self.version.replace(".", "_")

    @staticmethod
    def _home(root: ET.Element) -> str:
        for setting in root.findall("setting"):
            if setting.get("id") == "config_server_url":
                return setting.get("value", "").removesuffix("/Digium")
        return ""

    def _sheet(self, root: ET.Element) -> Iterator[tuple[str, str]]:
        start = "contact:" if root.tag == "phonebooks" else "key:"
        new: dict[str, str] = {}
        if root.tag == "phonebooks":
            for contact in root.iter("contact"):
                actions = " ".join(f"{each.get('id')} {each.get('dial')}" for each in contact.iter("action"))
                watch = f" watches {contact.get('subscribe_to')}" if contact.get("subscribe_to") else ""
                new[f"{start}{contact.get('id')}"] = f"{contact.get('first_name')} [{actions}{watch}]"
        else:
            pages: dict[tuple[str, int], int] = {}
            for item in root.iter("blf_item"):
                place = (item.get("location", ""), number(item.get("index", "")))
                pages[place] = pages.get(place, 0) + 1
                if item.get("contact_id"):
                    new[f"{start}{place[0]} {pages[place]}.{place[1]:02d}"] = item.get("contact_id", "")
        yield from ((name, "") for name in self.settings if name.startswith(start) and name not in new)
        yield from new.items()

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        for n in range(self.model.lines):
            get = {what: self.settings.get(f"account{n}/{what}", "") for what in _ACCOUNT}
            host = {what: self.settings.get(f"account{n}/host_primary/{what}", "") for what in _HOST}
            if get["status"] != "1" or get["register"] != "1" or not host["server"]:
                continue
            yield Account(
                line=n + 1,
                username=get["username"],
                password=get["password"],
                server=host["server"],
                port=number(host["port"]),
                auth_username=get["authname"],
                display_name=get["caller_id"],
                label=get["line_label"],
                backup_server=self.settings.get(f"account{n}/host_alternate/server", ""),
                transport=host["transport"],
            )


_ACCOUNT = (
    "status",
    "register",
    "username",
    "authname",
    "password",
    "line_label",
    "caller_id",
    "dial_plan",
    "voicemail",
    "needMwiSubscription",
    "outbound_proxy",
    "outbound_port",
)
_HOST = ("server", "port", "transport", "reregister")
