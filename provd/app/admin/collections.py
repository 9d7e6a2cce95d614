"""What can be listed by programs: each kind of objects with the fields that lists are filtered and sorted by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import attrgetter
from typing import Any

from provd.app.admin import views
from provd.app.admin.codes import Codes, Locks
from provd.app.admin.constraints import Constraints, Known
from provd.app.admin.desk import Desk
from provd.app.admin.hooks import Webhooks
from provd.app.admin.hooks import view as hook_view
from provd.app.admin.listing import Collection, Column, Kind
from provd.app.admin.plugins import view_of
from provd.app.admin.rollouts import Rollouts
from provd.app.admin.site_models import SiteModels
from provd.app.admin.tasks import Tasks
from provd.app.admin.types import Types
from provd.app.caller import Caller, Scope
from provd.app.ownership import owner_of_profile
from provd.app.works import Works
from provd.base.dataclass import dataclass
from provd.base.types import ip_text, is_thing, mac_text
from provd.dhcp.lease import INFINITE, Lease
from provd.domain.device_types import DeviceType
from provd.domain.records import ApiToken, Code, Device, Line, Lock, Profile, Reservation, TaskRun, Tenant, Work
from provd.domain.rollouts import Rollout, ring_name
from provd.domain.site_models import MARK, SiteModel
from provd.plugin import Manifest, Model


def _columns(kind: Kind, names: str) -> tuple[Column[Any], ...]:
    def column(name: str) -> Column[Any]:
        get = attrgetter(name)
        return Column(name, kind, lambda record, _caller: get(record))

    return tuple(column(name) for name in names.split())


def _text(name: str, get: Callable[[Any], str]) -> Column[Any]:
    return Column(name, "text", lambda record, _caller: get(record))


def _name(name: str) -> Column[Any]:
    """The key of a line or profile, as the caller knows it."""
    get = attrgetter(name)
    return Column(name, "text", lambda record, caller: caller.shown(get(record)))


def _names(name: str, get: Callable[[Any], Iterable[str]]) -> Column[Any]:
    return Column(name, "texts", lambda record, caller: tuple(caller.shown(key) for key in get(record)))


def devices(desk: Desk) -> Collection[Device]:
    """Devices."""
    return Collection(
        name="devices",
        columns=(
            _text("id", attrgetter("mac")),
            _text("mac", lambda device: "" if is_thing(device.mac) else mac_text(device.mac)),
            *_columns("text", "serial vendor model version plugin tenant ip description"),
            _name("profile"),
            Column("type", "text", desk.type_shown),
            _text("state", lambda device: device.state.value),
            Column("lines", "texts", desk.lines_shown),
            *_columns("number", "confidence revision"),
            *_columns("time", "first_seen last_seen last_boot"),
        ),
        key=attrgetter("mac"),
        records=desk.devices_seen,
        view=desk.device_view,
    )


def tenants(desk: Desk) -> Collection[Tenant]:
    """Tenants."""
    return Collection(
        name="tenants",
        columns=(*_columns("text", "id name"), *_columns("flag", "enabled"), *_columns("number", "revision")),
        key=attrgetter("id"),
        records=lambda caller: (t for t in tuple(desk.tables.tenants.values()) if caller.owns(t.id)),
        view=lambda tenant, _caller: views.tenant(tenant),
    )


def lines(desk: Desk) -> Collection[Line]:
    """Lines."""
    texts = "tenant username auth_username display_name number server transport backup_server outbound_proxy voicemail"

    def holders(line: Line) -> tuple[str, ...]:
        return tuple(mac_text(mac) for mac in desk.tables.holders(line.id))

    return Collection(
        name="lines",
        columns=(
            _name("id"),
            *_columns("text", texts),
            *_columns("number", "port backup_port outbound_port max_devices revision"),
            _text("device", lambda line: next(iter(holders(line)), "")),
            _names("devices", holders),
        ),
        key=attrgetter("id"),
        records=lambda caller: (line for line in tuple(desk.tables.lines.values()) if caller.owns(line.tenant)),
        view=desk.line_view,
    )


def profiles(desk: Desk) -> Collection[Profile]:
    """Profiles."""
    return Collection(
        name="profiles",
        columns=(
            _name("id"),
            *_columns("text", "name applies_to"),
            _text("level", lambda profile: profile.level.value),
            _names("parents", attrgetter("parents")),
            *_columns("number", "revision"),
        ),
        key=attrgetter("id"),
        records=lambda caller: (p for p in tuple(desk.tables.profiles.values()) if caller.owns(owner_of_profile(p))),
        view=lambda profile, caller: views.profile(profile, caller.shown),
    )


def reservations(desk: Desk) -> Collection[Reservation]:
    """Reservations."""
    return Collection(
        name="reservations",
        columns=(
            *_columns("text", "id ip client_id hostname description"),
            _text("mac", lambda reservation: mac_text(reservation.mac) if reservation.mac else ""),
        ),
        key=attrgetter("id"),
        records=lambda _caller: tuple(desk.tables.reservations.values()),
        view=lambda reservation, _caller: views.reservation(reservation),
        site=True,
    )


def leases(desk: Desk) -> Collection[Lease]:
    """Leases, in the order of their addresses."""

    def every(_caller: Caller) -> Iterable[Lease]:
        return () if desk.addresses is None else desk.addresses.leases()

    return Collection(
        name="leases",
        columns=(
            _text("ip", lambda lease: ip_text(lease.ip)),
            _text("mac", lambda lease: mac_text(lease.mac)),
            _text("state", lambda lease: views.lease_state(lease, desk.clock.now())),
            *_columns("text", "subnet hostname vendor_class"),
            _text("client", lambda lease: lease.client.hex()),
            *_columns("time", "starts"),
            Column("expires", "time", lambda lease, _caller: 0.0 if lease.expires >= INFINITE else lease.expires),
        ),
        # Eight digits: the order of texts is the order of addresses.
        key=lambda lease: f"{lease.ip:08x}",
        records=every,
        view=lambda lease, _caller: views.lease(lease, desk.clock.now()),
        site=True,
    )


def plugins(desk: Desk) -> Collection[Manifest]:
    """Plugins in force."""
    return Collection(
        name="plugins",
        columns=(
            *_columns("text", "id version vendor license description"),
            _names("models", lambda manifest: tuple(model.name for model in manifest.models)),
        ),
        key=attrgetter("id"),
        records=lambda _caller: [m for m in desk.knowledge.catalogue.manifests if not m.id.startswith(MARK)],
        view=lambda manifest, _caller: views.plugin(manifest),
        site=True,
    )


@dataclass(frozen=True, slots=True)
class Made:
    """A model and the plugin that brings it."""

    plugin: Manifest
    model: Model

    @property
    def id(self) -> str:
        """Unique among all plugins: ``acme:a20`` in lower case."""
        return f"{self.plugin.id}:{self.model.name}".lower()


def models(desk: Desk) -> Collection[Made]:
    """Models that some plugin knows."""
    return Collection(
        name="models",
        columns=(
            _text("id", attrgetter("id")),
            _text("plugin", lambda made: made.plugin.id),
            _text("vendor", lambda made: made.plugin.vendor),
            _text("name", lambda made: made.model.name),
            _names("aliases", lambda made: made.model.aliases),
            _names("files", lambda made: made.model.common),
            Column("lines", "number", lambda made, _caller: made.model.lines),
            Column("keys", "number", lambda made, _caller: made.model.keys),
        ),
        key=attrgetter("id"),
        records=lambda _caller: [Made(m, each) for m in desk.knowledge.catalogue.manifests for each in m.models],
        view=lambda made, _caller: {
            "id": made.id,
            "plugin": made.plugin.id,
            "vendor": made.plugin.vendor,
            "name": made.model.name,
            "aliases": list(made.model.aliases),
            "files": list(made.model.common),
            "lines": made.model.lines,
            "keys": made.model.keys,
        },
    )


def tokens(desk: Desk) -> Collection[ApiToken]:
    """Records of bearer tokens."""
    return Collection(
        name="tokens",
        columns=(
            *_columns("text", "id name tenant"),
            _names("scopes", attrgetter("scopes")),
            _text("state", lambda token: views.token_state(token, desk.clock.now())),
            *_columns("time", "created expires last_used"),
        ),
        key=attrgetter("id"),
        records=lambda caller: [t for t in desk.tables.api_tokens.values() if caller.owns(t.tenant or None)],
        view=lambda token, _caller: views.api_token(token, desk.clock.now()),
        scope=Scope.ADMIN,
    )


def codes(group: Codes) -> Collection[Code]:
    """Provisioning codes; the codes themselves are not in it."""
    return Collection(
        name="codes",
        columns=(
            *_columns("text", "id tenant by"),
            _name("line"),
            _text("state", group.state),
            *_columns("number", "uses used"),
            *_columns("time", "created revoked last_used"),
            Column("expires", "time", lambda code, _caller: group.ends(code)),
        ),
        key=attrgetter("id"),
        records=group.visible,
        view=group.view,
    )


def locks(group: Locks) -> Collection[Lock]:
    """Wrong codes, and who is locked because of them."""
    return Collection(
        name="locks",
        columns=(*_columns("text", "id kind subject tenant"), *_columns("number", "wrong")),
        key=attrgetter("id"),
        records=group.visible,
        view=lambda lock, _caller: group.view(lock),
    )


def tasks(group: Tasks) -> Collection[TaskRun]:
    """Runs of tasks."""
    return Collection(
        name="tasks",
        columns=(
            *_columns("text", "id template step reason"),
            _text("device", lambda run: mac_text(run.mac)),
            Column("tenant", "text", lambda run, _caller: group.tenant(run)),
            _text("state", lambda run: run.state.value),
            *_columns("number", "version generation attempts waits"),
            *_columns("time", "due created began finished"),
        ),
        key=attrgetter("id"),
        records=group.visible,
        view=lambda run, _caller: group.view(run),
    )


def types(group: Types) -> Collection[DeviceType]:
    """Types of devices."""
    return Collection(
        name="types",
        columns=(
            _name("id"),
            *_columns("text", "tenant description"),
            *_columns("texts", "devices"),
            _names("constraints", attrgetter("constraints")),
            *_columns("number", "revision"),
        ),
        key=attrgetter("id"),
        records=group.visible,
        view=group.view,
    )


def constraints(group: Constraints) -> Collection[Known]:
    """Constraints on metadata, those of the configuration file too."""
    return Collection(
        name="constraints",
        columns=(
            _name("id"),
            *_columns("text", "tenant origin"),
            *_columns("texts", "devices"),
            Column("types", "texts", group.types),
            *_columns("number", "revision"),
        ),
        key=attrgetter("id"),
        records=group.visible,
        view=group.view,
    )


def webhooks(group: Webhooks) -> Collection[Any]:
    """Endpoints that hear of facts."""
    shown = ("tenant", "url", "state", "reason")
    return Collection(
        name="webhooks",
        columns=(
            _text("id", lambda box: str(box.hook.name)),
            *(_text(name, lambda box, name=name: str(hook_view(box)[name])) for name in shown),  # type: ignore[misc]
            Column("facts", "texts", lambda box, _caller: box.hook.facts),
            *_columns("number", "failures waiting dead"),
            *_columns("time", "last"),
        ),
        key=lambda box: str(box.hook.name),
        records=lambda _caller: group.visible(),
        view=lambda box, _caller: hook_view(box),
        site=True,
    )


def operations(works: Works, desk: Desk) -> Collection[Work]:
    """Long work."""
    return Collection(
        name="operations",
        columns=(
            *_columns("text", "id kind by reason"),
            _text("state", lambda work: work.state.value),
            *_columns("time", "started finished"),
            _text("doing", lambda work: works.progress(work.id).doing),
            Column("done", "number", lambda work, _caller: works.progress(work.id).done),
            Column("total", "number", lambda work, _caller: works.progress(work.id).total),
        ),
        key=attrgetter("id"),
        records=lambda _caller: tuple(desk.tables.works.values()),
        view=lambda work, _caller: {name: value for name, value in view_of(work, works).items() if name != "result"},
        site=True,
    )


def rollouts(group: Rollouts) -> Collection[Rollout]:
    """Rollouts of firmware."""
    return Collection(
        name="rollouts",
        columns=(
            _name("id"),
            *_columns("text", "plugin package version tenant reason by"),
            _name("profile"),
            _text("state", lambda rollout: rollout.state.value),
            _text("ring", ring_name),
            *_columns("number", "tolerance"),
            *_columns("time", "created finished"),
        ),
        key=attrgetter("id"),
        records=group.visible,
        view=group.view,
    )


def site_models(group: SiteModels, desk: Desk) -> Collection[SiteModel]:
    """Models without a plugin."""
    return Collection(
        name="site-models",
        columns=(
            *_columns("text", "id vendor model plugin format content_type by"),
            *_columns("number", "lines"),
            Column("devices", "number", lambda own, _caller: group.view(own)["devices"]),
            *(_names(name, attrgetter(name)) for name in ("generic", "specific", "user_agents", "ouis", "dhcp")),
            *_columns("time", "changed"),
        ),
        key=attrgetter("id"),
        records=lambda _caller: tuple(desk.tables.site_models.values()),
        view=lambda own, _caller: group.view(own),
        site=True,
    )


def every(desk: Desk) -> Sequence[Collection[Any]]:
    """All of them."""
    makers = (devices, tenants, lines, profiles, reservations, leases, plugins, models, tokens)
    return [make(desk) for make in makers]
