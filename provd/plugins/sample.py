"""Made-up template contexts for checking a plugin: every key of the contract is there, every secret is marked."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from provd.app.accounts import NOTHING
from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS
from provd.plugin import FileRule, Manifest, Model

MARK = "Zx9secret"
"""Part of every password in a sample context: where it shows up, a secret has leaked."""

MAC = "02005e112233"
_HOST = "192.0.2.10"
_BASE = f"http://{_HOST}:8667"
HOME = "http://198.51.100.7:8667/sample"
"""Where a device is sent that is looked after elsewhere."""

Context = dict[str, object]

_SETTINGS: Context = {
    **nest(
        {
            **DEFAULTS,
            "admin.password": f"{MARK}-admin",
            "user.password": f"{MARK}-user",
            "dect.pin": f"{MARK}-pin",
            "locale.country": "ES",
            "time.zone": "Europe/Madrid",
            "ntp.server": "192.0.2.1",
        }
    ),
    "vendor": {},
}


def _last_sunday(month: int, minutes: int) -> Context:
    return {
        "month": month,
        "week": 5,
        "weekday": 0,
        "minutes": minutes,
        "raw": minutes,
        "exact": True,
        "within": True,
        "day": 0,
        "after": {"month": month, "day": 25, "weekday": 0, "minutes": minutes},
    }


_ZONE: Context = {
    "name": "Europe/Madrid",
    "offset_minutes": 60,
    "dst": {"save_minutes": 60, "start": _last_sunday(3, 120), "end": _last_sunday(10, 180)},
    "reason": "",
}

_ACCOUNT: Context = {
    **NOTHING,
    "position": 1,
    "username": f"ap{MAC}",
    "auth_username": f"ap{MAC}",
    "password": f"{MARK}-account",
    "display_name": "Dial your code",
    "server": _HOST,
    "port": 5060,
    "transport": "udp",
}

_NO_SETTINGS: Context = {**nest({}), "vendor": {}}


_THING: Context = {
    "vendor": "Acme",
    "model": "G1",
    "serial": "S0001",
    "tenant": "blue",
    "metadata": {"customer": "Northern Lights", "site": 7},
    "download": f"{_BASE}/provision/download?vendor=Acme&model=G1",
}


def contexts(manifest: Manifest, rule: FileRule) -> Iterator[tuple[str, Context]]:
    """What to render this rule with, each with a few words that say what it is.

    Every model as an unclaimed and as a claimed phone with all its lines, and a phone whose model is not known and of
    which nothing is set.
    """
    newest: Context = {"version": "99.99.0.1", "parts": [99, 99, 0, 1]}
    bare = dataclasses.replace(manifest.models[0], name="", lines=1, keys=0, common=())
    yield "a model not known, nothing set", _context(bare, rule, settings=_NO_SETTINGS, zone=None)
    for model in manifest.models:
        yield f"{model.name} unclaimed", _context(model, rule)
        if rule.kind == "device":
            yield f"{model.name} claimed", _context(model, rule, lines=max(model.lines, 1))
            yield f"{model.name} claimed, new firmware", _context(model, rule, lines=1, firmware=newest)


def leaky(model: Model, rule: FileRule) -> Context:
    """More than a common file is ever given: passwords, an account, lines. It must show none of them."""
    secret = dataclasses.replace(rule, kind="device", secrets=True)
    return {**_context(model, secret, lines=max(model.lines, 1)), "account": _ACCOUNT}


def _context(
    model: Model,
    rule: FileRule,
    *,
    lines: int = 0,
    settings: Context | None = None,
    zone: Context | None = _ZONE,
    firmware: Context | None = None,
) -> Context:
    device = rule.kind == "device"
    thing = {"thing": _THING} if rule.kind == "thing" else {}
    mac = MAC if device else ""
    token = "/sample" if rule.secrets else ""
    return {
        "model": {
            **model.traits,
            "name": model.name,
            "lines": model.lines,
            "keys": model.keys,
            "common": list(model.common),
        },
        "firmware": firmware or {"version": "", "parts": []},
        "device": {
            "mac": mac,
            "mac_upper": mac.upper(),
            "mac_colon": ":".join(mac[at : at + 2] for at in range(0, len(mac), 2)),
            "state": ("assigned" if lines else "unclaimed") if device else "",
            "label": "Ana" if lines else "",
            "sealed": False,
        },
        "urls": {
            "base": _BASE,
            "files": _BASE + token,
            "host": _HOST,
            "tftp": _HOST,
            "home": HOME if rule.kind == "elsewhere" else "",
        },
        "claimed": bool(lines),
        "account": _ACCOUNT if device and not lines else None,
        "spare": _spare(model, lines) if device else [],
        "lines": [_line(position) for position in range(1, lines + 1)],
        "settings": settings or _SETTINGS,
        "zone": zone,
        **thing,
    }


def _spare(model: Model, lines: int) -> list[Context]:
    """Temporary accounts of the ports that nobody has."""
    free = range(max(lines, 1) + 1, model.lines + 1) if model.ports else ()
    return [{**_ACCOUNT, "position": port, "username": f"ap{MAC}-{port}"} for port in free]


def _line(position: int) -> Context:
    return {
        **NOTHING,
        "position": position,
        "username": f"line{position}",
        "auth_username": f"auth{position}",
        "password": f"{MARK}-line{position}",
        "display_name": 'Ana & "Bob" <1>',
        "number": f"10{position}",
        "server": "pbx.example.com",
        "port": 5060 if position == 1 else 0,
        "transport": ("udp", "tcp", "tls")[position % 3],
        "backup_server": "pbx2.example.com" if position == 1 else "",
        "voicemail": "*97" if position == 1 else "",
    }
