"""A simulated Yealink phone: which files it asks for, how it reads them, when it comes back.

From the administrator's guides (boot sequence, file grammar) and the templates of other provisioning systems. Where
firmware generations differ, the second number of the version decides (V72, V81, V84 …).
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Generator, Iterator
from datetime import datetime

from provd.plugin import Model
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
)

from .phone_cipher import decrypted
from .phone_clock import shown
from .phone_files import ACCUMULATES, RESETS, is_static, meaningful_lines, read_config
from .phone_keys import drawn
from .phone_servers import servers_of

OPTION60 = "yealink"
OPTION55 = (1, 2, 3, 4, 6, 7, 12, 15, 28, 42, 66, 67, 43, 120)
GENERIC_BOOT = "y000000000000.boot"

FACTORY = {
    "auto_provision.dhcp_option.enable": "1",
    "auto_provision.repeat.enable": "0",
    "auto_provision.repeat.minutes": "1440",
    "auto_provision.attempt_before_failed": "3",
    "auto_provision.retry_delay_after_file_transfer_failed": "5",
    "auto_provision.user_agent_mac.enable": "1",
}

FIRMWARE = {
    "T21P": "34.72.0.75",
    "T21P_E2": "52.84.0.125",
    "T23P": "44.84.0.140",
    "T23G": "44.84.0.140",
    "T27P": "45.83.0.35",
    "T48G": "35.83.0.120",
    "T48S": "66.86.0.15",
    "W52P": "25.81.0.60",
    "W56P": "25.81.0.60",
}
"""What these models usually run; of others the manifest tells family and generation."""

USER_AGENT_WORDS = {"W56P": "W52P", "T49G": "SIP VP-T49G"}
"""A W56P is a W52P base with another handset and runs the same firmware."""

_INCLUDE = re.compile(
    r'(?:\[(?P<model>[^\]]+)\])?include:config\s+(?:"(?P<quoted>[^"]+)"|<(?P<angle>[^>]+)>|(?P<bare>\S+))'
)
_VERSION_IN_NAME = re.compile(r"(\d+\.\d+\.\d+\.\d+)\.rom", re.IGNORECASE)

Steps = Generator[Step, Result, None]


class Phone:
    """One phone and what it remembers: its settings, and the MD5 of the files it applied last."""

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        self.mac = handset.mac
        self._mac_colon = handset.mac_colon
        self.settings = dict(FACTORY)
        self._handset = handset
        self._rng = rng
        self._name = model.name.replace(" ", "_")
        self._lines = model.lines
        self._model = model
        self._common = model.common[0] if model.common else ""
        usual = f"{model.traits.get('family', 0)}.{model.traits.get('generation', 0) or 84}.0.15"
        self.version = handset.version or FIRMWARE.get(self._name, usual)
        self._applied: dict[str, tuple[str, list[tuple[str, str]]]] = {}

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The enabled accounts that have a user and a server."""
        return tuple(self._enabled_accounts())

    @property
    def keys(self) -> list[str]:
        """What stands beside its keys, those of expansion modules too."""
        return drawn(self.settings, self._model)

    @property
    def user_agent(self) -> str:
        """The header of its HTTP requests."""
        text = self.sip_user_agent
        if self.settings.get("auto_provision.user_agent_mac.enable") != "0":
            text += f" {self._mac_colon}"
        return text

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests: never with the MAC."""
        word = USER_AGENT_WORDS.get(self._name, f"SIP-{self._name}" if self._name.startswith("T") else self._name)
        return f"Yealink {word} {self.version}"

    def notified(self, notify: Notify) -> Reaction:
        """Only check-sync means anything; with trust control, only from the line's own server."""
        trust = "1" in {self.settings.get("sip.trust_ctrl"), self.settings.get(f"account.{notify.line}.sip_trust_ctrl")}
        if trust and notify.source != notify.registrar:
            return Reaction(0)
        if notify.event.partition(";")[0].strip().lower() != "check-sync":
            return Reaction(489)
        return Reaction(200, obeys=self.settings.get("sip.notify_reboot_enable") != "2")

    def dial(self, digits: str) -> Dialed:
        """The key that sends (usually ``#``) ends what was typed; ``#`` elsewhere travels escaped."""
        if not self.accounts:
            return Dialed("", "no account")
        name = "features.key_as_send" if self._generation >= 80 else "features.pound_key.mode"
        send_key = {"0": "", "2": "*"}.get(self.settings.get(name, "1"), "#")
        if send_key and send_key in digits:
            typed = digits.partition(send_key)[0]
            return Dialed(typed, f"{send_key} sends (see {name})")
        escaped = "#" if self.settings.get("sip.use_23_as_pound") == "0" else "%23"
        return Dialed(digits.replace("#", escaped))

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows at that moment."""
        return shown(self.settings, at)

    def run(self) -> Script:
        """Power on: get an address, then provision for ever; start over where a NOTIFY or new firmware restarts it."""
        while True:
            lease = yield Dhcp(OPTION60, OPTION55, self.settings.get("network.dhcp_host_name", f"SIP-{self._name}"))
            if not isinstance(lease, LeaseGot):
                yield Wait(10, "no address")
                continue
            while not (yield from self._settle(lease)):
                pass

    def _settle(self, lease: LeaseGot) -> Generator[Step, Result, bool]:
        """Provision and wait for the next time. True when the phone restarts."""
        version = self.version
        yield from self._provision(lease)
        if self.version != version:
            return True
        yield Settled(self.accounts)
        seconds, why = self._pause()
        woken = yield Wait(seconds, why, wakes=True)
        if not isinstance(woken, Notified):
            return False
        mode = self.settings.get("sip.notify_reboot_enable", "1")
        if mode == "1" or "reboot=true" in woken.event.replace(" ", "").lower():
            yield Report(f"restart: NOTIFY {woken.event}")
            return True
        yield Report(f"fetches its files again: NOTIFY {woken.event}")
        return False

    # --- where to ask -------------------------------------------------------------------------------------------------

    def _provision(self, lease: LeaseGot) -> Steps:
        """Ask the first source that answers at all: custom option, 66, 43, then the URL stored on the phone."""
        found = False
        for origin, text in self._sources(lease):
            base, complaint = _directory(text)
            if complaint:
                yield Complaint(f"{origin}: {complaint}")
            if not base:
                continue
            found = True
            if (yield from self._provision_from(base)):
                yield from self._upgrade()
                return
        if not found:
            yield Report("no provisioning server in the lease or on the phone")

    def _sources(self, lease: LeaseGot) -> Iterator[tuple[str, str]]:
        if self.settings["auto_provision.dhcp_option.enable"] != "0":
            custom = self.settings.get("auto_provision.dhcp_option.list_user_options", "")
            for code in [int(word) for word in re.findall(r"\d+", custom)] + [66, 43]:
                text = lease.text(code)
                # The layout of option 43 is not documented; only a bare URL is certain to be one.
                if text and (code != 43 or "://" in text):
                    yield f"option {code}", text
        if self.settings.get("auto_provision.server.url"):
            yield "auto_provision.server.url", self.settings["auto_provision.server.url"]

    def _provision_from(self, base: str) -> Generator[Step, Result, bool]:
        """The boot files if the firmware knows them, else the common and the MAC file. False: nobody answered."""
        if self._generation >= 81:
            for boot in (f"{self.mac}.boot", GENERIC_BOOT):
                answer = yield from self._fetch(base, boot)
                if isinstance(answer, Failed):
                    return False
                if isinstance(answer, Fetched):
                    yield from self._follow(base, boot, answer.body)
                    return True
        files: list[tuple[str, bytes]] = []
        for name in filter(None, (self._common, f"{self.mac}.cfg")):
            answer = yield from self._fetch(base, name)
            if isinstance(answer, Failed):
                return False
            if isinstance(answer, Fetched):
                files.append((name, answer.body))
        yield from self._apply(files, overwrite=False)
        return True

    def _follow(self, base: str, boot: str, body: bytes) -> Steps:
        """Fetch what a boot file includes, from top to bottom; nothing else is asked for."""
        lines, complaint = meaningful_lines(body)
        if complaint:
            yield Complaint(f"{boot}: {complaint}")
        files: list[tuple[str, bytes]] = []
        overwrite = False
        for number, line in lines:
            include = _INCLUDE.fullmatch(line)
            if include is not None:
                if include["model"] and include["model"].upper() not in self._name.upper():
                    continue
                name = include["quoted"] or include["angle"] or include["bare"]
                answer = yield from self._fetch(base, name)
                if isinstance(answer, Fetched):
                    files.append((name, answer.body))
            elif "=" in line:
                key, _, value = (part.strip() for part in line.partition("="))
                if key != "overwrite_mode" or value not in {"0", "1"}:
                    yield Complaint(f"{boot}:{number}: {key} is not for a boot file")
                overwrite = overwrite or (key, value) == ("overwrite_mode", "1")
            else:
                yield Complaint(f"{boot}:{number}: not a line of a boot file")
        yield from self._apply(files, overwrite=overwrite)

    def _fetch(self, base: str, name: str) -> Generator[Step, Result, Result]:
        url = name if "://" in name else f"{base}/{name}"
        answer: Result = None
        for _ in range(int(self.settings["auto_provision.attempt_before_failed"])):
            answer = yield Fetch(url, {"User-Agent": self.user_agent, "Accept": "*/*"})
            if not isinstance(answer, Failed):
                break
            seconds = float(self.settings["auto_provision.retry_delay_after_file_transfer_failed"])
            yield Wait(seconds, f"{name}: {answer.reason}")
        if isinstance(answer, Fetched):
            for oddity in answer.oddities:
                yield Complaint(f"{name}: {oddity}")
        return answer if isinstance(answer, Fetched | NotFound) else Failed("no file")

    # --- what the files say -------------------------------------------------------------------------------------------

    def _apply(self, files: list[tuple[str, bytes]], *, overwrite: bool) -> Steps:
        """Take over the settings of files that are not the ones applied last (by MD5)."""
        changed: list[str] = []
        for name, body in files:
            digest = hashlib.md5(body, usedforsecurity=False).hexdigest()
            if name in self._applied and self._applied[name][0] == digest:
                continue
            config = read_config(decrypted(body, self._key(name)), self._generation)
            for complaint in config.complaints:
                yield Complaint(f"{name}: {complaint}")
            if not config.refused:
                self._applied[name] = (digest, config.pairs)
                changed.append(name)
        if not changed:
            yield Report("unchanged")
            return
        if overwrite:
            # What has "static." in front of its name survives.
            self.settings = {**FACTORY, **{name: value for name, value in self.settings.items() if is_static(name)}}
        for name, _ in files:
            if name in changed or (overwrite and name in self._applied):
                for parameter in self._take(self._applied[name][1]):
                    yield Complaint(
                        f"{name}: {parameter}: an empty value leaves the old one in place; %NULL% resets it"
                    )
        yield Report(f"applied {' '.join(changed)}")

    def _key(self, name: str) -> str:
        """What a file of that name is decrypted with: the key of MAC files, else the one of common files."""
        aes = "auto_provision.aes_key" if self.version.startswith("124.") else "auto_provision.aes_key_16"
        common, own = (self.settings.get(f"{aes}.{which}", "") for which in ("com", "mac"))
        return own or common if name.startswith(str(self.mac)) else common

    def _take(self, pairs: list[tuple[str, str]]) -> list[str]:
        """Change the settings. Gives the names whose empty value was of no effect although it looked like a reset."""
        kept: list[str] = []
        for parameter, value in pairs:
            name = parameter
            if ACCUMULATES.fullmatch(parameter):
                # One line for each of the phone's own users, in front the name that the user has by then.
                name = f"{parameter}:{self._role(value.partition(':')[0])}"
            if value in RESETS:
                self.settings.pop(name, None)
                if name in FACTORY:
                    self.settings[name] = FACTORY[name]
            elif value:
                self.settings[name] = value
            elif self.settings.get(name, "") != FACTORY.get(name, ""):
                kept.append(name)
        return kept

    def _role(self, user: str) -> str:
        """Which of the phone's own users (``admin``, ``user``, ``var``) bears that name."""
        names = {self.settings.get(f"security.user_name.{role}", role): role for role in ("var", "user", "admin")}
        return names.get(user, user)

    # --- what comes of it ---------------------------------------------------------------------------------------------

    @property
    def _generation(self) -> int:
        parts = self.version.split(".")
        return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else 0

    def _enabled_accounts(self) -> Iterator[Account]:
        get = self.settings.get
        templates = bool(self._model.traits.get("server_templates"))
        for line in range(1, self._lines + 1):
            start = f"account.{line}."
            user, servers = get(f"{start}user_name", ""), servers_of(self.settings, start, self._generation, templates)
            if get(f"{start}enable") == "1" and user and servers.host:
                yield Account(
                    line=line,
                    username=user,
                    password=get(f"{start}password", ""),
                    server=servers.host,
                    port=servers.port,
                    auth_username=get(f"{start}auth_name", ""),
                    display_name=get(f"{start}display_name", ""),
                    label=get(f"{start}label", ""),
                    backup_server=servers.backup,
                    transport=servers.transport,
                    keep_alive=self._keep_alive(start),
                )

    def _keep_alive(self, start: str) -> int:
        """On from the factory, every half minute; 2 and 3 are OPTIONS and NOTIFY, which are not simulated."""
        if self.settings.get(f"{start}nat.udp_update_enable", "1") != "1":
            return 0
        return _number(self.settings.get(f"{start}nat.udp_update_time", ""), 30)

    def _pause(self) -> tuple[float, str]:
        """How long until it asks again, and why."""
        get = self.settings.get
        if self._generation < 80:
            # V7x polls in the modes that contain "repeatedly" (4, and 6 with power on).
            if get("auto_provision.mode") in {"4", "6"}:
                return 60 * _number(get("auto_provision.schedule.periodic_minute", ""), 1440), "periodic check"
        elif get("auto_provision.repeat.enable") == "1":
            return 60 * _number(get("auto_provision.repeat.minutes", ""), 1440), "repeat"
        if get("auto_provision.weekly.enable") == "1":
            days = max(1, len(get("auto_provision.weekly.mask") or get("auto_provision.weekly.dayofweek") or "0123456"))
            return self._rng.uniform(0, 86400 * 7 / days) + 600, f"check at {get('auto_provision.weekly.begin_time')}"
        return NEVER, "no periodic check is configured"

    def _upgrade(self) -> Steps:
        """Install the firmware of ``firmware.url`` when its name tells another version."""
        url = self.settings.get("firmware.url", "")
        named = _VERSION_IN_NAME.search(url)
        if named is None or named[1] == self.version:
            return
        if named[1].split(".")[0] != self.version.split(".")[0]:
            yield Complaint(f"firmware.url: {named[1]} is for another model")
            return
        fetch = Fetch(url, {"User-Agent": self.user_agent})
        if (yield from install(fetch, self._handset, self.version, named[1], about="firmware.url")):
            self.version = named[1]


def _number(text: str, otherwise: int) -> int:
    return max(1, int(text)) if text.isdigit() else otherwise


def _directory(text: str) -> tuple[str, str]:
    """The base URL that a server address stands for (file names are put behind ``/``), and a complaint."""
    if not text.isprintable() or " " in text:
        return "", "the address has blanks or control characters in it"
    complaint = ""
    if text.lower().endswith((".cfg", ".boot", ".xml")):
        complaint = "a file name stands where a directory is expected"
    if "://" not in text:
        return f"tftp://{text}", complaint
    if text.partition("://")[0].lower() not in {"tftp", "http", "https"}:
        return "", "this kind of URL is not simulated"
    return text, complaint
