"""The template context: plain values only. The one place where secrets are revealed for rendering."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import field, replace
from urllib.parse import urlencode

from provd.app import effective
from provd.app.accounts import NOTHING, of_line, port, text
from provd.app.firmware.choosing import VERSION, Images
from provd.app.ownership import ports_of
from provd.app.sealed import phrase_of
from provd.app.site import Site
from provd.app.tables import Tables
from provd.app.tokens import Tokens
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.base.types import is_thing, mac_text
from provd.domain.nesting import nest
from provd.domain.records import Device, DeviceState
from provd.domain.settings import FREE
from provd.plugin import Model

Zone = Callable[[str], "dict[str, object] | None"]
"""The rules of a time zone by its IANA name."""

SHARED = frozenset({"model", "settings", "zone"})
"""Entries that :class:`ContextMaker` makes once for all devices with the same settings."""

MOST_SPARE = 10
"""Ports of one device that get a temporary account while nobody has them; the others are given lines all the same."""
_MOST_COMMON = 256
_FIRMWARE_ONLY = {VERSION}
_PART = re.compile(r"([0-9]+)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Subject:
    """What a file is rendered for. Without a device it is a common file; ``token`` is put into its URLs.

    ``secrets`` tells whether the rule may carry passwords. ``local`` is the address of ours that was talked to.
    ``masked`` puts ``***`` in place of every password, for a person who only wants to see the file. ``plugin`` is the
    one that the file is of.
    """

    vendor: str
    model: Model
    local: str
    secure: bool = False
    device: Device | None = None
    token: str = ""
    secrets: bool = False
    masked: bool = False
    plugin: str = ""
    home: str = ""
    """The URL, without a trailing slash, below which the device finds its files when that is not here."""

    def reveal(self, secret: Secret) -> str:
        """The secret as it goes into the file."""
        return str(secret) if self.masked else secret.reveal()


def firmware(version: str) -> dict[str, object]:
    """``7.4.8a`` as its text and its numbers ``[7, 4, 8]``: what follows a part that is not a number is dropped."""
    parts: list[int] = []
    for part in version.split("."):
        found = _PART.fullmatch(part)
        if found is None:
            break
        parts.append(int(found[1]))
        if found[2]:
            break
    return {"version": version, "parts": parts}


@dataclass(frozen=True, slots=True)
class _Common:
    """What devices with the same settings have in common; ``of`` is the model it was made from."""

    of: Model
    values: Mapping[str, object]
    model: Mapping[str, object]
    settings: Mapping[str, object]
    zone: Mapping[str, object] | None
    located: dict[str, Mapping[str, object]] = field(default_factory=dict)
    """The settings with the URLs of images, by the base of these."""


class ContextMaker:
    """Builds the context of one file. Byte-stable: nothing in it depends on when it is asked for.

    A fleet has few different settings: they are put together once, which is most of the work, and again when a tenant
    or a profile has changed.
    """

    def __init__(self, tables: Tables, tokens: Tokens, zone: Zone, images: Images | None = None) -> None:
        self._tables = tables
        self._tokens = tokens
        self._zone = zone
        self._kept: dict[Hashable, _Common] = {}
        self._stamp = (tables.stamp, 0)
        self.images = images

    @property
    def stamp(self) -> int:
        """Rises when what files are made from changes that is no record: a firmware package comes or goes."""
        return 0 if self.images is None else self.images.stamp

    def make(self, subject: Subject, site: Site) -> dict[str, object]:
        """The context of a file for this subject."""
        device = subject.device
        common = self._common(subject)
        values = common.values
        claimed = device is not None and bool(device.lines)
        shows_account = device is not None and not claimed and subject.secrets
        if device is not None and is_thing(device.mac):
            return {**self._bare(subject, site, common), "thing": self._thing(subject, site, device)}
        return {
            "model": common.model,
            "firmware": firmware(device.version if device else ""),
            "device": self._device(subject),
            "urls": self._urls(subject, site),
            "claimed": claimed,
            "account": self._account(subject, device, site, values) if device and shows_account else None,
            "spare": self._spare(subject, device, site, values) if device and subject.secrets else [],
            "lines": self._lines(subject, device, values) if device and claimed and subject.secrets else [],
            "settings": self._located(subject, site, common),
            "zone": common.zone,
        }

    def _bare(self, subject: Subject, site: Site, common: _Common) -> dict[str, object]:
        """What there is of a device that is no phone."""
        return {
            "model": common.model,
            "firmware": firmware(subject.device.version if subject.device else ""),
            "device": self._device(replace(subject, device=None)),
            "urls": self._urls(subject, site),
            "claimed": False,
            "account": None,
            "spare": [],
            "lines": [],
            "settings": common.settings,
            "zone": common.zone,
        }

    def _thing(self, subject: Subject, site: Site, device: Device) -> dict[str, object]:
        base = site.base(subject.local, secure=subject.secure)
        known = self._tables.metadata(device.mac)
        names = urlencode({"vendor": device.vendor, "model": device.model})
        return {
            "vendor": device.vendor,
            "model": device.model,
            "serial": device.serial,
            "tenant": device.tenant,
            "metadata": {} if known is None else dict(sorted(known.data.items())),
            "download": f"{base}/provision/download?{names}",
        }

    def _common(self, subject: Subject) -> _Common:
        device = subject.device
        own = {} if device is None else device.settings
        if own and own.keys() != _FIRMWARE_ONLY:
            return self._made(subject)
        stamp = (self._tables.stamp, self.stamp)
        if self._stamp != stamp:
            self._stamp = stamp
            self._kept.clear()
        place = None
        if device is not None:
            place = (device.vendor, device.model, device.tenant, device.profile, own.get(VERSION, self))
        # Parameters of the vendor's own are the plugin's: two plugins may write files for one model.
        key = (place, subject.vendor, subject.model.name, subject.plugin, subject.secrets, subject.masked)
        found = self._kept.get(key)
        if found is None or found.of is not subject.model:
            if len(self._kept) >= _MOST_COMMON:
                del self._kept[next(iter(self._kept))]  # the oldest: what all the others have is good
            found = self._kept[key] = self._made(subject)
        return found

    def _made(self, subject: Subject) -> _Common:
        values = self._settings(subject)
        name = values.get("time.zone")
        zone = self._zone(name) if isinstance(name, str) else None
        settings = {**nest(values), "vendor": self._free(values, subject)}
        return _Common(subject.model, values, model_values(subject.model), settings, zone)

    def _located(self, subject: Subject, site: Site, common: _Common) -> Mapping[str, object]:
        """The settings, with ``firmware.version`` as URLs of the images that bring the device there."""
        version = common.values.get(VERSION)
        if self.images is None or not isinstance(version, str):
            return common.settings
        chosen = self.images.chosen(subject.plugin, subject.model.name, version)
        if chosen is None:
            return common.settings
        base = site.base(subject.local, secure=subject.secure)
        found = common.located.get(base)
        if found is None:
            firmware = common.settings.get("firmware")
            group = firmware if isinstance(firmware, Mapping) else {}
            found = {**common.settings, "firmware": {**group, **chosen.settings(base)}}
            common.located[base] = found
        return found

    def _free(self, values: Mapping[str, object], subject: Subject) -> dict[str, object]:
        """The plugin's own parameters that are to be written as they are, in the order of their names; none for those
        that were set once, for whomever, and are to be reset."""
        if not subject.secrets:
            return {}
        start = f"{subject.plugin}."
        # Hardly any device has one; looking at each of a thousand names takes longer.
        some = FREE in " ".join(values)
        own = {name.removeprefix(FREE) for name in values if name.startswith(FREE)} if some else ()
        names = {name for name in (*self._tables.free_parameters, *own) if name.startswith(start)}
        return {name.removeprefix(start): values.get(FREE + name) for name in sorted(names)}

    def _settings(self, subject: Subject) -> dict[str, object]:
        if subject.device is None:
            found = effective.for_model(self._tables, subject.vendor, subject.model.name).values
        else:
            found = effective.for_device(self._tables, subject.device).values
        secrets = {name: value for name, value in found.items() if isinstance(value, Secret)}
        return {**found, **{name: subject.reveal(each) if subject.secrets else None for name, each in secrets.items()}}

    def _device(self, subject: Subject) -> dict[str, object]:
        device = subject.device
        if device is None:
            return {"mac": "", "mac_upper": "", "mac_colon": "", "state": "", "label": "", "sealed": False}
        # Only claimed or not: the finer states change by serving the file, which must not change its bytes.
        state = DeviceState.ASSIGNED if device.lines else DeviceState.UNCLAIMED
        return {
            "mac": str(device.mac),
            "mac_upper": device.mac.upper(),
            "mac_colon": mac_text(device.mac),
            "state": state.value,
            "sealed": bool(phrase_of(self._tables, device)),
            # A name is not for whoever knows a MAC.
            "label": (device.description or self._first_name(device)) if subject.secrets else "",
        }

    def _first_name(self, device: Device) -> str:
        line = self._tables.line(device.lines[0]) if device.lines else None
        return "" if line is None else line.display_name or line.number or line.username

    def _urls(self, subject: Subject, site: Site) -> dict[str, object]:
        base = site.base(subject.local, secure=subject.secure)
        host = site.host(subject.local)
        files = f"{base}/{subject.token}" if subject.token else base
        return {"base": base, "files": files, "host": host, "tftp": host, "home": subject.home}

    def _account(
        self, subject: Subject, device: Device, site: Site, values: Mapping[str, object], place: int = 1
    ) -> dict[str, object]:
        account = self._tokens.account(device.mac, device.token_epoch, place)
        elsewhere = text(values.get("dialing.server"))
        return {
            **NOTHING,
            "position": place,
            "username": account.username,
            "auth_username": account.username,
            "password": subject.reveal(account.password),
            "display_name": text(values.get("dialing.text")),
            "server": elsewhere or site.host(subject.local),
            "port": (port(values.get("dialing.port")) or 5060) if elsewhere else site.sip_port,
            "transport": "udp",
        }

    def _spare(
        self, subject: Subject, device: Device, site: Site, values: Mapping[str, object]
    ) -> list[dict[str, object]]:
        """Temporary accounts for the ports of a gateway that nobody has, beside the one of an unclaimed device."""
        if not subject.model.ports:
            return []
        taken = ports_of(device) or (1,)
        free = (place for place in range(1, min(subject.model.lines, MOST_SPARE) + 1) if place not in taken)
        return [self._account(subject, device, site, values, place) for place in free]

    def _lines(self, subject: Subject, device: Device, values: Mapping[str, object]) -> list[dict[str, object]]:
        made: list[dict[str, object]] = []
        for place, key in zip(ports_of(device), device.lines, strict=True):
            line = self._tables.line(key)
            if line is None:
                continue
            owner = line.tenant if device.ports else device.tenant
            tenant = self._tables.tenant(owner)
            if tenant is None or not tenant.enabled:
                # The phone stays claimed, and every account of theirs on it is reset.
                continue
            own = values if owner == device.tenant else self._of_guest(device, owner)
            made.append(of_line(place, line, subject.reveal(line.password), own))
        return made

    def _of_guest(self, device: Device, tenant: str) -> Mapping[str, object]:
        """What another tenant says of servers applies to its own port, and nothing that the device's owner says."""
        return effective.for_device(self._tables, replace(device, tenant=tenant, profile="", settings={})).values


def model_values(model: Model) -> dict[str, object]:
    """What a template knows of the model."""
    own = {"name": model.name, "lines": model.lines, "keys": model.keys, "common": list(model.common)}
    return {**model.traits, **own}
