"""Registering many devices at once: what is needed of each, and how far a request is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field, replace

from provd.base.dataclass import dataclass
from provd.base.types import parse_mac
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home
from provd.domain.regions.messages import UNIT, VEHICLE

MOST = 1000
"""Devices in one request."""
CHUNK = 100
"""Devices that are registered in one transaction."""
_HASH = re.compile(r"[0-9a-f]{64}")
_TEXTS = ("device_id", "system_id", "sub_system_id", "vin", "kind", "tenant", "vendor", "model", "sn", "country")
_LONGEST = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment:
    """A request of many devices, in its order: ``done`` of ``total`` have been seen to. ``devices`` has those to come,
    ``failures`` what is wrong with some. A device is UNREG until its turn has come, then REG or REG_FAIL."""

    id: str
    by: str
    total: int
    done: int = 0
    devices: Mapping[str, object] = field(default_factory=dict)
    failures: Mapping[str, object] = field(default_factory=dict)
    created: float = 0.0
    finished: float = 0.0


def home_of(given: Mapping[str, object], now: float) -> Home:
    """A device that is to be registered. Raises Wrong."""
    unknown = set(given) - {*_TEXTS, "primary", "attributes", "key_sha256"}
    if unknown:
        raise Wrong(Code.FIELD, f"{min(unknown)[:60]}: there is no such member")
    texts = {name: _text(given, name) for name in _TEXTS}
    primary, attributes = given.get("primary", True), given.get("attributes", {})
    if not isinstance(primary, bool) or not isinstance(attributes, dict):
        raise Wrong(Code.FIELD, "primary is true or false, attributes an object")
    key_hash = _text(given, "key_sha256")
    if key_hash and not _HASH.fullmatch(key_hash):
        raise Wrong(Code.FIELD, "key_sha256: is not 64 digits 0-9a-f")
    if not texts["device_id"]:
        raise Wrong(Code.DEVICE_MISSING, "device_id: is needed")
    if texts["kind"] not in {"", UNIT, *VEHICLE}:
        raise Wrong(Code.MANDATORY, f"kind: is one of {', '.join(sorted(VEHICLE))} or {UNIT}")
    if texts["vin"] and len(texts["vin"]) != 17:
        raise Wrong(Code.VIN, "vin: has 17 characters")
    named = texts["vendor"] and texts["model"] and texts["sn"]
    if not (key_hash or named or _is_mac(texts["device_id"])):
        reason = "key_sha256: is needed, unless vendor, model and sn name an activated device, or a MAC a phone"
        raise Wrong(Code.MANDATORY, reason)
    home = Home(device_id=texts.pop("device_id"), primary=primary, attributes=attributes, key_hash=key_hash)
    return replace(home, since=now, created=now, **{name: text for name, text in texts.items() if text})  # type: ignore[arg-type]


def _is_mac(device_id: str) -> bool:
    """A phone says nothing but whose file it wants, and needs no key for that."""
    try:
        parse_mac(device_id)
    except ValueError:
        return False
    return True


def _text(given: Mapping[str, object], name: str) -> str:
    value = given.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise Wrong(Code.FIELD, f"{name}: is not a text of at most {_LONGEST} characters on one line")
    return value
