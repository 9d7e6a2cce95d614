"""Which region is a device's home: rules one after the other, and the first that has an answer counts."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from contextlib import suppress

from provd.base.dataclass import dataclass
from provd.base.types import parse_mac
from provd.domain.regions.home import Home


class By(enum.StrEnum):
    """What a rule looks at."""

    SERIAL = "serial"
    """The beginning of the device's id, serial or VIN, without regard to case."""
    MAC = "mac"
    """The beginning of its MAC, however it is written: its id where that is one, else the attribute ``mac``."""
    COUNTRY = "country"
    TENANT = "tenant"
    ATTRIBUTE = "attribute"
    """An attribute that the device was registered with."""
    TABLE = "table"
    """The table of devices and their regions."""
    WEBHOOK = "webhook"
    """A server that is asked."""
    ALL = "all"
    """Every device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """``value`` is compared (or the URL of a server), ``name`` that of an attribute, ``region`` what it comes to."""

    by: By
    value: str = ""
    name: str = ""
    region: str = ""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A region, an empty one for none; or ``webhook``: a server to be asked before the rules behind it."""

    region: str = ""
    webhook: str = ""
    rest: tuple[Rule, ...] = ()


def chosen(rules: Iterable[Rule], home: Home, table: str | None, known: Iterable[str]) -> Chosen:
    """What the rules say of a device. ``table`` is its entry there; regions that are not ``known`` count as none."""
    there = frozenset(known)
    pending = tuple(rules)
    for number, rule in enumerate(pending):
        if rule.by is By.WEBHOOK:
            return Chosen(webhook=rule.value, rest=pending[number + 1 :])
        region = table if rule.by is By.TABLE else (rule.region if _fits(rule, home) else "")
        if region and region in there:
            return Chosen(region)
    return Chosen()


def _fits(rule: Rule, home: Home) -> bool:
    value = rule.value.casefold()
    match rule.by:
        case By.SERIAL:
            return any(each.casefold().startswith(value) for each in (home.device_id, home.sn, home.vin) if each)
        case By.MAC:
            return bool(mac := _digits(_mac(home))) and mac.startswith(_digits(value))
        case By.COUNTRY:
            return home.country.casefold() == value
        case By.TENANT:
            return home.tenant.casefold() == value
        case By.ATTRIBUTE:
            return str(home.attributes.get(rule.name, "")).casefold() == value
        case _:
            return rule.by is By.ALL


def _mac(home: Home) -> str:
    """The attribute, or the id of a device that is called by its MAC, as phones are."""
    with suppress(ValueError):
        return parse_mac(home.device_id)
    return str(home.attributes.get("mac", ""))


def _digits(text: str) -> str:
    return "".join(each for each in text.casefold() if each in "0123456789abcdef")
