"""What wazo-provd's ``raw_config`` calls things, and what we call them.

Source: the schema that its REST interface checks (``wazo_provd/devices/schemas.py``) and its documentation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Raw = Mapping[str, Any]
Setting = tuple[str, object]
"""Our name and the value; None removes what a weaker level has set."""

_PLAIN = {
    "admin_username": "admin.username",
    "admin_password": "admin.password",
    "user_username": "user.username",
    "user_password": "user.password",
    "timezone": "time.zone",
    "sip_proxy_ip": "sip.server",
    "sip_proxy_port": "sip.port",
    "sip_backup_proxy_ip": "sip.backup_server",
    "sip_backup_proxy_port": "sip.backup_port",
    "sip_registrar_ip": "sip.registrar",
    "sip_registrar_port": "sip.registrar_port",
    "sip_backup_registrar_ip": "sip.backup_registrar",
    "sip_backup_registrar_port": "sip.backup_registrar_port",
    "sip_outbound_proxy_ip": "sip.outbound_proxy",
    "sip_outbound_proxy_port": "sip.outbound_port",
    "sip_transport": "sip.transport",
    "sip_subscribe_mwi": "sip.subscribe_mwi",
    "exten_dnd": "feature.dnd_on",
    "exten_fwd_unconditional": "feature.forward_on",
    "exten_fwd_no_answer": "feature.forward_no_answer_on",
    "exten_fwd_busy": "feature.forward_busy_on",
    "exten_fwd_disable_all": "feature.forward_cancel",
    "exten_park": "feature.park",
    "exten_pickup_group": "feature.pickup_group",
    "exten_pickup_call": "feature.pickup",
    "exten_voicemail": "feature.voicemail",
}
_SWITCHED = {
    "dns_enabled": {"dns_ip": "network.dns"},
    "ntp_enabled": {"ntp_ip": "ntp.server"},
    "vlan_enabled": {"vlan_id": "vlan.id", "vlan_priority": "vlan.priority", "vlan_pc_port_id": "vlan.pc_id"},
    "syslog_enabled": {"syslog_ip": "syslog.server", "syslog_port": "syslog.port", "syslog_level": "syslog.level"},
}
"""Groups that count only while their switch is on."""
_CHOICES: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "sip_dtmf_mode": ("sip.dtmf", {"RTP-in-band": "inband", "RTP-out-of-band": "rfc4733", "SIP-INFO": "info"}),
    "sip_srtp_mode": ("sip.srtp", {"disabled": "off", "preferred": "preferred", "required": "required"}),
}
_KEYS = {"speeddial": "speed_dial", "blf": "blf", "park": "park"}
_ELSEWHERE = frozenset(
    {
        *("ip", "http_port", "http_base_url", "tftp_port", "config_version"),
        *("sip_lines", "funckeys", "protocol", "locale"),
        *_SWITCHED,
        *(name for group in _SWITCHED.values() for name in group),
    }
)
"""What provd says by itself, or what is looked at elsewhere below."""
_OF_LINE = {
    "registrar_ip": "sip.registrar",
    "registrar_port": "sip.registrar_port",
    "backup_registrar_ip": "sip.backup_registrar",
    "backup_registrar_port": "sip.backup_registrar_port",
}

Tell = Callable[[str], None]
"""Hears a sentence about what has no equivalent here."""


def settings(raw: Raw, tell: Tell) -> Iterator[Setting]:
    """The settings in a ``raw_config``, without its lines."""
    for name, value in raw.items():
        if name in _PLAIN:
            yield _PLAIN[name], value
        elif name in _CHOICES:
            yield from _chosen(name, value, tell)
        elif name not in _ELSEWHERE:
            tell(f"{name}: there is nothing like it here")
    for switch, group in _SWITCHED.items():
        yield from _switched(raw, switch, group)
    if raw.get("locale"):
        yield from _locale(str(raw["locale"]))
    if str(raw.get("protocol", "SIP")).upper() != "SIP":
        tell(f"protocol: {raw['protocol']} is not spoken here")
    yield from _keys(raw.get("funckeys"), tell)


def of_line(raw: Raw, tell: Tell) -> Iterator[Setting]:
    """The settings of one of its ``sip_lines``."""
    for name, ours in _OF_LINE.items():
        if raw.get(name):
            yield ours, raw[name]
    for name in ("dtmf_mode", "srtp_mode"):
        if raw.get(name):
            yield from _chosen(f"sip_{name}", raw[name], tell)


def _switched(raw: Raw, switch: str, group: Mapping[str, str]) -> Iterator[Setting]:
    for name, ours in group.items():
        if name in raw and raw.get(switch, True):
            yield ours, raw[name]
        elif raw.get(switch) is False:
            yield ours, None  # What a parent has set does not count any more.


def _chosen(name: str, value: object, tell: Tell) -> Iterator[Setting]:
    ours, words = _CHOICES[name]
    if value is None:
        yield ours, None
    elif str(value) in words:
        yield ours, words[str(value)]
    else:
        tell(f"{name}: {str(value)[:60]!r} is none of {', '.join(words)}")


def _locale(value: str) -> Iterator[Setting]:
    language, _, country = value.partition("_")
    yield "locale.language", language.lower()
    if country:
        yield "locale.country", country.upper()


def _keys(keys: object, tell: Tell) -> Iterator[Setting]:
    for number, key in sorted(keys.items()) if isinstance(keys, Mapping) else ():
        if not (str(number).isdecimal() and int(number) >= 1 and isinstance(key, Mapping)):
            tell(f"funckeys: {str(number)[:20]!r} is no key")
            continue
        kind = _KEYS.get(str(key.get("type")))
        if kind is None:
            tell(f"funckeys.{number}: {str(key.get('type'))[:40]!r} is no kind of key here")
            continue
        start = f"keys.{int(number)}"
        yield f"{start}.type", kind
        for name in ("value", "label", "line"):
            if key.get(name):
                yield f"{start}.{name}", key[name]
