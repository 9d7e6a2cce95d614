"""What phones are told that ask by multicast where their files are: the URL that their plugin names."""

from __future__ import annotations

from provd.app.options import filled
from provd.app.roster import network_of
from provd.app.station import Station
from provd.base.facts.devices import DeviceSighted
from provd.domain.evidence import Evidence, Identity
from provd.domain.identify import merge
from provd.sip.pnp import Advice, Asked


class Welcoming:
    """The :class:`~provd.sip.pnp.Adviser`."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def asked(self, asked: Asked, now: float) -> Advice:
        """The URL for this device, or why it gets none."""
        station, mac = self._station, asked.mac
        station.refresh()
        device = station.fleet.tables.device(mac)
        heard = self._heard(asked)
        if device is None and not heard.plugin:
            return Advice(reason="no plugin recognises it")
        if device is None and not station.site.auto_add:
            return Advice(reason="it was not announced, and policy.auto_add is off")
        sighting, begins = station.sightings.touch(mac, now, first=True)
        identity = sighting.identity = merge(device or sighting.identity, heard)
        manifest = station.knowledge.manifest(identity.plugin)
        if manifest is None or manifest.pnp is None:
            return Advice(reason="its plugin has no [pnp]", plugin=identity.plugin)
        token = ""
        if station.site.secrets == "token":
            # The URL opens the device's own file: whoever is not known to be it gets it only while nothing is in it.
            if device is not None and device.lines and station.leases.holder(asked.arrival.source[0]) != mac:
                return Advice(reason="its address is not one that we leased to it", plugin=identity.plugin)
            token = station.token(mac, device)
        if begins:
            words = {"vendor": identity.vendor, "model": identity.model}
            station.emit(DeviceSighted(at=now, mac=mac, boot=sighting.boot, via="pnp", **words))
        url = filled(manifest.pnp.url, station.names(asked.arrival.local, mac, token))
        return Advice(url=url, plugin=identity.plugin, model=identity.model, boot=sighting.boot)

    def told(self, asked: Asked, now: float) -> None:
        """The device was told: it may be added, and what it says of itself is believed."""
        station, mac = self._station, asked.mac
        heard = self._heard(asked)
        sighting, _ = station.sightings.touch(mac, now)
        device = station.fleet.tables.device(mac)
        if device is None:
            network = network_of(asked.arrival.source[0])
            station.roster.admit(heard, mac, network=network, now=now, boot=sighting.boot)
        else:
            station.roster.learn(device, heard, now, boot=sighting.boot)

    def _heard(self, asked: Asked) -> Identity:
        words = asked.words
        return self._station.knowledge.identify(
            Evidence(
                via="pnp",
                mac=asked.mac,
                user_agent=asked.user_agent,
                vendor=words.vendor,
                model=words.model,
                version=words.version,
            )
        )
