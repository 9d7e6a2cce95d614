"""Files as they would be served, for people: to a device that there is, or to one that there could be."""

from __future__ import annotations

from dataclasses import replace

from provd.app import effective
from provd.app.accounts import of_line
from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.files import FileReply
from provd.app.ports import Renderer, RenderJob
from provd.app.sealed import phrase_of
from provd.app.serving import Serving
from provd.app.station import Station
from provd.base.dataclass import dataclass
from provd.base.errors import NotFoundError
from provd.base.secrets import Secret
from provd.base.types import Mac, is_thing, mac_text
from provd.domain.overrides import Overlay
from provd.domain.records import Device, Line
from provd.domain.route import Route
from provd.plugin import FileRule, Manifest

NOBODY = Mac("00005e005300")
"""MAC of a device that there is not: one of those for documentation (RFC 7042), which no vendor has and no file common
to many phones is called by."""
_NOWHERE = "127.0.0.1"
"""Our address for a device that has asked nowhere yet."""
_SAMPLE = Line(id="sample", tenant="", username="101", password=Secret("***"), display_name="Sample", number="101")


@dataclass(frozen=True, slots=True)
class Shown:
    """A file, and the one that the device was given last (None: that is not at hand)."""

    reply: FileReply
    last: bytes | None = None


class Preview:
    """Renders without a request: nothing is counted, kept or told."""

    def __init__(self, station: Station, renderer: Renderer, maker: ContextMaker, serving: Serving) -> None:
        self._station = station
        self._renderer = renderer
        self._maker = maker
        self._serving = serving

    async def of_device(
        self, device: Device, name: str, local: str, *, reveal: bool, overlay: Overlay | None = None
    ) -> Shown:
        """A file as this device would get it, whoever asks; passwords masked unless ``reveal``. ``overlay`` takes the
        place of the overrides that apply. Without ``local`` the device asks where it has asked last.

        Raises NotFoundError for a name that the device's plugin does not offer, and PluginError.
        """
        route = self._route(device, name)
        tokens = self._station.site.secrets == "token" and not is_thing(device.mac)
        token = self._station.token(device.mac, device) if tokens else ""
        last = self._serving.last(device.mac, route.rule)
        subject = self._subject(device, route, local or (last.local if last else _NOWHERE), masked=not reveal)
        subject = replace(subject, token=token if reveal or not token else "***", secure=bool(last and last.secure))
        reply = await self._made(device, route, self._maker.make(subject, self._station.site), overlay)
        return Shown(reply, last.body if last and reveal else None)

    async def of_model(self, device: Device, name: str, local: str, overlay: Overlay | None = None) -> Shown:
        """A file as a device like this one would get it; without lines it has one that is made up. No password is
        shown. Raises NotFoundError and PluginError."""
        route = self._route(device, name)
        context = self._maker.make(self._subject(device, route, local, masked=True), self._station.site)
        if not device.lines and route.rule.kind == "device":
            values = effective.for_device(self._station.fleet.tables, device).values
            context |= {"claimed": True, "account": None, "lines": [of_line(1, _SAMPLE, "***", values)]}
        return Shown(await self._made(device, route, context, overlay))

    async def sample(self, manifest: Manifest, rule: FileRule, overlay: Overlay, local: str) -> bytes:
        """A file for a device that there is not, of a plugin that need not be in force. Raises PluginError."""
        model = manifest.models[0]
        device = Device(mac=NOBODY, vendor=manifest.vendor, model=model.name, plugin=manifest.id)
        own = device if rule.kind == "device" else None
        subject = Subject(
            manifest.vendor, model, local, device=own, secrets=rule.secrets, masked=True, plugin=manifest.id
        )
        context = self._maker.make(subject, self._station.site)
        if own is not None:
            values = effective.for_device(self._station.fleet.tables, device).values
            context |= {"claimed": True, "account": None, "lines": [of_line(1, _SAMPLE, "***", values)]}
        return await self._renderer.render(RenderJob(manifest.id, rule, context, SHARED, overlay))

    async def compiles(self, plugin: str, template: str, overlay: Overlay) -> None:
        """See whether a template can be compiled in the sandbox. Raises PluginError that names the line."""
        rule = FileRule(template, "device", template=template)
        await self._renderer.render(RenderJob(plugin, rule, {}, overlay=overlay, wants="check"))

    def _route(self, device: Device, name: str) -> Route:
        self._station.refresh()
        if is_thing(device.mac):
            for own, plugin, found in self._station.knowledge.own_files(device):
                if own == name:
                    return Route(plugin, found, device.model)
        candidates = self._station.knowledge.find(name)
        route = candidates.of(device.plugin)
        if route is not None and route.rule.encrypted_only and not phrase_of(self._station.fleet.tables, device):
            route = None
        if route is None or route.rule.kind in {"absent", "static"} or candidates.mac not in {None, device.mac}:
            which = repr(name) if name else "of its own: no plugin that is here knows it"
            raise NotFoundError(f"device {mac_text(device.mac)} has no file {which}")
        return route

    def _subject(self, device: Device, route: Route, local: str, *, masked: bool) -> Subject:
        own = route.rule.kind in {"device", "thing"}
        return Subject(
            vendor=device.vendor,
            model=self._station.knowledge.model(route.plugin, device.model if own else route.model),
            local=local,
            device=device if own else None,
            secrets=route.rule.secrets,
            masked=masked,
            plugin=route.plugin,
        )

    async def _made(
        self, device: Device, route: Route, context: dict[str, object], overlay: Overlay | None
    ) -> FileReply:
        if overlay is None:
            own = route.rule.kind in {"device", "thing"}
            model = device.model if own else route.model
            overlay = self._station.overlays.of(route.plugin, model, device if own else None)
        body = await self._renderer.render(RenderJob(route.plugin, route.rule, context, SHARED, overlay))
        return FileReply(
            found=True,
            body=body,
            content_type=route.rule.content_type,
            mac=device.mac,
            kind=route.rule.kind,
            plugin=route.plugin,
        )
