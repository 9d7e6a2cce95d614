"""Files as devices would get them, for people who want to see them."""

from __future__ import annotations

from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.files import FileReply
from provd.app.ports import Renderer, RenderJob
from provd.app.sealed import phrase_of
from provd.app.station import Station
from provd.base.errors import NotFoundError
from provd.base.types import is_thing, mac_text
from provd.domain.records import Device


class Previewing:
    """Renders a file whoever asks, and keeps nothing."""

    def __init__(self, station: Station, renderer: Renderer, maker: ContextMaker) -> None:
        self._station = station
        self._renderer = renderer
        self._maker = maker

    async def preview(self, device: Device, name: str, local: str, *, reveal: bool) -> FileReply:
        """A file as it would be served to this device, whoever asks; passwords masked unless ``reveal``.

        Raises NotFoundError for a name that the device's plugin does not offer, and PluginError.
        """
        station = self._station
        station.refresh()
        if is_thing(device.mac):
            return await self._preview_own(device, name, local, reveal=reveal)
        routes = [route for route in station.knowledge.find(name) if route.plugin == device.plugin]
        rule = routes[0].rule if routes else None
        if rule is not None and rule.encrypted_only and not phrase_of(station.fleet.tables, device):
            rule = None
        if rule is None or rule.kind in {"absent", "static"} or routes[0].mac not in {None, device.mac}:
            raise NotFoundError(f"device {mac_text(device.mac)} has no file {name!r}")
        own = rule.kind == "device"
        token = station.token(device.mac, device) if station.site.secrets == "token" else ""
        subject = Subject(
            vendor=device.vendor,
            model=station.knowledge.model(device.plugin, device.model if own else routes[0].model),
            local=local,
            device=device if own else None,
            token=token if reveal or not token else "***",
            secrets=rule.secrets,
            masked=not reveal,
            plugin=device.plugin,
        )
        context = self._maker.make(subject, station.site)
        body = await self._renderer.render(RenderJob(device.plugin, rule, context, SHARED))
        return FileReply(
            found=True, body=body, content_type=rule.content_type, mac=device.mac, kind=rule.kind, plugin=device.plugin
        )

    async def _preview_own(self, device: Device, name: str, local: str, *, reveal: bool) -> FileReply:
        found = [each for each in self._station.knowledge.own_files(device) if each[0] == name]
        if not found:
            raise NotFoundError(f"device {mac_text(device.mac)} has no file {name!r}")
        _, plugin, rule = found[0]
        subject = Subject(
            vendor=device.vendor,
            model=self._station.knowledge.model(plugin, device.model),
            local=local,
            device=device,
            secrets=rule.secrets,
            masked=not reveal,
            plugin=plugin,
        )
        context = self._maker.make(subject, self._station.site)
        body = await self._renderer.render(RenderJob(plugin, rule, context, SHARED))
        return FileReply(
            found=True, body=body, content_type=rule.content_type, mac=device.mac, kind=rule.kind, plugin=plugin
        )
