"""A simulated Htek phone: which files it asks for, how it reads numbered parameters, when it comes back.

From the vendor's provisioning guide, the settings that phones give out, and other provisioning systems' templates.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, host_and_port, number, tree
from provd.plugin.phone import NEVER, Account

from .phone_clock import shown

SCHEMES = {"0": "tftp", "1": "http", "3": "https"}
TRANSPORTS = {"0": "udp", "1": "tcp", "2": "tls"}
# Server, second server, transport: of an account by itself in old firmware, of a profile since.
PROFILES = (("P47", "P967", "P130"), ("P747", "P987", "P830"), ("P502", "P988", "P930"), ("P602", "P989", "P1030"))
# In use, user, user for authentication, password, name, label.
FIRST = (
    ("P271", "P35", "P36", "P34", "P3", "P20000"),
    ("P401", "P735", "P736", "P734", "P703", "P20001"),
    ("P501", "P504", "P505", "P506", "P507", "P20002"),
    ("P601", "P604", "P605", "P606", "P607", "P20003"),
    ("P20360", "P1704", "P1705", "P1706", "P1707", "P20378"),
    ("P20361", "P1804", "P1805", "P1806", "P1807", "P20379"),
)
KEY_TYPES = {
    "1": "line",
    "2": "speed dial",
    "3": "blf",
    "5": "voicemail",
    "6": "pickup",
    "7": "group pickup",
    "8": "park",
    "9": "intercom",
    "18": "forward",
    "21": "dnd",
}


class Phone(OrdinaryPhone):
    """One phone and its parameters, by number."""

    options = (66,)
    first_found = True
    usual_version = "2.0.4.6.41"

    @property
    def user_agent(self) -> str:
        """Vendor, model, firmware and MAC."""
        return f"Htek {self.model.name} {self.version} {self.handset.mac_colon}"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Htek {self.model.name} {self.version}"

    def names(self) -> Iterator[str]:
        """The file of its kind, a binary form that phones write themselves, and its own."""
        yield from self.model.common
        yield f"cfg{self.mac}"
        yield f"cfg{self.mac}.xml"

    @property
    def stored_first(self) -> bool:
        """What DHCP says counts unless that is switched off."""
        return self.settings.get("P145") == "0"

    @property
    def stored(self) -> str:
        """The configured server; a scheme in it counts more than the one beside it."""
        path = self.settings.get("P237", "")
        if not path or "://" in path:
            return path
        return f"{SCHEMES.get(self.settings.get('P212', ''), 'http')}://{path}"

    @property
    def pause(self) -> float:
        """Minutes, where the periodic check is on; an hour at least, to be on the safe side."""
        if self.settings.get("P194") != "1":
            return NEVER
        return 60.0 * max(60, number(self.settings.get("P193", ""), 10080))

    def restarts(self, event: str) -> bool:
        """It starts anew when a NOTIFY tells it to look, and finds its files by that."""
        return event.startswith("check-sync")

    def read(self, name: str, body: bytes) -> Reading:
        """Elements named by a number; what stands beside it is for people."""
        if not name.endswith(".xml"):
            raise UnreadableError("the binary form is not simulated")
        root = tree(body)
        config = root.find("config")
        if root.tag != "hl_provision" or config is None:
            raise UnreadableError(f"the root element is <{root.tag}>")
        pairs: Pairs = []
        for each in config:
            if not each.tag.startswith("P") or not each.tag[1:].isdigit():
                raise UnreadableError(f"<{each.tag}> is no number of a parameter")
            pairs.append((each.tag, each.text or ""))
        return Reading(pairs)

    @property
    def keys(self) -> list[str]:
        """What stands beside its line keys."""
        found = []
        for k in range(1, self.model.keys + 1):
            first, step = (41199 + k, 100) if k <= 4 else (20200 + 5 * (k - 5), 1)
            kind, value, label, account = (self.settings.get(f"P{first + step * i}", "") for i in range(4))
            if kind in KEY_TYPES:
                words = " ".join(filter(None, (KEY_TYPES[kind], value)))
                found.append(f"{k}: {label} [{words} on account {number(account) + 1}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings.get("P64", ""), self.settings.get("P75", "0"), at)

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        get = self.settings.get
        for n in range(1, self.model.lines + 1):
            tens = tuple(f"P{start + n - 7}" for start in (24090, 24110, 24120, 24130, 24140, 24100))
            on, user, auth, password, name, label = FIRST[n - 1] if n <= len(FIRST) else tens
            # Behind the sixth the number of the profile is not known: they stay with the first one.
            profile = number(get(f"P{24081 + n}", "0")) if n <= len(FIRST) else 0
            place, second, transport = PROFILES[profile]
            server, port = host_and_port(get(place, ""))
            if get(on) == "1" and get(user) and server:
                yield Account(
                    line=n,
                    username=get(user, ""),
                    password=get(password, ""),
                    server=server,
                    port=port,
                    auth_username=get(auth, ""),
                    display_name=get(name, ""),
                    label=get(label, ""),
                    backup_server=host_and_port(get(second, ""))[0],
                    transport=TRANSPORTS.get(get(transport, "0"), "other"),
                )
