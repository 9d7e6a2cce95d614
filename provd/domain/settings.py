"""The vocabulary of settings: what may be set, of which kind, with which default.

Settings live flat by dotted name (``sip.server``) in profiles, tenants and devices. The value None is a setting
too: it removes what a weaker level had set.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from provd.base.errors import FaultsError
from provd.base.secrets import Secret
from provd.domain.records import Settings

Kind = Literal["text", "number", "secret"]
Check = Callable[[str | int], str]
"""Gives the reason why a value of the right kind is refused, or an empty text."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|[0-9A-Fa-f:]{2,45}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(?:-[A-Z]{2})?")
_COUNTRY = re.compile(r"[A-Z]{2}")
_ZONE = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*")
_CLOCK = re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]")
_DIGITS = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Setting:
    """One known setting. ``default`` applies when no level sets it; None means unset."""

    name: str
    kind: Kind
    doc: str
    check: Check
    default: str | int | None = None

    @property
    def secret(self) -> bool:
        """Whether its value is kept as a Secret and shown as ``***``."""
        return self.kind == "secret"


def _matches(pattern: re.Pattern[str], wanted: str) -> Check:
    return lambda value: "" if pattern.fullmatch(str(value)) else f"must be {wanted}"


def _between(low: int, high: int) -> Check:
    return lambda value: "" if low <= int(value) <= high else f"must be between {low} and {high}"


def _one_of(*choices: str) -> Check:
    return lambda value: "" if value in choices else f"must be one of {', '.join(choices)}"


def _short(limit: int) -> Check:
    return lambda value: "" if len(str(value)) <= limit else f"must have at most {limit} characters"


_host = _matches(_HOST, "a host name or an address")
_port = _between(1, 65535)

_TABLE = (
    Setting("admin.password", "secret", "Password of the phone's administrator pages.", _short(63)),
    Setting("user.password", "secret", "Password of the phone's user pages.", _short(63)),
    Setting(
        "locale.language", "text", "Language of the display (ISO 639).", _matches(_LANGUAGE, "like en or pt-BR"), "en"
    ),
    Setting("locale.country", "text", "Country of the tones (ISO 3166).", _matches(_COUNTRY, "two letters like ES")),
    Setting("time.zone", "text", "Time zone (IANA name).", _matches(_ZONE, "an IANA name like Europe/Madrid")),
    Setting("ntp.server", "text", "Time server.", _host),
    Setting("ntp.backup_server", "text", "Second time server.", _host),
    Setting("syslog.server", "text", "Where the phone sends its log.", _host),
    Setting("syslog.port", "number", "UDP port of the log server.", _port),
    Setting("vlan.id", "number", "VLAN of the phone itself (802.1Q).", _between(1, 4094)),
    Setting("vlan.priority", "number", "Priority of the phone's own frames (802.1p).", _between(0, 7)),
    Setting("vlan.pc_id", "number", "VLAN of the socket for a computer.", _between(1, 4094)),
    Setting("dialing.text", "text", "Shown on a phone that nobody has claimed yet.", _short(32), "Dial your code"),
    Setting("dialing.server", "text", "PBX where unclaimed phones register and dial; unset: provd.", _host),
    Setting("dialing.port", "number", "Its port.", _port),
    Setting("resync.minutes", "number", "How often a claimed phone asks for its files.", _between(1, 10080), 1440),
    Setting(
        "resync.unclaimed_minutes", "number", "The same for a phone that nobody has claimed.", _between(1, 1440), 1
    ),
    Setting("resync.at", "text", "Local time of the daily re-sync.", _matches(_CLOCK, "a time like 03:00"), "03:00"),
    Setting("sip.server", "text", "SIP server of lines that name none.", _host),
    Setting("sip.port", "number", "Its port.", _port),
    Setting("sip.backup_server", "text", "Second SIP server.", _host),
    Setting("sip.backup_port", "number", "Its port.", _port),
    Setting("sip.transport", "text", "SIP transport.", _one_of("udp", "tcp", "tls"), "udp"),
    Setting("sip.outbound_proxy", "text", "Where SIP requests go first.", _host),
    Setting("sip.outbound_port", "number", "Its port.", _port),
)

KNOWN: Mapping[str, Setting] = {setting.name: setting for setting in _TABLE}
"""Every setting by its name, in the order of the documentation."""

DEFAULTS: Settings = {setting.name: setting.default for setting in _TABLE if setting.default is not None}


def _number(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and _DIGITS.fullmatch(value.strip()):
        return int(value)
    return None


def _text(value: object) -> str | None:
    if isinstance(value, Secret):
        return value.reveal()
    return value if isinstance(value, str) else None


def _checked(setting: Setting, value: object) -> tuple[str | int, str]:
    """The value in its kind, and why it is refused (empty when it is not)."""
    typed: str | int | None = _number(value) if setting.kind == "number" else _text(value)
    if typed is None:
        return "", "must be a number" if setting.kind == "number" else "must be a text"
    if isinstance(typed, str) and not (typed and typed.isprintable()):
        # A line break in a value would become a second parameter in a phone's file.
        return "", "must not be empty (null removes a value)" if not typed else "must be printable"
    return typed, setting.check(typed)


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, KNOWN, n=1)
    return "no such setting" + (f"; did you mean {near[0]}?" if near else "")


def validate(values: Mapping[str, object]) -> Settings:
    """The flat settings with every value in its kind; numbers may come as text.

    Raises FaultsError that names every refused setting and why. Secrets are not repeated in it.
    """
    accepted: dict[str, object] = {}
    refused: list[tuple[str, str]] = []
    for name, value in values.items():
        setting = KNOWN.get(name)
        if setting is None:
            refused.append((name[:60], _unknown(name)))
        elif value is None:
            accepted[name] = None
        else:
            typed, reason = _checked(setting, value)
            if reason:
                refused.append((name, reason + ("" if setting.secret else f", not {str(value)[:60]!r}")))
            accepted[name] = Secret(str(typed)) if setting.secret else typed
    if refused:
        raise FaultsError(refused)
    return accepted


def protect(values: Mapping[str, object]) -> Settings:
    """The same settings as read back from a store, secrets in their type again."""
    return {
        name: Secret(value) if isinstance(value, str) and name in KNOWN and KNOWN[name].secret else value
        for name, value in values.items()
    }


def masked(values: Mapping[str, object]) -> dict[str, object]:
    """The same settings fit to be shown: every secret is ``***``."""
    return {name: str(value) if isinstance(value, Secret) else value for name, value in values.items()}


def nest(values: Mapping[str, object]) -> dict[str, dict[str, object]]:
    """``{"sip.server": x}`` as ``{"sip": {"server": x}}``, every known setting present (None when unset)."""
    nested: dict[str, dict[str, object]] = {}
    for name in KNOWN:
        group, _, key = name.partition(".")
        nested.setdefault(group, {})[key] = values.get(name)
    return nested


def flatten(nested: Mapping[str, object]) -> dict[str, object]:
    """``{"sip": {"server": x}}`` as ``{"sip.server": x}``; names that are dotted already stay as they are."""
    flat: dict[str, object] = {}
    for name, value in nested.items():
        if isinstance(value, Mapping):
            flat.update({f"{name}.{key}": inner for key, inner in flatten(value).items()})
        else:
            flat[name] = value
    return flat
