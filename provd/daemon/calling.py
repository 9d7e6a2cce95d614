"""SIP with its audio, put together from the settings."""

from __future__ import annotations

from collections.abc import Mapping

from provd.config.settings import Settings, SipSection
from provd.daemon.core import Core
from provd.daemon.telling import Telling
from provd.daemon.translate import sip_of
from provd.sip.connections import TcpLimits
from provd.sip.player import Player
from provd.sip.recordings import Recordings, load
from provd.sip.server import SipServer


class Calling:
    """What rings and what is told over SIP. ``way`` is the way to devices; ``connections`` as many as there may be."""

    def __init__(self, core: Core, settings: Settings, connections: int) -> None:
        self._core = core
        section = settings.sip
        self._prompts = settings.server.state_dir / "prompts"
        self.player = Player(section.rtp_range, core.emit, core.clock, recordings=self._recordings())
        self.way = SipServer(
            core.accounts,
            core.dialing,
            core.emit,
            core.clock,
            listen=[(endpoint.host, endpoint.port) for endpoint in section.listen],
            key=core.store.vault.derive("sip"),
            settings=sip_of(section),
            player=self.player,
            tcp=TcpLimits(total=connections),
        )

    def join(self, telling: Telling) -> None:
        """Be one of the ways to devices, say when there is one, and by which flow a device was last heard."""
        telling.add(self.way)
        self.way.registered = telling.resyncer.registered
        self._core.notes.flow_of = self.way.flow_of

    async def open(self) -> list[str]:
        """Open the ports. What is open now, as ``address:port``."""
        self.way.open()
        await self.way.start()
        return [f"{host}:{port}" for host, port in self.way.addresses]

    async def close(self, grace: float) -> None:
        """End calls within ``grace`` seconds and close."""
        await self.way.close(grace)
        self.player.close()

    def reload(self, section: SipSection) -> None:
        """Take what can change while it runs."""
        self.way.reconfigure(sip_of(section))
        self.player.record(self._recordings())

    def _recordings(self) -> Recordings:
        return load(self._prompts, self._core.emit, self._core.clock)

    def counters(self) -> Mapping[str, float]:
        """Messages, registrations, calls, NOTIFYs and audio since the start."""
        audio = self.player.stats
        return {**self.way.counters(), **{f"media_{name}": float(getattr(audio, name)) for name in audio.__slots__}}

    def present(self) -> Mapping[str, float]:
        """What there is at this moment."""
        endpoint = self.way.endpoint
        return {
            "registrations": float(endpoint.registrations),
            "calls": float(endpoint.calls),
            "connections": float(self.way.connections),
            "audio": float(self.player.active),
        }
