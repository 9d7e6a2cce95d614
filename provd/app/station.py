"""What the parts of a boot share: the site, what is known, what was seen, and who hears of it."""

from __future__ import annotations

from collections.abc import Callable

from provd.app.elsewhere import Elsewhere, Nowhere
from provd.app.fleet import Fleet
from provd.app.knowledge import Knowledge
from provd.app.overlays import Overlays, left_behind
from provd.app.ports import Catalogue, LeaseView, Neighbours
from provd.app.roster import Bucket, Roster
from provd.app.sightings import Sightings
from provd.app.site import Site
from provd.app.throttle import Throttle
from provd.app.tokens import TokenBook, Tokens
from provd.app.vicinity import Vicinity
from provd.base.facts import FactSink
from provd.base.types import Mac, is_thing
from provd.domain.evidence import Identity
from provd.domain.identify import Known
from provd.domain.records import Device

Fetched = Callable[[Device, int, float], None]
"""Hears that a device has its own file with an account, of which revision, and when."""


def _nobody_cares(_device: Device, _revision: int, _now: float) -> None:
    pass


class Station:
    """Shared by advising and serving. ``stamp`` rises when the plugins or the site change."""

    def __init__(
        self,
        *,
        fleet: Fleet,
        catalogue: Catalogue,
        leases: LeaseView,
        tokens: Tokens,
        site: Site,
        emit: FactSink,
        misses: Bucket,
        newcomers: Bucket,
        prefix: str,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.fleet = fleet
        self.knowledge = Knowledge(catalogue)
        self.leases = leases
        self.vicinity = Vicinity(neighbours)
        self.tokens = tokens
        self.book = TokenBook(tokens)
        self.overlays = Overlays(fleet.tables)
        self.site = site
        self.emit = emit
        self.sightings = Sightings(prefix)
        self.roster = Roster(fleet, emit, newcomers, site, lambda mac: self.elsewhere.place(mac) is not None)
        self.throttle = Throttle(misses, emit)
        self.stamp = 0
        self.fetched: Fetched = _nobody_cares
        self.elsewhere: Elsewhere = Nowhere()
        fleet.watch(self._on_device)
        fleet.accompany(lambda before, after, _planned: left_behind(fleet.tables, before, after))

    def _on_device(self, before: Device | None, after: Device | None) -> None:
        if after is None:
            if before is not None:
                self.book.drop(before.mac)
                self.sightings.forget_advice(before.mac)
            return
        if is_thing(after.mac):
            return
        self.book.keep(after.mac, after.token_epoch)
        self.sightings.forget_advice(after.mac)

    def refresh(self) -> None:
        """Take over changed plugins."""
        if self.knowledge.refresh():
            self._weigh_again()

    def reconfigure(self, site: Site, newcomers: Bucket) -> None:
        """Take over a changed configuration."""
        self.site = site
        self.roster.site = site
        self.roster.newcomers = newcomers
        self._weigh_again()

    def _weigh_again(self) -> None:
        self.stamp += 1
        self.sightings.forget_all_advice()

    def token(self, mac: Mac, device: Device | None) -> str:
        """The URL token of a MAC, whether it is a device already or not."""
        return self.tokens.token(mac) if device is None else self.book.token(mac, device.token_epoch)

    def names(self, server: str, mac: Mac, token: str) -> dict[str, str]:
        """What the placeholders in a plugin's advice stand for, for somebody who talked to ``server``."""
        site = self.site
        base, host = site.base(server), site.host(server)
        return {
            "base": f"{base}/{token}" if token else base,
            "host": host,
            "port": str(site.port()),
            "path": token,
            "address": site.address(server),
            "tftp": host,
            "mac": mac,
        }

    def known(self, mac: Mac) -> Known:
        """What is known of that MAC by now."""
        device = self.fleet.tables.device(mac)
        if device is not None:
            return device
        sighting = self.sightings.find(mac)
        return Identity(mac=mac) if sighting is None else sighting.identity
