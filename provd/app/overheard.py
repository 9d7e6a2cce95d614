"""What a phone says of itself when it registers its temporary account: the version that it runs, among other things.

A phone that fetches its files over TFTP says so nowhere else, and one over HTTP not before it asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from provd.app.station import Station
from provd.base.facts import Fact
from provd.base.facts.sip import AutoprovRegistered


class Overheard:
    """A reader of facts. The account was proved by its password: it is that device that speaks."""

    HEARD: ClassVar = frozenset[type[Fact]]({AutoprovRegistered})
    """The facts that it reads."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Take over what is new about devices that have registered."""
        for fact in facts:
            if isinstance(fact, AutoprovRegistered) and fact.user_agent:
                self._heard(fact)

    def _heard(self, fact: AutoprovRegistered) -> None:
        station = self._station
        device = None if fact.mac is None else station.fleet.tables.device(fact.mac)
        if device is None:
            return
        station.refresh()
        heard = station.knowledge.of_request(fact.user_agent, "")
        # A phone may register through a proxy that says its own name.
        if not heard.version or heard.plugin != device.plugin or heard.mac not in (None, device.mac):
            return
        if heard.version != device.version:
            sighting = station.sightings.find(device.mac)
            station.roster.learn(device, heard, fact.at, boot=sighting.boot if sighting else "")
