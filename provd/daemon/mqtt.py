"""MQTT: from the settings to a connection, which is loaded when it is wanted and not before."""

from __future__ import annotations

import asyncio
import importlib
import ssl
from typing import TYPE_CHECKING

from provd.app.regions.desk import HomeDesk
from provd.app.regions.neighbour import Neighbour
from provd.app.regions.ports import Ledger, Unreached
from provd.base.errors import ConfigError
from provd.base.facts.daemon import Degraded, Recovered
from provd.config.mqtt import MqttSection
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.daemon.secret_files import secret_in
from provd.domain.regions.home import Region
from provd.domain.regions.speech import Heard, Said
from provd.mqtt.regions import MqttRegions

if TYPE_CHECKING:
    from provd.mqtt.link import Broker, Link

_PART = "mqtt"
SCHEME = "mqtt"
"""The ``url`` of a region that is reached by way of the broker is ``mqtt:``."""


class Brokered:
    """The broker that the settings name, and what is said through it; nothing while they name none."""

    def __init__(self, core: Core, ledger: Ledger, neighbour: Neighbour, desk: HomeDesk) -> None:
        self._core = core
        self._ledger = ledger
        self._neighbour = neighbour
        self._desk = desk
        self._wanted = (core.settings.mqtt, core.settings.region.name)
        self._link: Link | None = None
        self._regions: MqttRegions | None = None
        self._degraded = False
        self._changing = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self) -> None:
        """Connect, if that is wanted."""
        self._later()

    def reload(self, settings: Settings) -> None:
        """Take over another configuration."""
        wanted = (settings.mqtt, settings.region.name)
        if wanted == self._wanted and not self._degraded:
            return
        self._wanted = wanted
        self._later()

    async def close(self) -> None:
        """End the connection."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._close()

    async def say(self, region: Region, said: Said) -> Heard:
        """Say it once. Raises Unreached."""
        if self._regions is None:
            raise Unreached("MQTT is off: see [mqtt]")
        return await self._regions.say(region, said)

    def _later(self) -> None:
        task = asyncio.create_task(self._change())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self) -> None:
        async with self._changing:
            await self._close()
            section, name = self._wanted
            if not section.host:
                self._told("")
                return
            try:
                broker = broker_of(section, name)
            except ConfigError as error:
                self._told(str(error))
                return
            self._told("")
            self._open(broker, section.prefix, name)

    def _open(self, broker: Broker, prefix: str, name: str) -> None:
        link_module = importlib.import_module("provd.mqtt.link")

        async def publish(topic: str, payload: bytes) -> None:
            await link.publish(topic, payload)

        def ignore(topic: str, reason: str) -> None:
            link.ignore(topic, reason)

        self._regions = regions = MqttRegions(
            name,
            prefix,
            ledger=self._ledger,
            neighbour=self._neighbour,
            desk=self._desk,
            key_hash=self._key_hash,
            publish=publish,
            ignore=ignore,
        )
        link: Link = link_module.Link(
            broker, regions.topics, regions.hear, clock=self._core.clock, emit=self._core.emit
        )
        self._link = link
        link.start()

    async def _close(self) -> None:
        link, self._link, self._regions = self._link, None, None
        if link is not None:
            await link.close()

    async def _key_hash(self, device: str) -> str:
        """The SHA-256 of the key that a device was registered or activated with, empty for none."""
        home = await self._ledger.read(lambda book: book.home(device))
        if home is not None and home.key_hash:
            return home.key_hash
        parts = device.split("/")
        if len(parts) != 3:
            return ""
        vendor, model, sn = parts
        things = await self._core.thing_ledger.read(lambda book: book.things(vendor, model, [sn]))
        return things[sn].key_hash if sn in things else ""

    def _told(self, reason: str) -> None:
        now = self._core.clock.now()
        if reason:
            self._core.emit(Degraded(at=now, part=_PART, reason=reason))
        elif self._degraded:
            self._core.emit(Recovered(at=now, part=_PART))
        self._degraded = bool(reason)


def broker_of(section: MqttSection, name: str) -> Broker:
    """Where the broker is and who we are there. Raises ConfigError, also where the extra is not installed."""
    if not name:
        raise ConfigError("mqtt: instances have a name there: see region.name")
    try:
        made = importlib.import_module("provd.mqtt.link").Broker
    except ImportError:
        raise ConfigError("mqtt: aiomqtt is not installed; pip install 'provd[mqtt]'") from None
    return made(  # type: ignore[no-any-return]  # a module that is loaded by its name
        host=section.host,
        port=section.port,
        client=f"{section.prefix.replace('/', '-')}-{name}",
        username=section.username,
        password=secret_in(section.password_file, "mqtt"),
        tls=_tls(section) if section.tls else None,
    )


def _tls(section: MqttSection) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=section.tls_ca or None)
        if section.tls_certificate:
            context.load_cert_chain(section.tls_certificate, section.tls_key)
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"mqtt: its certificates cannot be used: {error}") from None
    return context
