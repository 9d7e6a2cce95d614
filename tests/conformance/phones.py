"""The phones the golden files are of, and the contexts they are rendered from."""

from dataclasses import dataclass, field
from pathlib import Path

from provd.app.accounts import NOTHING
from provd.app.ports import RenderJob
from provd.app.zones import zone
from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS
from provd.plugin import FileRule
from provd.plugins.loader import load
from provd.plugins.render_engine import Engine
from tests.conformance.vendors import VENDORS, Kind

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
BASE = "http://10.0.0.1:8667"
TOKEN = "k7q2w3e4r5t6y7u2i3o4p5a6s7"
ENGINE = Engine()
"""One for all: compiling the templates of all vendors takes as long as thousands of their files."""
HOME = "http://10.9.0.1:8667/z7q2w3e4r5t6y7u2i3o4p5a6s7"


@dataclass(frozen=True)
class Phone:
    """A model as its manifest describes it, one firmware of it and where it stands."""

    vendor: str
    model: str
    lines: int
    keys: int
    firmware: str
    zone: str
    language: str
    country: str
    mac: str
    traits: dict = field(default_factory=dict)
    file: str = ""

    @property
    def suffix(self) -> str:
        return "xml" if self.rule("device").format == "xml" else "cfg"

    @property
    def cases(self) -> list[str]:
        kinds = {rule.kind for rule in MANIFESTS[self.vendor].files}
        # Whose own file is not that of the first models asks for no common one with a template either.
        kinds -= {"common"} if self.file else set()
        moves = any(rule.elsewhere for rule in MANIFESTS[self.vendor].files)
        return [case for case in CASES if (case != "common" or case in kinds) and (case != "elsewhere" or moves)]

    def rule(self, kind: str) -> FileRule:
        """The file that has the phone's settings: that of its model, the first one that can send it elsewhere, or the
        first one at all."""
        rules = [rule for rule in MANIFESTS[self.vendor].files if rule.kind == "common" or self.file in ("", rule.name)]
        if kind == "common":
            return next(rule for rule in rules if rule.kind == "common")
        own = next((rule for rule in rules if rule.elsewhere), next(rule for rule in rules if rule.kind == "device"))
        return own.sending_away() if kind == "elsewhere" else own

    @property
    def sheets(self) -> list[FileRule]:
        """Further files of the device, which have what does not stand in that one."""
        return [rule for rule in MANIFESTS[self.vendor].files if rule.name in VENDORS[self.vendor].sheets]

    def job(self, case: str, **changes: object) -> RenderJob:
        """The job of one case: ``common``, ``unclaimed``, ``claimed`` or ``elsewhere``."""
        kind = case if case in {"common", "elsewhere"} else "device"
        return RenderJob(self.vendor, self.rule(kind), {**CASES[case](self), **changes})


MANIFESTS = {vendor: load(PLUGINS / vendor) for vendor in VENDORS}


def phone_of(vendor: str, kind: Kind) -> Phone:
    found = MANIFESTS[vendor].model(kind.model)
    assert found is not None, kind.model
    size = (found.lines, found.keys)
    return Phone(vendor, kind.model, *size, kind.firmware, *kind.place, kind.mac, dict(found.traits), kind.file)


PHONES = [phone_of(name, kind) for name, vendor in VENDORS.items() for kind in vendor.phones]
FAMILIES = [phone_of(name, kind) for name, vendor in VENDORS.items() for kind in vendor.generations]
"""One phone of each generation of firmware that the others do not have."""


def of_model(name: str) -> Phone:
    return next(phone for phone in PHONES if phone.model == name)


def settings(phone: Phone, *, secrets: bool) -> dict:
    values = {
        "admin.password": "adm1n & <co>" if secrets else None,
        "locale.language": phone.language,
        "locale.country": phone.country or None,
        "time.zone": phone.zone or None,
        "ntp.server": "10.0.0.1",
        "syslog.server": "10.0.0.9" if phone.keys else None,
        "syslog.port": 5514 if phone.keys > 4 else None,
        "vlan.id": 20 if phone.keys else None,
        "vlan.priority": 5 if phone.keys > 4 else None,
    }
    return {**nest({**DEFAULTS, **values}), "vendor": {}}


def _firmware(version: str) -> dict:
    digits = (part.rstrip("abcdefgh") for part in version.split(".") if part)
    return {"version": version, "parts": [int(part) for part in digits]}


def _context(phone: Phone, *, state: str) -> dict:
    known = state not in {"common", "elsewhere"}
    return {
        "model": {"name": phone.model, "lines": phone.lines, "keys": phone.keys, "common": [], **phone.traits},
        "firmware": _firmware(phone.firmware if known else ""),
        "device": {
            "mac": phone.mac if known else "",
            "mac_upper": phone.mac.upper() if known else "",
            "mac_colon": ":".join(phone.mac[i : i + 2] for i in range(0, 12, 2)) if known else "",
            "state": {"claimed": "assigned", "common": "", "elsewhere": ""}.get(state, state),
            "label": "Büro 7 & Co" if state == "claimed" else "",
            "sealed": False,
        },
        "urls": {
            "base": BASE,
            "files": f"{BASE}/{TOKEN}" if known else BASE,
            "host": "10.0.0.1",
            "tftp": "10.0.0.1",
            "home": HOME if state == "elsewhere" else "",
        },
        "claimed": state == "claimed",
        "account": None,
        "lines": [],
        "settings": settings(phone, secrets=known),
        "zone": zone(phone.zone),
        "spare": [],
    }


def common(phone: Phone) -> dict:
    return _context(phone, state="common")


def elsewhere(phone: Phone) -> dict:
    return _context(phone, state="elsewhere")


def unclaimed(phone: Phone) -> dict:
    account = {
        **NOTHING,
        "position": 1,
        "username": f"ap{phone.mac}",
        "auth_username": f"ap{phone.mac}",
        "password": "temporary0123456789abcdef",
        "display_name": "Dial your code",
        "server": "10.0.0.1",
        "port": 5060,
        "transport": "udp",
    }
    return {**_context(phone, state="unclaimed"), "account": account}


def _line(position: int, **changes: object) -> dict:
    plain = {
        **NOTHING,
        "position": position,
        "username": f"10{position}",
        "auth_username": f"10{position}",
        "password": f"pa55word-{position}",
        "display_name": "",
        "number": f"+3494400000{position}",
        "server": "pbx.example.org",
        "port": 0,
        "transport": "udp",
    }
    return {**plain, **changes}


def claimed(phone: Phone) -> dict:
    first = _line(
        1,
        display_name="Zoë <Núñez> & \"Co\" 'HQ'",
        auth_username="auth-101",
        voicemail="*97",
        backup_server="pbx2.example.org",
    )
    second = _line(2, transport="tls", outbound_proxy="edge.example.org", outbound_port=5071, port=5070)
    return {**_context(phone, state="claimed"), "lines": [first, second][: phone.lines]}


CASES = {"common": common, "unclaimed": unclaimed, "claimed": claimed, "elsewhere": elsewhere}
