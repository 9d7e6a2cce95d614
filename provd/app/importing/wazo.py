"""The database of a wazo-provd: its devices and configs become tenants, profiles, lines and devices.

A *config* there is a set of values with parents. One that belongs to a single device becomes that device's own
settings and its lines; every other one that devices descend from becomes a group profile. What the server made for
phones that nobody has claimed (role ``autocreate``) is left behind: we make our own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from typing import Any

from provd.app.importing import words
from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError
from provd.base.secrets import Secret
from provd.base.types import Mac, parse_mac
from provd.domain.records import (
    MASTER_TENANT,
    Device,
    DeviceState,
    Level,
    Line,
    Profile,
    Settings,
    Tenant,
)
from provd.domain.settings import validate
from provd.plugin import Manifest

_NOT_IN_IDS = re.compile(r"[^a-z0-9._-]+")
_LONGEST = 60
_DEEPEST = 32

Document = Mapping[str, Any]


@dataclass(slots=True)
class Moved:
    """What came of it. ``notes`` name everything that could not be taken over, and why."""

    tenants: dict[str, Tenant] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)
    devices: dict[Mac, Device] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def move(
    devices: Iterable[Document],
    configs: Iterable[Document],
    manifests: Sequence[Manifest],
    tenants: Mapping[str, str],
) -> Moved:
    """Everything as our records. ``tenants`` says which tenant a ``tenant_uuid`` is here."""
    return _Mover({str(row.get("id")): row for row in configs}, manifests, tenants).move(devices)


class _Mover:
    def __init__(
        self, configs: Mapping[str, Document], manifests: Sequence[Manifest], tenants: Mapping[str, str]
    ) -> None:
        self._configs = configs
        self._manifests = manifests
        self._tenants = dict(tenants)
        self._moved = Moved()
        self._begun: set[str] = set()
        self._called = {name: uuid for uuid, name in tenants.items()}
        """Whose name that is."""

    def move(self, devices: Iterable[Document]) -> Moved:
        """All devices, in the order of their MACs: ids that have to be made up do not depend on anything else."""
        rows = sorted(devices, key=lambda row: str(row.get("mac", "")))
        for row in rows:
            # A device is new there as long as it is its master tenant's.
            if row.get("is_new") is True and row.get("tenant_uuid"):
                self._tenants.setdefault(str(row["tenant_uuid"]), MASTER_TENANT)
        for row in rows:
            self._device(row)
        return self._moved

    def _tell(self, where: str, what: str) -> None:
        self._moved.notes.append(f"{where}: {what}")

    def _device(self, row: Document) -> None:
        name = str(row.get("mac") or row.get("id") or "a device without MAC")[:60]
        try:
            mac = parse_mac(str(row.get("mac", "")))
        except ValueError:
            self._tell(name, "has no MAC address; it is left behind")
            return
        if mac in self._moved.devices:
            self._tell(name, "is there twice; the second one is left behind")
            return
        tenant = self._tenant(row)
        config = self._configs.get(str(row.get("config", "")))
        claimed = config is not None and not self._is_automatic(config)
        if row.get("options"):
            self._tell(name, f"options: there is nothing like {', '.join(map(str, row['options']))[:60]} here")
        lines = self._lines(config, tenant, name) if config is not None and claimed else ()
        device = self._known(mac, row, tenant, name)
        if config is not None and claimed:
            own = self._settings(_raw(config), name)
            device = replace(device, settings=own, profile=self._parents(config, name))
        if lines:
            device = replace(device, lines=tuple(lines), state=DeviceState.ASSIGNED)
        self._moved.devices[mac] = device

    def _known(self, mac: Mac, row: Document, tenant: str, name: str) -> Device:
        vendor, model = str(row.get("vendor") or ""), str(row.get("model") or "")
        device = Device(
            mac=mac,
            serial=str(row.get("sn") or "")[:60],
            description=str(row.get("description") or "")[:200],
            tenant=tenant,
        )
        known = [(each, found) for each in self._manifests if (found := each.model(model)) is not None]
        # Some vendors have had several names (Linksys, Mitel, Poly): a model that only one of ours knows is that one.
        called = [each for each in known if each[0].vendor.lower() == vendor.lower()]
        if called or len(known) == 1:
            manifest, found = (called or known)[0]
            return replace(
                device, vendor=manifest.vendor, model=found.name, plugin=manifest.id, state=DeviceState.IDENTIFIED
            )
        if vendor or model:
            self._tell(name, f"no plugin here knows the model {f'{vendor} {model}'.strip()!r}; it waits to be seen")
        return device

    def _tenant(self, row: Document) -> str:
        uuid = str(row.get("tenant_uuid") or "")
        if not uuid:
            return MASTER_TENANT
        name = self._tenants.get(uuid) or _slug(uuid)[:8]
        if uuid not in self._tenants and self._called.setdefault(name, uuid) != uuid:
            name = _slug(uuid)  # Two may begin alike, and neither is to have what is the other's.
        if name != MASTER_TENANT:
            self._moved.tenants.setdefault(name, Tenant(id=name, name=name if uuid in self._tenants else uuid))
        return name

    def _is_automatic(self, config: Document) -> bool:
        return config.get("role") == "autocreate" or any(
            parent.get("role") == "autocreate" for parent in self._ancestors(config)
        )

    def _ancestors(self, config: Document, depth: int = 0) -> Iterable[Document]:
        for parent in _parents(config) if depth < _DEEPEST else ():
            found = self._configs.get(parent)
            if found is not None:
                yield from self._ancestors(found, depth + 1)
                yield found

    def _parents(self, config: Document, name: str) -> str:
        """The profile that stands for a config's parents; a new one where there are several."""
        parents = [found for parent in _parents(config) if (found := self._profile(parent, name))]
        if len(parents) < 2:
            return parents[0] if parents else ""
        both = _slug("+".join(parents))
        self._moved.profiles.setdefault(both, Profile(id=both, level=Level.GROUP, parents=tuple(parents)))
        return both

    def _profile(self, config: str, name: str, depth: int = 0) -> str:
        found = self._configs.get(config)
        if found is None or depth >= _DEEPEST:
            self._tell(name, f"its config has the parent {config[:60]!r}, which is not there")
            return ""
        key = _slug(config)
        if key in self._begun:
            self._tell(f"config {config[:60]}", "descends from itself; that parent is left out")
            return ""
        if key not in self._moved.profiles:
            self._begun.add(key)
            raw = _raw(found)
            if raw.get("sip_lines"):
                self._tell(f"config {config}", "has lines for several devices; they are left behind")
            parents = tuple(each for parent in _parents(found) if (each := self._profile(parent, name, depth + 1)))
            settings = self._settings(raw, f"config {config}")
            self._moved.profiles[key] = Profile(
                id=key, name=config[:60], level=Level.GROUP, parents=parents, settings=settings
            )
            self._begun.discard(key)
        return key

    def _settings(self, raw: Document, where: str) -> Settings:
        """Those that are good here; each of the others is told."""
        accepted: dict[str, object] = {}
        for name, value in words.settings(raw, lambda what: self._tell(where, what)):
            self._accept(accepted, name, value, where)
        return accepted

    def _accept(self, accepted: dict[str, object], name: str, value: object, where: str, *, line: bool = False) -> None:
        try:
            accepted.update(validate({name: value}, of_line=line))
        except FaultsError as error:
            self._tell(where, str(error))

    def _lines(self, config: Document, tenant: str, name: str) -> list[str]:
        given: dict[int, Document] = {}
        for each in (*self._ancestors(config), config):
            lines = _raw(each).get("sip_lines")
            for number, line in lines.items() if isinstance(lines, Mapping) else ():
                if str(number).isdecimal() and isinstance(line, Mapping):
                    given[int(number)] = {**given.get(int(number), {}), **line}
                else:
                    self._tell(name, f"{str(number)[:20]!r} is no number of a line")
        made = []
        for position, number in enumerate(sorted(given), 1):
            if number != position:
                self._tell(name, f"its line {number} becomes line {position}: there are no gaps here")
            made += self._line(given[number], tenant, name)
        return made

    def _line(self, raw: Document, tenant: str, name: str) -> list[str]:
        user, password = str(raw.get("username") or ""), str(raw.get("password") or "")
        if not user or not password:
            self._tell(name, "a line without user or password is left behind")
            return []
        accepted: dict[str, object] = {}
        for setting, value in words.of_line(raw, lambda what: self._tell(name, what)):
            self._accept(accepted, setting, value, name, line=True)
        key = _slug(user) if tenant == MASTER_TENANT else f"{tenant}:{_slug(user)}"
        line = Line(
            id=key,
            tenant=tenant,
            username=user,
            password=Secret(password),
            auth_username=str(raw.get("auth_username") or ""),
            display_name=str(raw.get("display_name") or ""),
            number=str(raw.get("number") or ""),
            server=str(raw.get("proxy_ip") or ""),
            port=_port(raw.get("proxy_port")),
            backup_server=str(raw.get("backup_proxy_ip") or ""),
            backup_port=_port(raw.get("backup_proxy_port")),
            outbound_proxy=str(raw.get("outbound_proxy_ip") or ""),
            outbound_port=_port(raw.get("outbound_proxy_port")),
            voicemail=str(raw.get("voicemail") or ""),
            settings=accepted,
        )
        there = self._moved.lines.get(key)
        if there is not None and replace(there, max_devices=1) != line:
            self._tell(name, f"the user {user!r} has two accounts; the second one is left behind")
            return []
        self._moved.lines[key] = line if there is None else replace(there, max_devices=there.max_devices + 1)
        return [key]


def _raw(config: Document) -> Document:
    raw = config.get("raw_config")
    return raw if isinstance(raw, Mapping) else {}


def _parents(config: Document) -> list[str]:
    parents = config.get("parent_ids")
    return [str(parent) for parent in parents] if isinstance(parents, list) else []


def _port(value: object) -> int:
    text = str(value or 0)
    return int(text) if text.isdecimal() and int(text) < 65536 else 0


def _slug(text: str) -> str:
    return _NOT_IN_IDS.sub("-", text.lower())[:_LONGEST].strip("._-") or "x"
