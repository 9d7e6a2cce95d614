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

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
BASE = "http://10.0.0.1:8667"
TOKEN = "k7q2w3e4r5t6y7u2i3o4p5a6s7"
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

    @property
    def suffix(self) -> str:
        return "xml" if self.rule("device").format == "xml" else "cfg"

    @property
    def cases(self) -> list[str]:
        kinds = {rule.kind for rule in MANIFESTS[self.vendor].files}
        moves = any(rule.elsewhere for rule in MANIFESTS[self.vendor].files)
        return [case for case in CASES if (case != "common" or case in kinds) and (case != "elsewhere" or moves)]

    def rule(self, kind: str) -> FileRule:
        """The file that has the phone's settings: the first one that can send it elsewhere, or the first one at all."""
        rules = MANIFESTS[self.vendor].files
        if kind == "common":
            return next(rule for rule in rules if rule.kind == "common")
        own = next((rule for rule in rules if rule.elsewhere), next(rule for rule in rules if rule.kind == "device"))
        return own.sending_away() if kind == "elsewhere" else own

    def job(self, case: str, **changes: object) -> RenderJob:
        """The job of one case: ``common``, ``unclaimed``, ``claimed`` or ``elsewhere``."""
        kind = case if case in {"common", "elsewhere"} else "device"
        return RenderJob(self.vendor, self.rule(kind), {**CASES[case](self), **changes})


VENDORS = ("cisco_spa", "yealink", "snom", "grandstream", "polycom", "fanvil", "aastra")
"""The plugins that have files."""

MANIFESTS = {vendor: load(PLUGINS / vendor) for vendor in VENDORS}


def traits_of(vendor: str, name: str) -> dict:
    model = MANIFESTS[vendor].model(name)
    return dict(model.traits) if model else {}


def spa(model: str, size: tuple[int, int], firmware: str, place: tuple[str, str, str], mac: str) -> Phone:
    return Phone("cisco_spa", model, *size, firmware, *place, mac, traits_of("cisco_spa", model))


def yea(model: str, size: tuple[int, int], firmware: str, place: tuple[str, str, str], mac: str) -> Phone:
    return Phone("yealink", model, *size, firmware, *place, mac, traits_of("yealink", model))


def other(vendor: str, model: str, firmware: str, place: tuple[str, str, str], mac: str) -> Phone:
    found = MANIFESTS[vendor].model(model)
    assert found is not None, model
    return Phone(vendor, model, found.lines, found.keys, firmware, *place, mac, dict(found.traits))


MADRID = ("Europe/Madrid", "es", "ES")
PARIS = ("Europe/Paris", "fr", "FR")
BERLIN = ("Europe/Berlin", "de", "DE")
NEW_YORK = ("America/New_York", "en", "US")
KABUL = ("Asia/Kabul", "en", "AF")
SANTIAGO = ("America/Santiago", "es", "CL")
NOWHERE = ("", "en", "")
KOLKATA = ("Asia/Kolkata", "en", "IN")
DUBLIN = ("Europe/Dublin", "en", "GB")

PHONES = [
    spa("SPA502G", (1, 0), "7.5.5", MADRID, "0026990a0001"),
    spa("SPA504G", (4, 4), "7.5.2b", PARIS, "0026990a0002"),
    spa("SPA509G", (12, 12), "7.4.8a", NEW_YORK, "0026990a0003"),
    spa("SPA514G", (4, 4), "7.5.5", KABUL, "0026990a0004"),
    spa("SPA525G", (5, 5), "7.4.7", BERLIN, "0026990a0005"),
    spa("SPA525G2", (5, 5), "", SANTIAGO, "0026990a0006"),
    spa("SPA112", (2, 0), "1.4.1", PARIS, "0026990a0007"),
    spa("SPA8000", (8, 0), "6.1.12", MADRID, "0026990a0008"),
    yea("T21P", (2, 2), "34.72.0.75", MADRID, "0015650a0001"),
    yea("T21P_E2", (2, 2), "52.84.0.15", PARIS, "0015650a0002"),
    yea("T23P", (3, 3), "44.80.0.95", BERLIN, "0015650a0003"),
    yea("T27P", (6, 21), "45.83.0.35", KOLKATA, "0015650a0004"),
    yea("T48G", (16, 29), "", NEW_YORK, "0015650a0005"),
    yea("W52P", (5, 0), "25.81.0.60", DUBLIN, "0015650a0006"),
    yea("W56P", (5, 0), "", NOWHERE, "0015650a0007"),
    other("snom", "D785", "10.1.159.12", MADRID, "0004130a0001"),
    other("snom", "725", "", NEW_YORK, "0004130a0002"),
    other("snom", "320", "8.4.18", BERLIN, "0004130a0003"),
    other("snom", "M700", "05.20.0001", PARIS, "0004130a0004"),
    other("grandstream", "GXP1760", "1.0.1.133", NEW_YORK, "000b820a0001"),
    other("grandstream", "GRP2614", "1.0.5.15", MADRID, "000b820a0002"),
    other("grandstream", "HT802", "", KOLKATA, "000b820a0003"),
    other("grandstream", "DP750", "", BERLIN, "000b820a0004"),
    other("aastra", "6867i", "4.2.0.181", PARIS, "00085d0a0001"),
    other("aastra", "6731i", "3.2.2.56", NEW_YORK, "00085d0a0002"),
    other("aastra", "6757i", "", KOLKATA, "00085d0a0003"),
    other("polycom", "VVX411", "5.9.2.3446", MADRID, "0004f20a0001"),
    other("polycom", "SPIP650", "", NEW_YORK, "0004f20a0002"),
    other("fanvil", "X4U", "2.12.1.7", MADRID, "0c383e0a0001"),
    other("fanvil", "X6", "", NEW_YORK, "0c383e0a0002"),
]

FAMILIES = [
    yea("T38G", (6, 6), "38.70.0.125", MADRID, "0015650a0011"),
    yea("T28P", (6, 6), "2.73.0.50", PARIS, "0015650a0012"),
    yea("T40P", (3, 3), "54.81.0.110", BERLIN, "0015650a0013"),
    yea("T41S", (6, 15), "66.82.0.20", NEW_YORK, "0015650a0014"),
    yea("W60B", (8, 0), "77.85.0.25", DUBLIN, "0015650a0015"),
    yea("T33G", (4, 12), "124.86.0.75", KOLKATA, "0015650a0016"),
    yea("W70B", (10, 0), "146.87.0.10", SANTIAGO, "0015650a0017"),
]
"""One phone of each generation of firmware that the others do not have."""


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
