"""How devices are told to fetch their files: the ways, opened, changed and closed together."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from pathlib import Path
from random import SystemRandom

from provd.app.resync.agenda import Agenda
from provd.app.resync.caller import Resyncer
from provd.app.resyncing import Way
from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.secrets import Secret
from provd.config.pbx import AmiSection
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.outbound.action import ActionWay
from provd.outbound.ami import AmiClient, AmiServer
from provd.outbound.pbx import AmiWay, Pbx


@dataclass(frozen=True, slots=True)
class _Connection:
    """A PBX as it is configured, and our connection to it; None where the configuration cannot be used as it is."""

    section: AmiSection
    client: AmiClient | None


class Telling:
    """The resyncer with the ways that the settings name. ``ways`` may be added to before :meth:`open`."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._settings = core.settings
        self._connections: list[_Connection] = []
        self._closing: set[asyncio.Task[None]] = set()
        self._ami = AmiWay()
        self._http = ActionWay(core.holders, core.fleet.tables.at_address)
        self._ways: dict[str, Way] = {"ami": self._ami, "http": self._http}
        self.resyncer = Resyncer(
            fleet=core.fleet,
            knowledge=core.boot.station.knowledge,
            notes=core.notes,
            clock=core.clock,
            emit=core.emit,
            agenda=Agenda(pace=float(core.settings.resync.per_second), jitter=SystemRandom().random),
        )
        core.boot.station.fetched = self.resyncer.fetched
        core.codes.desk.resync = self.resyncer

    def add(self, way: Way) -> None:
        """One more way, under its own name."""
        self._ways[way.name] = way
        self._order(self._settings)

    def open(self) -> None:
        """Connect, and go on with what is owed."""
        self._order(self._settings)
        self._connect(self._settings)
        self.resyncer.start()

    def reload(self, settings: Settings) -> None:
        """Take over changed ways and PBXs; connections that stay the same are kept."""
        self._settings = settings
        self._order(settings)
        self.resyncer.pace(float(settings.resync.per_second))
        self._connect(settings)

    async def close(self) -> None:
        """Stop telling; what is owed stays written down."""
        await self.resyncer.close()
        clients = [connection.client for connection in self._connections if connection.client is not None]
        await asyncio.gather(self._http.close(), *(client.close() for client in clients), *self._closing)

    def _order(self, settings: Settings) -> None:
        self.resyncer.ways = tuple(self._ways[name] for name in settings.resync.ways if name in self._ways)

    def _connect(self, settings: Settings) -> None:
        kept, gone = [], []
        wanted = list(settings.pbx.ami)
        for connection in self._connections:
            if connection.section in wanted:
                wanted.remove(connection.section)
                kept.append(connection)
            else:
                gone.append(connection)
        for connection in gone:
            self._drop(connection)
        self._connections = [*kept, *(self._opened(section) for section in wanted)]
        self._ami.exchanges = tuple(
            Pbx(each.client, _name(each.section), each.section.technology, each.section.endpoint, each.section.tenants)
            for each in self._connections
            if each.client is not None
        )

    def _opened(self, section: AmiSection) -> _Connection:
        try:
            server = ami_server(section)
        except ConfigError as error:
            self._core.emit(Degraded(at=self._core.clock.now(), part=f"pbx {_name(section)}", reason=str(error)))
            return _Connection(section, None)
        client = AmiClient(server, clock=self._core.clock, emit=self._core.emit)
        client.start()
        return _Connection(section, client)

    def _drop(self, connection: _Connection) -> None:
        if connection.client is None:
            self._core.emit(Recovered(at=self._core.clock.now(), part=f"pbx {_name(connection.section)}"))
            return
        task = asyncio.create_task(connection.client.close())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def counters(self) -> Mapping[str, float]:
        """Devices that are to fetch their files, and PBXs that are connected."""
        clients = (connection.client for connection in self._connections)
        connected = sum(1 for client in clients if client is not None and client.connected)
        return {"pending": float(self.resyncer.pending), "pbx connected": float(connected)}


def _name(section: AmiSection) -> str:
    return f"{section.host}:{section.port}"


def ami_server(section: AmiSection) -> AmiServer:
    """Where a PBX is and who we are there. Raises ConfigError where a file that it names cannot be used."""
    secret, tls = section.secret, None
    if section.secret_file:
        try:
            text = Path(section.secret_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"pbx.ami.secret_file: {section.secret_file} cannot be read: {error}") from None
        if not text.isprintable() or not text:
            raise ConfigError(f"pbx.ami.secret_file: {section.secret_file} holds no secret of one line")
        secret = Secret(text)
    if section.tls:
        try:
            tls = ssl.create_default_context(cafile=section.tls_ca or None)
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"pbx.ami.tls_ca: {section.tls_ca} cannot be used: {error}") from None
    return AmiServer(host=section.host, port=section.port, username=section.username, secret=secret, tls=tls)
