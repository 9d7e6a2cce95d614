"""Templates of the operator's own: what they stand in place of, whom they are for, and whether they work."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Container, Iterator, Mapping

from provd.app.ports import Catalogue
from provd.app.preview import NOBODY, Preview
from provd.app.station import Station
from provd.app.turns import in_turns
from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError, NotFoundError, PluginError
from provd.base.types import Mac, is_thing, mac_text, thing_key, thing_names
from provd.domain.merging import has_marks
from provd.domain.names import name_for
from provd.domain.overrides import Overlay, Override, Place, overlaid, override_id
from provd.domain.records import MASTER_TENANT, Device
from provd.domain.site_models import MARK
from provd.plugin import FileRule, Manifest, Model

LARGEST = 256 * 1024
"""Octets of a template."""
_TRIED = 12
"""Devices for which a new text is tried before it is kept, each of another model, firmware or state."""
_NO_SERIAL = ""
"""In the key of a sample that has no MAC: no device has an empty one."""
LOCAL = "192.0.2.1"
"""Our own address in files that are only tried."""


@dataclass(frozen=True, slots=True)
class Target:
    """A template of a plugin, and the place that an override of it is for. ``model`` and ``device`` say what it is
    seen by; there is no device where it is not for a single one."""

    plugin: Manifest
    template: str
    default: str
    place: Place
    applies_to: str = ""
    model: str = ""
    device: Device | None = None

    @property
    def key(self) -> str:
        """The id of the override."""
        return override_id(self.plugin.id, self.template, self.place, self.applies_to)


class Overriding:
    """Reads defaults, finds devices and tries texts. Changes nothing."""

    def __init__(self, station: Station, previews: Preview) -> None:
        self._station = station
        self._previews = previews
        self._tables = station.fleet.tables

    async def defaults(self, plugin: str) -> Mapping[str, str]:
        """The templates that apply where nothing is overridden, by name. Raises PluginError."""
        own = self._tables.site_models.get(plugin.removeprefix(MARK)) if plugin.startswith(MARK) else None
        if own is not None:
            return own.texts
        catalogue: Catalogue = self._station.knowledge.catalogue
        return await asyncio.to_thread(catalogue.templates, plugin)

    def made(self, target: Target, text: str, *, at: float, by: str) -> Override:
        """The override that a text would be. Raises FaultsError for one that is no template for sure."""
        text = text.replace("\r\n", "\n")
        if len(text.encode()) > LARGEST:
            raise FaultsError([("text", f"is larger than {LARGEST // 1024} KiB")])
        if has_marks(text):
            raise FaultsError([("text", "has the marks of a conflict left in it (<<<<<<<, |||||||, >>>>>>>)")])
        if text.startswith("\ufeff"):
            raise FaultsError([("text", "begins with a byte order mark")])
        return Override(
            id=target.key,
            plugin=target.plugin.id,
            template=target.template,
            place=target.place,
            applies_to=target.applies_to,
            text=text,
            base=target.default,
            base_version=target.plugin.version,
            changed=at,
            by=by,
        )

    async def affected(self, plugin: str, override: Override) -> list[Device]:
        """The devices whose files would be made from it: those for which no stronger one stands in its place."""
        found: list[Device] = []
        supposed, overlays = {override.id: override}, self._station.overlays
        if override.place is Place.DEVICE:
            own = self._tables.device(Mac(override.applies_to))
            every: tuple[Device, ...] = () if own is None else (own,)
        else:
            every = tuple(self._tables.devices.values())
        devices = (each for each in every if plugin in self.plugins(each))
        async for lot in in_turns(devices):
            found += [
                device
                for device in lot
                if override.id in overlays.supposing(plugin, device.model, device, supposed).overrides
            ]
        return found

    async def counts(self, plugins: Container[str]) -> Counter[str]:
        """For how many devices each override of these plugins is, by its id: all of them in one pass."""
        found: Counter[str] = Counter()
        overlays = self._station.overlays
        async for lot in in_turns(tuple(self._tables.devices.values())):
            for device in lot:
                for plugin in self.plugins(device):
                    if plugin in plugins:
                        found.update(overlays.in_force(plugin, device.model, device))
        return found

    async def check(self, target: Target, override: Override) -> list[Device]:
        """See whether it can be compiled, and rendered for whom it is for; gives the devices it is for.

        Raises FaultsError that names the line, and of a file that cannot be made the device.
        """
        affected = await self.affected(target.plugin.id, override)
        supposed = {override.id: override}
        alone = self._station.overlays.supposing(target.plugin.id, target.model, target.device, supposed)
        # With an override in it, whatever else is in force here: a text that breaks the renderer is to blame alone.
        texts = overlaid(alone.texts, (override,))
        try:
            await self._previews.compiles(target.plugin.id, override.template, texts)
        except PluginError as error:
            raise FaultsError([("text", _told(error, target))]) from None
        for device in _different(affected) or [self.sample(target)]:
            for name, file in self.files(target.plugin.id, device).items():
                await self._tried(target, device, (name, file), supposed)
        return affected

    def plugins(self, device: Device) -> tuple[str, ...]:
        """The plugins that make files of a device: its own one, or those that know a device without a MAC."""
        if not is_thing(device.mac):
            return (device.plugin,)
        return tuple({plugin: None for _, plugin, _ in self._station.knowledge.own_files(device)})

    def sample(self, target: Target) -> Device:
        """A device that there is not, for what is for none that there is; one without a MAC where it is for such."""
        plugin = target.plugin
        model = target.model or next((model.name for model in plugin.models), "")
        owner = target.applies_to if target.place is Place.TENANT else MASTER_TENANT
        kinds = {rule.kind for rule in plugin.files if rule.template == target.template} or {
            rule.kind for rule in plugin.files
        }
        if "thing" in kinds and "device" not in kinds:
            key = thing_key(plugin.vendor, model, _NO_SERIAL)
            return Device(mac=key, vendor=plugin.vendor, model=model, serial="sample", tenant=owner)
        return Device(mac=NOBODY, vendor=plugin.vendor, model=model, plugin=plugin.id, tenant=owner)

    def files(self, plugin: str, device: Device) -> Mapping[str, FileRule]:
        """The files that the plugin renders for this device or its model, by their names."""
        knowledge = self._station.knowledge
        if is_thing(device.mac):
            return {name: rule for name, owner, rule in knowledge.own_files(device) if owner == plugin}
        manifest = knowledge.manifest(plugin)
        if manifest is None:
            return {}
        rules = (rule for rule in manifest.files if not rule.encrypted_only and rule.kind in {"device", "common"})
        return dict(_named(rules, device, manifest.model(device.model) or Model(device.model)))

    def overlay(self, plugin: str, device: Device, rule: FileRule, supposed: Mapping[str, Override | None]) -> Overlay:
        """What stands in place of templates in that file of the plugin's, if these overrides were there."""
        own = None if rule.kind == "common" else device
        return self._station.overlays.supposing(plugin, device.model, own, supposed)

    async def text(
        self, device: Device, name: str, overlay: Overlay, *, local: str = LOCAL, reveal: bool = False
    ) -> str:
        """The file with these templates; passwords as ``***`` unless ``reveal``. Raises PluginError, NotFoundError."""
        if _is_sample(device):
            shown = await self._previews.of_model(device, name, local, overlay)
        else:
            shown = await self._previews.of_device(device, name, local, reveal=reveal, overlay=overlay)
        return bytes(shown.reply.body).decode("utf-8", "replace")

    async def _tried(
        self, target: Target, device: Device, file: tuple[str, FileRule], supposed: Mapping[str, Override | None]
    ) -> None:
        name, rule = file
        before, after = (self.overlay(target.plugin.id, device, rule, case) for case in ({}, supposed))
        if before is after:
            return
        try:
            await self.text(device, name, after)
        except NotFoundError:
            return
        except PluginError as error:
            try:
                await self.text(device, name, before)
            except PluginError:
                return  # It is no worse than before.
            whose = "a sample" if _is_sample(device) else mac_text(device.mac)
            raise FaultsError([("text", f"{_told(error, target)} (in {name} for {whose})")]) from None


def _is_sample(device: Device) -> bool:
    return device.mac == NOBODY or (is_thing(device.mac) and thing_names(device.mac)[2] == _NO_SERIAL)


def _named(rules: Iterator[FileRule], device: Device, model: Model) -> Iterator[tuple[str, FileRule]]:
    for rule in rules:
        if rule.kind == "device":
            yield name_for(rule.name, device.mac, device.model), rule
        else:
            yield from ((rule.name.replace("{common}", common), rule) for common in model.common)


def _different(devices: list[Device]) -> list[Device]:
    """Some of them that differ in what templates ask for most."""
    found: dict[object, Device] = {}
    for device in devices:
        found.setdefault((device.model, device.version, bool(device.lines)), device)
        if len(found) == _TRIED:
            break
    return list(found.values())


def _told(error: PluginError, target: Target) -> str:
    reason = str(error).removeprefix(f"{target.plugin.id}: ")
    # A limit has no line: it is told which text went over it.
    return reason if reason.startswith(target.template) or ".j2:" in reason else f"{target.template}: {reason}"
