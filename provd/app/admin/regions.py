"""Operations on regions, and on the devices that go home to them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from provd.app.admin import views
from provd.app.admin.desk import Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.app.regions.register import Regions, Standing
from provd.base.errors import UsageError
from provd.base.secrets import Secret
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import HERE, Home, HomeState, Outgoing, Region, Tombstone

_NAME = Param("name", "id", required=True)
_DEVICE = Param("device", required=True, doc="its device_id")
_SHORTEST_SECRET = 16
_BROKERED = "mqtt:"
_WAY = (
    Param("url", doc="where it is reached: https://eu.example, or mqtt: for by way of the broker"),
    Param("endpoint", doc="what devices are told that are at home there; the URL unless said"),
    Param("secret", "secret", doc="shared by the two instances, at least 16 characters"),
    Param("enabled", "flag", doc="false: no devices are sent there; either ends that it is being deleted"),
)
_MOST_ROWS = 10_000


class RegionGroup:
    """``region.…``: for callers of all tenants; one of a tenant may look at its own devices, and move them."""

    def __init__(self, regions: Regions) -> None:
        self._regions = regions

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        write, admin, site = Scope.WRITE, Scope.ADMIN, True
        text = Param("csv", required=True, doc="device_id,region; an empty region removes the row")
        request = Param("name", required=True)
        close = Param("to", "id", doc="the region, or this instance, that devices go to which are at home there")
        lost = Param("lost", "flag", doc="nobody will ever hear there what waits to be said to it")
        target = Param("to", "id", doc="the region; without one the hand-over under way is taken back")
        devices = Param("devices", "objects", required=True, doc="up to a thousand")
        return (
            Operation("region.list", "List regions.", self._list, LISTING, site=site),
            Operation("region.show", "Show a region.", self._show, (_NAME,), site=site),
            Operation("region.add", "Add a region.", self._add, (_NAME, *_WAY), admin, site),
            Operation("region.set", "Change a region.", self._set, (_NAME, *_WAY), admin, site),
            Operation("region.delete", "Delete a region.", self._delete, (_NAME, close, lost), admin, site),
            Operation("region.status", "Show how all hand-overs stand.", self._status, site=site),
            Operation("region.device", "Show a device and where it is.", self._device, (_DEVICE,)),
            Operation("region.move", "Send a device to a region.", self._move, (_DEVICE, target), write),
            Operation("region.retry", "Try a hand-over again at once.", self._retry, (_DEVICE,), write),
            Operation("region.import", "Write the table of devices and regions.", self._import, (text,), write, site),
            Operation("region.register", "Register devices.", self._register, (devices,), write, site),
            Operation("region.request", "Show a request of many devices.", self._request, (request,), site=site),
        )

    async def _list(self, args: Args, _caller: Caller) -> object:
        found, counts = await self._regions.all()
        return await views.page(found, args, lambda each: each.name, lambda each: self._view(each, counts))

    async def _show(self, args: Args, _caller: Caller) -> object:
        region, counts = await self._regions.region(args.text("name"))
        return self._view(region, counts)

    def _view(self, region: Region, counts: Sequence[tuple[str, str, int]]) -> views.View:
        return {
            "name": region.name,
            "url": region.url,
            "endpoint": region.endpoint,
            "enabled": region.enabled,
            "draining": region.draining,
            "answers": region.name not in self._regions.silent(),
            "lacks": sorted(self._regions.lacking().get(region.name, ())),
            "devices": {state: number for state, name, number in counts if name == region.name},
            "created": views.when(region.created),
        }

    async def _add(self, args: Args, caller: Caller) -> object:
        url = args.text("url")
        if not url:
            raise UsageError("url: is needed")
        _check_url("url", url)
        endpoint = args.text("endpoint") or url
        secret = _secret(args)
        enabled = args.flag("enabled") if "enabled" in args else True
        region = Region(name=args.text("name"), url=url, endpoint=endpoint, secret=secret, enabled=enabled)
        await self._regions.add(region, caller)
        return await self._show(args, caller)

    async def _set(self, args: Args, caller: Caller) -> object:
        changes = args.given(("url", "endpoint", "enabled"))
        if "url" in args:
            _check_url("url", args.text("url"))
        if "secret" in args:
            changes["secret"] = _secret(args)
        if not changes:
            raise UsageError("nothing is to be changed: give url, endpoint, secret or enabled")
        await self._regions.set(args.text("name"), changes, caller)
        return await self._show(args, caller)

    async def _status(self, _args: Args, _caller: Caller) -> object:
        found, terms = await self._regions.summary(), self._regions.terms()
        states: dict[str, int] = {}
        for state, _region, number in found.counts:
            states[state] = states.get(state, 0) + number
        return {
            "role": terms.role.value,
            "name": terms.name,
            "devices": states,
            "stuck": [home_view(each) for each in found.stuck],
            "waiting": [said_view(each) for each in found.waiting],
            "silent": list(self._regions.silent()),
            "missing": [{"tenant": tenant, "devices": number} for tenant, number in found.missing],
        }

    async def _delete(self, args: Args, caller: Caller) -> object:
        name = args.text("name")
        left = await self._regions.remove(name, args.text("to"), caller, lost=args.flag("lost"))
        return {"name": name, "deleted": left == 0, "moving": left}

    async def _device(self, args: Args, caller: Caller) -> object:
        found = await self._regions.device(args.text("device"), caller)
        view, home = standing_view(found), found.home
        if home is not None and home.state in HERE and not view["reason"] and self._regions.lacks(home):
            view["reason"] = f"there is no tenant {home.tenant!r} here: it is the master's until there is one"
        return view

    async def _move(self, args: Args, caller: Caller) -> object:
        await self._regions.move(args.text("device"), args.text("to"), caller)
        return await self._device(args, caller)

    async def _retry(self, args: Args, caller: Caller) -> object:
        await self._regions.retry(args.text("device"), caller)
        return await self._device(args, caller)

    async def _import(self, args: Args, caller: Caller) -> object:
        rows = [row for row in csv.reader(io.StringIO(args.text("csv").removeprefix("\ufeff"))) if any(row)]
        if rows and rows[0][0] == "device_id":
            del rows[0]
        if not rows or not all(len(row) == 2 and row[0] for row in rows):
            raise UsageError("csv: a line is not device_id,region")
        if len(rows) > _MOST_ROWS:
            raise UsageError(f"csv: more than {_MOST_ROWS} lines at once")
        found = {device.strip(): region.strip() for device, region in rows}
        await self._regions.list_homes(found, caller)
        return {"rows": len(rows), "devices": len(found)}

    async def _register(self, args: Args, caller: Caller) -> object:
        name = await self._regions.register(args.objects("devices"), caller)
        return request_view(await self._regions.enrolment(name))

    async def _request(self, args: Args, _caller: Caller) -> object:
        return request_view(await self._regions.enrolment(args.text("name")))


def _check_url(name: str, url: str) -> None:
    parts = urlsplit(url)
    if name == "url" and url == _BROKERED:
        return
    try:
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.query or parts.fragment or "@" in parts.netloc:
        raise UsageError(f"{name}: must be https:// with a host, and no name, query or fragment")


def _secret(args: Args) -> Secret:
    secret = Secret(args.text("secret"))
    if len(secret.reveal()) < _SHORTEST_SECRET or re.search(r"\s", secret.reveal()):
        raise UsageError(f"secret: has at least {_SHORTEST_SECRET} characters and no blanks")
    return secret


def home_view(home: Home) -> views.View:
    """A device and its home."""
    return {
        "device": home.device_id,
        "state": home.state.value,
        "region": home.region,
        "epoch": home.epoch,
        "since": views.when(home.since),
        "reason": home.reason,
        "system": home.system_id,
        "primary": home.primary,
        "tenant": home.tenant,
        "source": home.source,
        "served": home.served,
    }


def said_view(said: Outgoing) -> views.View:
    """What waits to be said."""
    return {
        "device": said.device_id,
        "to": said.peer,
        "kind": said.kind,
        "epoch": said.epoch,
        "attempts": said.attempts,
        "due": views.when(said.due),
        "reason": said.reason,
    }


def standing_view(found: Standing) -> views.View:
    """All that is known of a device."""
    whole = _gone_view(found.stone) if found.home is None and found.stone is not None else {}
    if found.home is not None:
        whole = home_view(found.home)
    units = [
        {"id": unit.unit_id, "type": unit.type, "state": unit.state.value, "reason": unit.reason}
        for unit in found.units
    ]
    return {**whole, "units": units, "waiting": [said_view(each) for each in found.saying]}


def _gone_view(stone: Tombstone) -> views.View:
    gone = Home(device_id=stone.device_id, state=HomeState.GONE, region=stone.region, epoch=stone.epoch, since=stone.at)
    return home_view(gone)


def request_view(request: Enrolment) -> views.View:
    """How far a request of many devices is."""
    failed = [request.failures[name] for name in sorted(request.failures, key=int)]
    return {
        "name": request.id,
        "state": "done" if request.finished else "going on",
        "total": request.total,
        "done": request.done,
        "REG": request.done - len(failed),
        "REG_FAIL": len(failed),
        "UNREG": request.total - request.done,
        "failures": failed,
        "created": views.when(request.created),
        "finished": views.when(request.finished),
    }
