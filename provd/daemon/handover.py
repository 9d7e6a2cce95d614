"""Calls that a PBX hands over: the FastAGI listeners."""

from __future__ import annotations

import ipaddress

from provd.agi.server import AgiServer, AgiTerms
from provd.base.errors import ConfigError
from provd.config.pbx import PbxSection
from provd.config.settings import Settings
from provd.daemon.core import Core


class Handover:
    """FastAGI on the addresses that the settings name; who is trusted and what is asked may change at any time."""

    def __init__(self, core: Core) -> None:
        self._server = AgiServer(core.dialing, terms=terms_of(core.settings.pbx), clock=core.clock, emit=core.emit)
        self._listen = core.settings.sip.agi_listen

    async def open(self) -> list[tuple[str, str]]:
        """Open them; gives what is served where. Raises ConfigError."""
        opened = []
        for endpoint in self._listen:
            try:
                host, port = await self._server.listen(endpoint.host, endpoint.port)
            except OSError as error:
                raise ConfigError(f"sip.agi_listen: {endpoint}: {error.strerror}") from None
            opened.append(("agi", f"{host}:{port}"))
        return opened

    def reload(self, settings: Settings) -> None:
        """Take over who is trusted and what is asked."""
        self._server.terms = terms_of(settings.pbx)

    async def close(self, grace: float) -> None:
        """Take no more calls."""
        await self._server.close(grace)


def terms_of(section: PbxSection) -> AgiTerms:
    """Whose word counts, what they are asked and what callers hear."""
    return AgiTerms(
        trusted=tuple(ipaddress.ip_network(network) for network in section.agi_trusted),
        evidence={str(kind): expression for kind, expression in section.agi_evidence.items()},
        prompts=dict(section.agi_prompts),
    )
