"""A simulated Cisco phone with multiplatform firmware: its rules, what it makes of a profile, when it comes back.

From the vendor's administration guides (profile rules, resync parameters, macros, encryption), an export of an 8861's
settings and other systems' templates.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime

from provd.plugin import Model
from provd.plugin.ordinary import NO_ADDRESS, Pairs, UnreadableError, number, tree
from provd.plugin.phone import (
    NEVER,
    Account,
    Complaint,
    Dhcp,
    Dialed,
    Failed,
    Fetch,
    Fetched,
    Handset,
    LeaseGot,
    NotFound,
    Notified,
    Notify,
    Reaction,
    Report,
    Result,
    Script,
    Settled,
    Step,
    Wait,
    install,
    suspicious,
)

from .phone_accounts import accounts
from .phone_cipher import CODING, WrongKeyError, decrypted
from .phone_clock import shown
from .phone_dialing import STAR_CODES, dial
from .phone_keys import drawn, faults
from .phone_rules import Choice, chosen, expand

OPTION55 = (1, 3, 6, 15, 42, 43, 60, 66, 125, 150, 159, 160)
DEFAULT_RULE = "/$PSN.xml"
RULES = ("Profile_Rule", "Profile_Rule_B", "Profile_Rule_C", "Profile_Rule_D")
USUAL_FIRMWARE = "11.3.1"
DAY = 86400
RESYNCS = frozenset({"resync", "check-sync"})
RESTARTS = frozenset({"reboot_now", "restart_now"})
"""Values of the Event header of a NOTIFY."""

FACTORY = {
    **STAR_CODES,
    "Provision_Enable": "Yes",
    "Resync_On_Reset": "Yes",
    "Resync_Random_Delay": "2",
    "Resync_Periodic": "3600",
    "Resync_At__HHmm_": "",
    "Resync_At_Random_Delay": "600",
    "Resync_Error_Retry_Delay": "3600",
    "Forced_Resync_Delay": "14400",
    "Resync_From_SIP": "Yes",
    "Resync_Fails_On_FNF": "Yes",
    "Profile_Rule": DEFAULT_RULE,
    "Profile_Rule_B": "",
    "Profile_Rule_C": "",
    "Profile_Rule_D": "",
    "DHCP_Option_To_Use": "66,160,159,150,60,43,125",
    "Network_Startup_Delay": "3",
    "Upgrade_Enable": "Yes",
    "Upgrade_Rule": "",
}
KEY = "IKM_HTTP_Encrypt_Content"
NOTHING = '""'
"""How a profile says that a value is empty: an element without one goes back to what the factory had."""

_YES_NO = re.compile(
    r"Provision_Enable|Resync_On_Reset|Resync_From_SIP|Resync_Fails_On_FNF|Upgrade_Enable|Enable_(?:VLAN|CDP|LLDP-MED)|"
    r"(?:Line_Enable|Register|Auth_Resync-Reboot|Use_DNS_SRV|Enable_URI_Dialing)_\d+_"
)
_NUMBER = re.compile(
    r"Resync_Random_Delay|Resync_Periodic|Resync_At_Random_Delay|Resync_Error_Retry_Delay|Forced_Resync_Delay|"
    r"Network_Startup_Delay|Interdigit_(?:Long|Short)_Timer|Register_Expires_\d+_|Number_of_Units"
)
_URL = re.compile(r"(?:(?P<scheme>[a-z]+)://)?(?P<server>[^/:]+)?(?::(?P<port>\d+))?(?P<path>/.*)?", re.IGNORECASE)
_LOAD = re.compile(r"sip[0-9a-z_]+\.(?P<version>\d+-\d+-\d+)[0-9A-Za-z-]*\.loads")
_EMPTY = re.compile(rb"<([^<>/?!\s]+)(?:\s[^<>]*)?/>")

Steps = Generator[Step, Result, bool]


@dataclass(frozen=True, slots=True)
class _Server:
    """Where rules without a server lead to: what DHCP said."""

    scheme: str = "tftp"
    host: str = ""
    port: str = ""
    path: str = ""


class Phone:
    """One phone and its settings, by element name."""

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        self.mac = handset.mac
        self.settings = dict(FACTORY)
        self.version = handset.version or USUAL_FIRMWARE
        self._handset = handset
        self._rng = rng
        self._model = model
        self._ip = ""
        self._server = _Server()
        self._succeeded = False
        self._failed = False

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The accounts of the enabled lines that have a user and a proxy."""
        return tuple(accounts(self.settings, self._model.lines))

    @property
    def user_agent(self) -> str:
        """The header of its HTTP requests."""
        return f"Cisco-CP-{self._model.name}-3PCC/{self.version} ({self.mac})"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Cisco-CP-{self._model.name}-3PCC/{self.version}"

    def notified(self, notify: Notify) -> Reaction:
        """Events of its own and check-sync; who sends them shows the line's credentials, unless the line says No."""
        if notify.event.partition(";")[0].strip().lower() not in RESYNCS | RESTARTS:
            return Reaction(489)
        if not notify.authenticated and self.settings.get(f"Auth_Resync-Reboot_{notify.line}_", "Yes") != "No":
            return Reaction(401)
        return Reaction(200, obeys=self.settings["Resync_From_SIP"] != "No")

    def dial(self, digits: str) -> Dialed:
        """Star codes, then the dial plan."""
        return dial(digits, self.settings, self.accounts[0].line) if self.accounts else Dialed("", "no account")

    @property
    def keys(self) -> list[str]:
        """Its keys as text, those of expansion modules too."""
        return drawn(self.settings, self._model.keys)

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows at that moment."""
        return shown(self.settings, at)

    def run(self) -> Script:
        """Power on: address, rules, and again after a restart until nothing changes; then come back as configured."""
        while True:
            self._succeeded, self._failed = False, True
            lease = yield from self._address()
            if (yield from self._boot(lease)):
                continue
            while not (yield from self._come_back()):
                pass

    # --- boot and resync ----------------------------------------------------------------------------------------------

    def _address(self) -> Generator[Step, Result, LeaseGot]:
        yield Wait(number(self.settings["Network_Startup_Delay"]), "network start-up")
        while True:
            # The class ends with a NUL that belongs to no name.
            lease = yield Dhcp(f"Cisco Systems, Inc. IP Phone CP-{self._model.name}-3PCC\0", OPTION55)
            if isinstance(lease, LeaseGot):
                self._ip = lease.ip
                return lease
            yield Wait(NO_ADDRESS, "no address")

    def _boot(self, lease: LeaseGot) -> Steps:
        """The first resync after a start. True when it changed something: the phone restarts by itself."""
        server, complaint = self._named_server(lease)
        if complaint:
            yield Complaint(complaint)
        if server is None:
            yield Report("no provisioning option in the lease: it asks its maker's service, which is not here")
            return False
        self._server = server
        if self.settings["Resync_On_Reset"] == "No" or self.settings["Provision_Enable"] == "No":
            yield Settled(self.accounts)
            return False
        longest = number(self.settings["Resync_Random_Delay"])
        yield Wait(self._rng.uniform(0, longest), "random delay before the first request")
        return (yield from self._resync())

    def _come_back(self) -> Steps:
        """Wait for the next resync and do it. True when the phone restarts."""
        woken = yield self._pause()
        if isinstance(woken, Notified):
            yield Report(f"NOTIFY {woken.event}")
            if woken.event.partition(";")[0].strip().lower() in RESTARTS:
                return True
        if not self._server.host:
            return True
        return (yield from self._resync())

    @property
    def pause(self) -> float:
        """Seconds until it asks again by itself, at the longest. A time of day puts the period out of force."""
        if self._failed:
            return number(self.settings["Resync_Error_Retry_Delay"]) or NEVER
        if self.settings["Resync_At__HHmm_"]:
            return DAY + number(self.settings["Resync_At_Random_Delay"])
        return number(self.settings["Resync_Periodic"]) or NEVER

    def _pause(self) -> Wait:
        """Until the next resync, or until a NOTIFY asks for one."""
        longest = self.pause
        at = "" if self._failed else self.settings["Resync_At__HHmm_"]
        seconds = self._rng.uniform(0, longest) if at else longest
        return Wait(seconds, f"resync at {at}" if at else "next resync" if longest < NEVER else "no resync", wakes=True)

    def _resync(self) -> Steps:
        """Follow the rules in order; the first that fails ends the sequence. True when settings changed."""
        before = dict(self.settings)
        self._failed = False
        for rule in RULES:
            if self.settings[rule] and not (yield from self._follow(rule)):
                self._failed = True
                break
        self._succeeded = self._succeeded or not self._failed
        changed = [name for name in self.settings | before if self.settings.get(name) != before.get(name)]
        if changed:
            yield Report(f"restart: {len(changed)} settings changed")
            return True
        if not self._failed and (yield from self._upgrade()):
            return True
        yield Settled(self.accounts)
        return False

    def _upgrade(self) -> Steps:
        """Follow the upgrade rule when its load is another one than the phone runs. True when it restarts with it."""
        if self.settings["Upgrade_Enable"] != "Yes":
            return False
        choice = chosen(self.settings["Upgrade_Rule"], self._macros())
        for complaint in choice.complaints:
            yield Complaint(f"Upgrade_Rule: {complaint}")
        if not choice.url:
            return False
        load = _LOAD.fullmatch(choice.url.rpartition("/")[2])
        if load is None or "://" not in choice.url:
            yield Complaint(f"Upgrade_Rule: {choice.url} is no load of this phone")
            return False
        version = load["version"].replace("-", ".")
        if version == self.version:
            return False
        fetch = Fetch(choice.url, {"User-Agent": self.user_agent})
        installed = yield from install(fetch, self._handset, self.version, version, about="Upgrade_Rule")
        self.version = version if installed else self.version
        return installed

    def _named_server(self, lease: LeaseGot) -> tuple[_Server | None, str]:
        """What the first of the options in use says, and a complaint about it."""
        for word in self.settings["DHCP_Option_To_Use"].split(","):
            code = number(word.strip())
            if not lease.options.get(code):
                continue
            if code == 150:  # a list of IPv4 addresses
                octets = lease.options[code]
                if len(octets) % 4:
                    return None, f"option 150 has {len(octets)} octets, which is no list of addresses"
                return _Server(host=lease.addresses(code)[0]), ""
            text = lease.text(code)
            match = _URL.fullmatch(text)
            if match is None or not match["server"] or not text.isprintable() or " " in text:
                return None, f"option {code} is neither a host nor a URL: {text[:80]!r}"
            return _Server(
                (match["scheme"] or "tftp").lower(), match["server"], match["port"] or "", match["path"] or ""
            ), ""
        return None, ""

    # --- rules --------------------------------------------------------------------------------------------------------

    def _follow(self, rule: str) -> Steps:
        """Ask for what a rule leads to. False: there was no profile, and that counts as a failure."""
        choice = chosen(self.settings[rule], self._macros())
        for complaint in choice.complaints:
            yield Complaint(f"{rule}: {complaint}")
        url = self._resolve(choice.url) if choice.url else ""
        if not url:
            return True
        answer = yield Fetch(url, self._headers(choice.options))
        if isinstance(answer, Fetched):
            return (yield from self._accept(rule, answer))
        if isinstance(answer, Failed):
            yield Report(f"{rule}: {answer.reason}")
        return isinstance(answer, NotFound) and self.settings["Resync_Fails_On_FNF"] == "No"

    def _macros(self) -> dict[str, str]:
        letters = [*"ABCDEFGHIJKLMNOP", "SA", "SB", "SC", "SD"]
        return {letter: self.settings.get(f"GPP_{letter}", "") for letter in letters} | {
            "MA": self.mac,
            "MAU": self.mac.upper(),
            "MAC": self._handset.mac_colon,
            "PN": f"CP-{self._model.name}-3PCC",
            "PSN": f"{self._model.name}-3PCC",
            "SN": self._handset.serial or f"FCH{self.mac[-8:].upper()}",
            "CCERT": "Installed",
            "IP": self._ip,
            "SWVER": f"sip{self._model.traits.get('series', '')}.{self.version.replace('.', '-')}MPP",
            "HWVER": "1.0.0",
        }

    def _resolve(self, url: str) -> str:
        """A whole URL from a rule's URL and what DHCP said. A TFTP name keeps its leading slash."""
        match = _URL.fullmatch(url)
        if match is None:
            return ""
        scheme, host, port = (match["scheme"] or "tftp").lower(), match["server"], match["port"]
        path, server = match["path"] or "/", self._server
        if not host:
            scheme, host, port = server.scheme, server.host, server.port
            if self.settings["Profile_Rule"] == DEFAULT_RULE and len(server.path) > 1:
                # An option with a whole URL stands for the default rule.
                path = expand(server.path, self._macros(), Choice())
        authority = f"{host}:{port}" if port else host
        return f"{scheme}://{authority}{'/' if scheme == 'tftp' else ''}{path}"

    def _headers(self, options: dict[str, str]) -> dict[str, str]:
        headers = {"User-Agent": self.user_agent}
        if options.get("uid"):
            credentials = f"{options['uid']}:{options.get('pwd', '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        return headers

    # --- profiles -----------------------------------------------------------------------------------------------------

    def _accept(self, rule: str, answer: Fetched) -> Steps:
        """Take a profile over. Whether it is encrypted is told by the header. False when the phone cannot read it."""
        coded = answer.coding == CODING
        for oddity in answer.oddities:
            if not (coded and oddity.endswith(CODING)):
                yield Complaint(f"{rule}: {oddity}")
        try:
            pairs = read(decrypted(answer.body, self.settings.get(KEY, "")) if coded else answer.body)
        except (UnreadableError, WrongKeyError) as error:
            yield Complaint(f"{rule}: {error}")
            return False
        for name, value in pairs:
            for doubt in _doubts(name, value):
                yield Complaint(f"{rule}: {name}: {doubt}")
            self.settings[name] = "" if value == NOTHING else value or FACTORY.get(name, "")
        return True


def read(body: bytes) -> Pairs:
    """Names and values of a profile in their order. Raises UnreadableError."""
    if closed := _EMPTY.search(body):
        raise UnreadableError(f"<{closed[1].decode()}/>: one guide has it empty the value, the other leave it alone")
    root = tree(body)
    if root.tag != "flat-profile":
        raise UnreadableError(f"the root element is <{root.tag}>, not <flat-profile>")
    if deep := next((element.tag for element in root if len(element)), ""):
        raise UnreadableError(f"<{deep}> has elements in it: a flat profile has one level")
    return [(element.tag, " ".join((element.text or "").split("\n")).strip()) for element in root]


def _doubts(name: str, value: str) -> Iterator[str]:
    if doubt := suspicious(value):
        yield doubt
    if _YES_NO.fullmatch(name) and value not in {"Yes", "No"}:
        yield f"{value!r} is neither Yes nor No"
    if _NUMBER.fullmatch(name) and value and not value.isdigit():
        yield f"{value!r} is not a number"
    if fault := faults(name, value):
        yield fault
    if (name, value) == ("Resync_Error_Retry_Delay", "0"):
        yield "with 0 the phone never tries again"
