"""All records in memory with the few indices that the hot path needs. Knows nothing of the journal."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, TypeVar

from provd.app.device_types import Kinds
from provd.base.types import Mac, parse_device
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.overrides import Override
from provd.domain.records import (
    MASTER_TENANT,
    ApiToken,
    Code,
    Device,
    FreeParameter,
    Heartbeat,
    Kept,
    Level,
    Line,
    Lock,
    Metadata,
    PendingResync,
    Profile,
    Redemption,
    Reservation,
    TaskRun,
    TaskStep,
    Tenant,
    Work,
)
from provd.domain.rollouts import Rollout, RolloutDevice
from provd.domain.site_models import SiteModel

_K = TypeVar("_K")

_BY_MAC, _BY_ID = attrgetter("mac"), attrgetter("id")
_KEYS: Mapping[type, Callable[[Any], Any]] = {
    Device: _BY_MAC,
    PendingResync: _BY_MAC,
    Metadata: _BY_MAC,
    TaskStep: attrgetter("run", "name"),
    Redemption: attrgetter("code", "number"),
    **dict.fromkeys((Tenant, Line, Code, Profile, Reservation, Lock, Heartbeat, ApiToken, TaskRun, Work), _BY_ID),
    **dict.fromkeys((FreeParameter, Override, SiteModel, DeviceType, Constraint, Rollout), _BY_ID),
    RolloutDevice: attrgetter("rollout", "mac"),
}
_SHARED = frozenset({Tenant, Profile, FreeParameter, Override, SiteModel, DeviceType})


def _drop(groups: dict[_K, dict[str, Any]], group: _K, key: str) -> None:
    """One entry less in a group; an empty one goes."""
    members = groups.get(group, {})
    members.pop(key, None)
    if not members:
        groups.pop(group, None)


class Tables:
    """The read model. :meth:`put` and :meth:`remove` are total; what a batch has broken :mod:`.consistency` says."""

    def __init__(self) -> None:
        self._devices: dict[Mac, Device] = {}
        self._tenants: dict[str, Tenant] = {}
        self._lines: dict[str, Line] = {}
        self._codes: dict[str, Code] = {}
        self._redemptions: dict[tuple[str, int], Redemption] = {}
        self._profiles: dict[str, Profile] = {}
        self._reservations: dict[str, Reservation] = {}
        self._resyncs: dict[Mac, PendingResync] = {}
        self._locks: dict[str, Lock] = {}
        self._api_tokens: dict[str, ApiToken] = {}
        self._task_runs: dict[str, TaskRun] = {}
        self._task_steps: dict[tuple[str, str], TaskStep] = {}
        self._free_parameters: dict[str, FreeParameter] = {}
        self._works: dict[str, Work] = {}
        self.kinds = Kinds()
        self._overrides: dict[str, Override] = {}
        self._site_models: dict[str, SiteModel] = {}
        self._rows: dict[type, dict[Any, Any]] = {
            Device: self._devices,
            Tenant: self._tenants,
            Line: self._lines,
            Code: self._codes,
            Redemption: self._redemptions,
            Profile: self._profiles,
            Reservation: self._reservations,
            PendingResync: self._resyncs,
            Lock: self._locks,
            ApiToken: self._api_tokens,
            TaskRun: self._task_runs,
            TaskStep: self._task_steps,
            FreeParameter: self._free_parameters,
            Work: self._works,
            **{kind: {} for kind in (Heartbeat, Metadata, Rollout, RolloutDevice)},
            **self.kinds.rows,
            Override: self._overrides,
            SiteModel: self._site_models,
        }
        self._holders: dict[str, tuple[Mac, ...]] = {}
        self._levels: dict[tuple[Level, str], dict[str, Profile]] = {}
        self.stamp = 0
        """Rises when something that many devices share (a tenant, a profile, a template) is put or removed."""
        self._digests: dict[str, str] = {}
        self._codes_of: dict[str, dict[str, Code]] = {}
        self._hashes: dict[str, str] = {}
        self._in_rollout: dict[str, dict[str, RolloutDevice]] = {}
        self._runs_of: dict[Mac, dict[str, TaskRun]] = {}
        self._steps_of: dict[str, dict[str, TaskStep]] = {}
        self.device = self._devices.get
        self.tenant = self._tenants.get
        self.line = self._lines.get
        self.code = self._codes.get
        self.profile = self._profiles.get
        self.reservation = self._reservations.get
        self.resync = self._resyncs.get
        self.lock, self.heartbeat = self._locks.get, self._rows[Heartbeat].get
        self.api_token = self._api_tokens.get
        self.metadata = self._rows[Metadata].get
        self.task_run, self.work = self._task_runs.get, self._works.get

    @property
    def devices(self) -> Mapping[Mac, Device]:
        """Devices by MAC."""
        return MappingProxyType(self._devices)

    def known_to(self, tenant: str) -> Callable[[str], bool]:
        """Says whether there is a device that people call so, as far as one of this tenant may refer to it: to the
        tenant's own; one that nobody has claimed is the site's, which knows them all."""

        def knows(name: str) -> bool:
            try:
                found = self._devices.get(parse_device(name))
            except ValueError:
                return False
            return found is not None and tenant in (MASTER_TENANT, found.tenant)

        return knows

    def at_address(self, ip: str) -> list[Device]:
        """Every device that was last seen at that address; looks through all of them."""
        return [device for device in self._devices.values() if device.ip == ip]

    @property
    def tenants(self) -> Mapping[str, Tenant]:
        """Tenants by id."""
        return MappingProxyType(self._tenants)

    @property
    def lines(self) -> Mapping[str, Line]:
        """Lines by id."""
        return MappingProxyType(self._lines)

    @property
    def codes(self) -> Mapping[str, Code]:
        """Codes by id."""
        return MappingProxyType(self._codes)

    @property
    def redemptions(self) -> Mapping[tuple[str, int], Redemption]:
        """Uses of codes by the code's id and their number."""
        return MappingProxyType(self._redemptions)

    @property
    def profiles(self) -> Mapping[str, Profile]:
        """Profiles by id."""
        return MappingProxyType(self._profiles)

    @property
    def works(self) -> Mapping[str, Work]:
        """Long work by id, the oldest first."""
        return MappingProxyType(self._works)

    @property
    def rollouts(self) -> Mapping[str, Rollout]:
        """Rollouts of firmware by id."""
        return MappingProxyType(self._rows[Rollout])

    def rollout(self, key: str) -> Rollout | None:
        """The rollout of that id, or None."""
        return self.rollouts.get(key)

    def in_rollout(self, rollout: str) -> tuple[RolloutDevice, ...]:
        """The devices that a rollout has given its version."""
        return tuple(self._in_rollout.get(rollout, {}).values())

    def rollout_device(self, rollout: str, mac: Mac) -> RolloutDevice | None:
        """This device in that rollout, or None."""
        return self._in_rollout.get(rollout, {}).get(mac)

    @property
    def overrides(self) -> Mapping[str, Override]:
        """Overridden templates by id."""
        return MappingProxyType(self._overrides)

    @property
    def site_models(self) -> Mapping[str, SiteModel]:
        """Models without a plugin by id."""
        return MappingProxyType(self._site_models)

    @property
    def reservations(self) -> Mapping[str, Reservation]:
        """Reservations by id."""
        return MappingProxyType(self._reservations)

    @property
    def free_parameters(self) -> Mapping[str, FreeParameter]:
        """Vendors' parameters that were ever set, by ``plugin.parameter``. There are only ever more of them."""
        return MappingProxyType(self._free_parameters)

    @property
    def resyncs(self) -> Mapping[Mac, PendingResync]:
        """Devices that are still to be told to fetch their files."""
        return MappingProxyType(self._resyncs)

    @property
    def locks(self) -> Mapping[str, Lock]:
        """Wrong codes and locks by id."""
        return MappingProxyType(self._locks)

    @property
    def api_tokens(self) -> Mapping[str, ApiToken]:
        """Tokens of the REST interface by id."""
        return MappingProxyType(self._api_tokens)

    @property
    def task_runs(self) -> Mapping[str, TaskRun]:
        """Runs of tasks by id."""
        return MappingProxyType(self._task_runs)

    def runs_of(self, mac: Mac) -> tuple[TaskRun, ...]:
        """The runs of a device."""
        return tuple(self._runs_of.get(mac, {}).values())

    def steps_of(self, run: str) -> tuple[TaskStep, ...]:
        """The steps of a run that have been done, in the order in which they were."""
        return tuple(self._steps_of.get(run, {}).values())

    def holders(self, line: str) -> tuple[Mac, ...]:
        """The devices that a line is on."""
        return self._holders.get(line, ())

    def code_of(self, digest: str) -> Code | None:
        """The code with that digest, or None."""
        found = self._digests.get(digest)
        return None if found is None else self._codes.get(found)

    def codes_of(self, line: str) -> tuple[Code, ...]:
        """The codes of a line."""
        return tuple(self._codes_of.get(line, {}).values())

    def token_of(self, hashed: str) -> ApiToken | None:
        """The token of the REST interface with that hash, or None."""
        found = self._hashes.get(hashed)
        return None if found is None else self._api_tokens.get(found)

    def at_level(self, level: Level, applies_to: str) -> Iterator[Profile]:
        """The profiles of a level that apply to that vendor, ``Vendor/Model`` or tenant, in the order of ids."""
        found = self._levels.get((level, applies_to.lower()))
        if found:
            for key in sorted(found):
                yield found[key]

    def get(self, record: Kept) -> Kept | None:
        """The record with the same kind and key as this one."""
        kind = type(record)
        found: Kept | None = self._rows[kind].get(_KEYS[kind](record))
        return found

    def put(self, record: Kept) -> None:
        """Insert or replace."""
        kind = type(record)
        table, key = self._rows[kind], _KEYS[kind](record)
        before = table.get(key)
        if before is not None:
            self._forget(before)
        table[key] = record
        self.stamp += kind in _SHARED
        match record:
            case Device():
                for line in record.lines:
                    self._holders[line] = (*self._holders.get(line, ()), record.mac)
            case Profile() if record.level is not Level.GROUP:
                self._levels.setdefault((record.level, record.applies_to.lower()), {})[record.id] = record
            case Code():
                self._digests.setdefault(record.digest, record.id)
                self._codes_of.setdefault(record.line, {})[record.id] = record
            case ApiToken():
                self._hashes.setdefault(record.hash, record.id)
            case TaskRun() | TaskStep() | RolloutDevice():
                self._put_part(record)
            case DeviceType() | Constraint():
                self.kinds.changed()
            case _:
                pass

    def refresh(self, device: Device) -> None:
        """Replace a device whose lines are the same ones: nothing to index again."""
        self._devices[device.mac] = device

    def remove(self, record: Kept) -> None:
        """Remove the record with the same key, if it is there."""
        kind = type(record)
        self.stamp += kind in _SHARED
        self._forget(self._rows[kind].pop(_KEYS[kind](record), None))

    def _forget(self, record: Kept | None) -> None:
        match record:
            case Device():
                for line in record.lines:
                    self._left(line, record.mac)
            case Profile() if record.level is not Level.GROUP:
                self._levels[record.level, record.applies_to.lower()].pop(record.id, None)
            case Code():
                if self._digests.get(record.digest) == record.id:
                    del self._digests[record.digest]
                _drop(self._codes_of, record.line, record.id)
            case ApiToken():
                if self._hashes.get(record.hash) == record.id:
                    del self._hashes[record.hash]
            case TaskRun() | TaskStep() | RolloutDevice():
                self._forget_part(record)
            case DeviceType() | Constraint():
                self.kinds.changed()
            case _:
                pass

    def _put_part(self, record: TaskRun | TaskStep | RolloutDevice) -> None:
        match record:
            case TaskRun():
                self._runs_of.setdefault(record.mac, {})[record.id] = record
            case TaskStep():
                self._steps_of.setdefault(record.run, {})[record.name] = record
            case RolloutDevice():
                self._in_rollout.setdefault(record.rollout, {})[record.mac] = record

    def _forget_part(self, record: TaskRun | TaskStep | RolloutDevice) -> None:
        match record:
            case TaskRun():
                _drop(self._runs_of, record.mac, record.id)
            case TaskStep():
                _drop(self._steps_of, record.run, record.name)
            case RolloutDevice():
                _drop(self._in_rollout, record.rollout, record.mac)

    def _left(self, line: str, mac: Mac) -> None:
        rest = tuple(holder for holder in self._holders.get(line, ()) if holder != mac)
        if rest:
            self._holders[line] = rest
        else:
            self._holders.pop(line, None)
