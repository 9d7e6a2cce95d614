"""A simulated Cisco SPA phone: profile rules, macros, the flat profile, and when it comes back.

From the vendor's provisioning guides and an export of a phone's settings. Where the guides disagree the behaviour that
was seen on the wire is taken (a bare server address means TFTP).
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from datetime import datetime

from provd.plugin import Model
from provd.plugin.ordinary import number
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
from .phone_cipher import MAGIC, WrongKeyError, decrypted
from .phone_clock import shown
from .phone_dialing import dial
from .phone_firmware import image
from .phone_keys import drawn, faults
from .phone_profile import UnreadableProfileError, read_flat_profile, unpacked
from .phone_rules import alternatives, expand

OPTION55 = (1, 3, 42, 6, 7, 15, 58, 59, 66, 2, 150, 151, 160, 159)
DEFAULT_RULE = "/spa$PSN.cfg"
RULES = ("Profile_Rule", "Profile_Rule_B", "Profile_Rule_C", "Profile_Rule_D")
USUAL_FIRMWARE = "7.5.5"
RANDOM_DELAY_UNIT = 20
"""Seconds per step of ``Resync_Random_Delay``."""
RESYNCS = frozenset({"resync", "check-sync"})
RESTARTS = frozenset({"reboot_now", "restart_now"})
"""Values of the Event header of a NOTIFY."""

FACTORY = {
    "Provision_Enable": "Yes",
    "Resync_On_Reset": "Yes",
    "Resync_Random_Delay": "2",
    "Resync_Periodic": "3600",
    "Resync_At__HHmm_": "",
    "Resync_At_Random_Delay": "600",
    "Resync_Error_Retry_Delay": "3600",
    "Forced_Resync_Delay": "14400",
    "Resync_Fails_On_FNF": "Yes",
    "Profile_Rule": DEFAULT_RULE,
    "Profile_Rule_B": "",
    "Profile_Rule_C": "",
    "Profile_Rule_D": "",
    "DHCP_Option_To_Use": "66,160,159,150",
    "SPCP_Auto-detect": "Yes",
    "Network_Startup_Delay": "3",
    "Upgrade_Enable": "Yes",
    "Upgrade_Rule": "",
}

_YES_NO = re.compile(
    r"Provision_Enable|Resync_On_Reset|Resync_From_SIP|Resync_Fails_On_FNF|SPCP_Auto-detect|Upgrade_Enable|"
    r"(?:Line_Enable|Register|Use_Auth_ID|Auth_Resync-Reboot|Use_Outbound_Proxy|Use_DNS_SRV)_\d+_"
)
_NUMBER = re.compile(
    r"Resync_Random_Delay|Resync_Periodic|Resync_At_Random_Delay|Resync_Error_Retry_Delay|Forced_Resync_Delay|"
    r"Network_Startup_Delay|Interdigit_(?:Long|Short)_Timer|SIP_Port_\d+_|Register_Expires_\d+_"
)
_URL = re.compile(r"(?:(?P<scheme>[a-z]+)://)?(?P<server>[^/:]+)?(?::(?P<port>\d+))?(?P<path>/.*)?", re.IGNORECASE)
_LINKSYS = re.compile(r"SPA9\d\d|SPA2102|SPA3102|SPA8[08]00|PAP2T?")
_BY_LOWER_CASE = {name.lower(): name for name in FACTORY}

Steps = Generator[Step, Result, None]


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
        self._psn = str(model.traits.get("psn") or model.name.removeprefix("SPA"))
        self._default_rule = _default_rule(model)
        self.settings = FACTORY | {"Profile_Rule": self._default_rule}
        self._handset = handset
        self._rng = rng
        self._model = model
        self.version = handset.version or USUAL_FIRMWARE
        self.serial = handset.serial or f"CCQ{handset.mac[-8:].upper()}"
        # Phones and adapters from before the brand changed call themselves "LINKSYS SPA-942".
        self._brand = "LINKSYS" if _LINKSYS.fullmatch(model.name) else "Cisco"
        self._word = next((alias for alias in model.aliases if "-" in alias), model.name)
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
        """The header of its HTTP requests. The 525 family does not tell its MAC."""
        if self._brand == "LINKSYS":
            return f"Linksys/{self._word}-{self.version} ({self.serial})"
        mac = "" if self._model.name.startswith("SPA525") else f"({self.mac.upper()})"
        return f"Cisco/{self._model.name}-{self.version} {mac}({self.serial})"

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"{'Linksys' if self._brand == 'LINKSYS' else 'Cisco'}/{self._word}-{self.version}"

    def notified(self, notify: Notify) -> Reaction:
        """Events of its own and check-sync; who sends them shows the line's credentials, unless the line says No."""
        if notify.event.partition(";")[0].strip().lower() not in RESYNCS | RESTARTS:
            return Reaction(489)
        if not notify.authenticated and self.settings.get(f"Auth_Resync-Reboot_{notify.line}_", "Yes") != "No":
            return Reaction(401)
        return Reaction(200, obeys=self.settings.get("Resync_From_SIP", "Yes") != "No")

    def dial(self, digits: str) -> Dialed:
        """Star codes, then the dial plan."""
        if not self.accounts:
            return Dialed("", "no account")
        return dial(digits, self.settings, self.accounts[0].line)

    @property
    def keys(self) -> list[str]:
        """Its keys as text, those of expansion modules too."""
        units = self._model.traits.get("units", 0)
        return drawn(self.settings, self._model.keys, units if isinstance(units, int) else 0)

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
            lease = yield Dhcp(f"{self._brand} {self._word}", OPTION55, f"SipuraSPA{self.mac[-6:]}")
            if isinstance(lease, LeaseGot):
                self._ip = lease.ip
                return lease
            yield Wait(10, "no address")

    def _boot(self, lease: LeaseGot) -> Generator[Step, Result, bool]:
        """The first resync after a start. True when it changed something: the phone restarts by itself."""
        server, complaint = self._named_server(lease)
        if complaint:
            yield Complaint(complaint)
        if server is None:
            yield from self._look_for_call_manager(lease)
            return False
        self._server = server
        if self.settings["Resync_On_Reset"] == "No" or self.settings["Provision_Enable"] == "No":
            yield Settled(self.accounts)
            return False
        longest = RANDOM_DELAY_UNIT * number(self.settings["Resync_Random_Delay"])
        yield Wait(self._rng.uniform(0, longest), "random delay before the first request")
        return (yield from self._resync())

    def _come_back(self) -> Generator[Step, Result, bool]:
        """Wait for the next resync and do it. True when the phone restarts."""
        woken = yield self._pause()
        if isinstance(woken, Notified):
            yield Report(f"NOTIFY {woken.event}")
            if woken.event.partition(";")[0].strip().lower() in RESTARTS:
                return True
        if not self._server.host:
            return True
        return (yield from self._resync())

    def _pause(self) -> Wait:
        """Until the next resync, or until a NOTIFY asks for one."""
        periodic = number(self.settings["Resync_Periodic"]) or NEVER
        if self._failed:
            # The periodic timer starts with the first success only.
            retry = number(self.settings["Resync_Error_Retry_Delay"]) or NEVER
            seconds = min(retry, periodic) if self._succeeded else retry
            return Wait(seconds, "retry after a failed resync", wakes=True)
        if periodic != NEVER:
            return Wait(periodic, "periodic resync", wakes=True)
        if at := self.settings["Resync_At__HHmm_"]:
            spread = self._rng.uniform(0, number(self.settings["Resync_At_Random_Delay"]))
            return Wait(self._rng.uniform(0, 86400) + spread, f"resync at {at}", wakes=True)
        return Wait(NEVER, "no periodic resync is configured", wakes=True)

    def _resync(self) -> Generator[Step, Result, bool]:
        """Follow the rules in order; the first that fails ends the sequence. True when settings changed."""
        before = dict(self.settings)
        self._failed = False
        for rule in RULES:
            if self.settings[rule] and not (yield from self._follow(rule)):
                self._failed = True
                break
        self._succeeded = self._succeeded or not self._failed
        changed = sorted(name for name in self.settings | before if self.settings.get(name) != before.get(name))
        if changed:
            yield Report(f"restart: {len(changed)} settings changed")
            return True
        if not self._failed and (yield from self._upgrade()):
            return True
        yield Settled(self.accounts)
        return False

    def _upgrade(self) -> Generator[Step, Result, bool]:
        """Follow the upgrade rule when its image is another one than the phone runs. True when it restarts with it."""
        rule = self.settings["Upgrade_Rule"] if self.settings["Upgrade_Enable"] == "Yes" else ""
        chosen, complaints = image(rule, self._macros(), str(self._model.traits.get("firmware", "")))
        for complaint in complaints:
            yield Complaint(f"Upgrade_Rule: {complaint}")
        if chosen is None or chosen.version == self.version:
            return False
        fetch = Fetch(self._resolve(chosen.url), {"User-Agent": self.user_agent})
        installed = yield from install(fetch, self._handset, self.version, chosen.version, about="Upgrade_Rule")
        self.version = chosen.version if installed else self.version
        return installed

    def _look_for_call_manager(self, lease: LeaseGot) -> Steps:
        """Without any provisioning option the phone looks for files of another family, never for its own."""
        yield Report("no provisioning option in the lease")
        if self.settings["SPCP_Auto-detect"] == "Yes" and lease.server:
            for name in (f"SEP{self.mac.upper()}.cnf.xml", "XMLDefault.cnf.xml"):
                yield Fetch(f"tftp://{lease.server}/{name}")

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
            scheme = (match["scheme"] or "tftp").lower()
            server = _Server(scheme, match["server"], match["port"] or "", match["path"] or "")
            if match["scheme"] and server.path in {"", "/"}:
                return server, f"option {code}: a URL without a file; what a real phone makes of it is not known"
            return server, ""
        return None, ""

    # --- rules --------------------------------------------------------------------------------------------------------

    def _follow(self, rule: str) -> Generator[Step, Result, bool]:
        """Try the alternatives of a rule. False: none of them gave a profile, and that counts as a failure."""
        asked = False
        for alternative in alternatives(self.settings[rule], self._macros()):
            for complaint in alternative.complaints:
                yield Complaint(f"{rule}: {complaint}")
            url = self._resolve(alternative.url) if alternative.url else ""
            if not url:
                continue
            asked = True
            answer = yield Fetch(url, self._headers(alternative.options))
            if isinstance(answer, Fetched) and (yield from self._accept(rule, answer, alternative.options)):
                return True
            if isinstance(answer, NotFound) and self.settings["Resync_Fails_On_FNF"] == "No":
                return True
            if isinstance(answer, Failed):
                yield Report(f"{rule}: {answer.reason}")
        return not asked

    def _macros(self) -> dict[str, str]:
        server = self._server
        letters = [*"ABCDEFGHIJKLMNOP", "SA", "SB", "SC", "SD"]
        return {letter: self.settings.get(f"GPP_{letter}", "") for letter in letters} | {
            "MA": self.mac,
            "MAU": self.mac.upper(),
            "MAC": self._handset.mac_colon,
            "PN": self._model.name,
            "PSN": self._psn,
            "SN": self.serial,
            "CCERT": "Installed",
            "IP": self._ip,
            "EXTIP": self._ip,
            "SWVER": self.version,
            "HWVER": "1.0.0",
            "PRVST": "1" if self._succeeded else "0",
            "UPGST": "0",
            "ERR": "",
            "SCHEME": server.scheme,
            "SERV": server.host,
            "SERVIP": server.host,
            "PORT": server.port,
            "PATH": server.path,
        }

    def _resolve(self, url: str) -> str:
        """A whole URL from a rule's URL and what DHCP said. A TFTP name keeps its leading slash."""
        match = _URL.fullmatch(url)
        if match is None:
            return ""
        server = self._server
        scheme, host, port, path = (
            (match["scheme"] or "tftp").lower(),
            match["server"],
            match["port"],
            match["path"] or "/",
        )
        if not host:
            scheme, host, port = server.scheme, server.host, server.port
            if self.settings["Profile_Rule"] == self._default_rule and len(server.path) > 1:
                # An option with a whole URL stands for the default rule.
                path = expand(server.path, self._macros(), [])
        authority = f"{host}:{port}" if port else host
        return f"{scheme}://{authority}{'/' if scheme == 'tftp' else ''}{path}"

    def _headers(self, options: dict[str, str]) -> dict[str, str]:
        headers = {"User-Agent": self.user_agent}
        if options.get("uid"):
            credentials = f"{options['uid']}:{options.get('pwd', '')}"
            headers["Authorization"] = f"Basic {base64.b64encode(credentials.encode()).decode()}"
        return headers

    # --- profiles -----------------------------------------------------------------------------------------------------

    def _accept(self, rule: str, answer: Fetched, options: dict[str, str]) -> Generator[Step, Result, bool]:
        """Take a profile over, which tells by its content whether it is encrypted. False when the phone cannot read
        it."""
        for oddity in answer.oddities:
            yield Complaint(f"{rule}: {oddity}")
        try:
            body = answer.body
            if body.startswith(MAGIC):
                body = decrypted(body, options.get("key", ""))
            pairs = read_flat_profile(unpacked(body))
        except (UnreadableProfileError, WrongKeyError) as error:
            yield Complaint(f"{rule}: {error}")
            return False
        for name, value in pairs:
            for doubt in _doubts(name, value):
                yield Complaint(f"{rule}: {name}: {doubt}")
            self.settings[name] = value
        return True


def _default_rule(model: Model) -> str:
    """The rule from the factory. An adapter that names its file otherwise asks for just that name."""
    if not model.common:
        return "/ATA$MAU.cnf.xml"
    return DEFAULT_RULE if model.common[0].lower().startswith("spa") else f"/{model.common[0]}"


def _doubts(name: str, value: str) -> Iterator[str]:
    # The phone calls it None where nothing is behind everything.
    doubt = suspicious(value) if name != "Select_Background_Picture" else ""
    if doubt:
        yield doubt
    if _YES_NO.fullmatch(name) and value not in {"Yes", "No"}:
        yield f"{value!r} is neither Yes nor No"
    if _NUMBER.fullmatch(name) and value and not value.isdigit():
        yield f"{value!r} is not a number"
    if fault := faults(name, value):
        yield fault
    if (name, value) == ("Resync_Error_Retry_Delay", "0"):
        yield "0 means at once in one guide and never in the other"
    if name not in FACTORY and name.lower() in _BY_LOWER_CASE:
        yield f"names are case-sensitive: {_BY_LOWER_CASE[name.lower()]}"
