"""What DHCP clients are told: the options that this vendor's phones understand. Twice per exchange, so mostly kept."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provd.app.options import encode, placeholders
from provd.app.roster import network_of
from provd.app.sightings import Sighting
from provd.app.station import Station
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.base.facts.boot import AdviceFailed
from provd.base.facts.devices import DeviceSighted
from provd.base.types import Mac, ip_text
from provd.dhcp.advice import PLAIN, Advice, ClientInfo
from provd.dhcp.lease import Lease
from provd.domain.evidence import Identity
from provd.domain.identify import Known, merge
from provd.domain.records import Device
from provd.domain.route import advice_for
from provd.plugin import DhcpAdvice, Manifest, OptionValue


@dataclass(frozen=True, slots=True)
class _Prepared:
    """Advice for all devices alike, encoded; ``own`` are the options that differ from device to device."""

    key: int | str
    options: Mapping[int, bytes]
    force: frozenset[int]
    own: tuple[tuple[int, OptionValue], ...] = ()
    plugin: str = ""


_NOTHING = _Prepared("phone", {}, frozenset())


class Advising:
    """The :class:`~provd.dhcp.advice.Advisor` of the DHCP engine."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._catalogue = station.knowledge.catalogue
        self._prepared: dict[tuple[str, int, str], _Prepared] = {}
        self._stamp = station.stamp
        self._keys = 0

    def advise(self, client: ClientInfo, now: float) -> Advice:
        """The advice for this client, the kept one where nothing has changed since."""
        station = self._station
        if self._catalogue.revision != station.knowledge.revision:
            station.refresh()
        mac = client.mac
        sighting = station.sightings.find(mac)
        if sighting is not None and not client.first:
            kept = self._kept(sighting, client)
            if kept is not None and kept.boot == sighting.boot:
                sighting.seen = now
                return kept
        if station.knowledge.stranger(mac, client.vendor_class, client.user_class) and (
            station.fleet.tables.device(mac) is None
        ):
            return PLAIN
        return self._weigh(client, now)

    def _kept(self, sighting: Sighting, client: ClientInfo) -> Advice | None:
        """The last advice, when it was made for just such a message."""
        if (
            sighting.vendor_class == client.vendor_class
            and sighting.user_class == client.user_class
            and sighting.server == client.server
            and sighting.stamp == self._station.stamp
        ):
            return sighting.advice
        return None

    def _weigh(self, client: ClientInfo, now: float) -> Advice:
        station = self._station
        device = station.fleet.tables.device(client.mac)
        heard = station.knowledge.of_client(client.mac, client.vendor_class, client.user_class)
        if device is None and not heard.plugin:
            return PLAIN
        if client.first:
            station.vicinity.begins(client.mac, now)
        sighting, begins = station.sightings.touch(client.mac, now, first=client.first)
        kept = self._kept(sighting, client)
        if kept is not None:
            advice = kept if kept.boot == sighting.boot else _for_boot(kept, sighting.boot)
        else:
            known = device or sighting.identity
            sighting.identity = merge(known, heard)
            sighting.vendor_class, sighting.user_class = client.vendor_class, client.user_class
            sighting.server = client.server
            sighting.stamp = station.stamp
            advice = self._advice(sighting, self._understands(known, sighting, client), device, now)
        sighting.advice = advice
        if begins:
            identity = sighting.identity
            station.emit(
                DeviceSighted(
                    at=now, mac=client.mac, boot=sighting.boot, via="dhcp", vendor=identity.vendor, model=identity.model
                )
            )
        return advice

    def _understands(self, known: Known, sighting: Sighting, client: ClientInfo) -> Identity:
        """Whose options this client understands. Who calls itself another vendor's now is no more what it was taken
        for: the record waits for better evidence, but what leads that phone to its files has to be in this answer."""
        if known.vendor:
            said = self._station.knowledge.of_class(client.vendor_class, client.user_class)
            if said.plugin and said.vendor != known.vendor:
                return said
        return sighting.identity

    def _advice(self, sighting: Sighting, identity: Identity, device: Device | None, now: float) -> Advice:
        prepared = self._find(sighting, identity, now)
        own: dict[int, bytes] = {}
        if prepared.own:
            token = self._station.token(sighting.mac, device) if self._station.site.secrets == "token" else ""
            names = self._station.names(sighting.server, sighting.mac, token)
            own = self._encoded(prepared.plugin, prepared.own, names, now)
        return Advice(prepared.key, prepared.options, prepared.force, own, phone=True, boot=sighting.boot)

    def _find(self, sighting: Sighting, identity: Identity, now: float) -> _Prepared:
        if self._stamp != self._station.stamp:
            self._stamp = self._station.stamp
            self._prepared.clear()
        manifest = self._station.knowledge.manifest(identity.plugin)
        block = None if manifest is None else advice_for(manifest, identity.model, sighting.mac)
        if manifest is None or block is None:
            return _NOTHING
        place = next(place for place, each in enumerate(manifest.dhcp) if each is block)
        key = (manifest.id, place, sighting.server)
        prepared = self._prepared.get(key)
        if prepared is None:
            prepared = self._prepared[key] = self._prepare(manifest, block, sighting.server, now)
        return prepared

    def _prepare(self, manifest: Manifest, block: DhcpAdvice, server: str, now: float) -> _Prepared:
        personal = {"mac", "base", "path"} if self._station.site.secrets == "token" else {"mac"}
        own = tuple(option for option in block.options.items() if placeholders(option[1]) & personal)
        common = tuple(option for option in block.options.items() if option not in own)
        encoded = self._encoded(manifest.id, common, self._station.names(server, Mac(""), ""), now)
        self._keys += 1
        return _Prepared(self._keys, encoded, frozenset(block.force), own, manifest.id)

    def _encoded(
        self, plugin: str, options: Iterable[tuple[int, OptionValue]], names: Mapping[str, str], now: float
    ) -> dict[int, bytes]:
        encoded: dict[int, bytes] = {}
        for code, value in options:
            try:
                encoded[code] = encode(value, names)
            except PluginError as error:
                self._station.emit(AdviceFailed(at=now, plugin=plugin, option=code, reason=str(error)))
        return encoded

    def bound(self, lease: Lease, boot: str, now: float) -> None:
        """A phone has its address: it may be added, and what its DHCP messages said of it is believed now."""
        station = self._station
        station.refresh()
        device = station.fleet.tables.device(lease.mac)
        # The user class is not kept with the lease: what was asked for it a moment ago is in memory.
        known = station.sightings.find(lease.mac)
        user = known.user_class if known is not None and known.vendor_class == lease.vendor_class else ""
        if device is None and station.knowledge.stranger(lease.mac, lease.vendor_class, user):
            return
        heard = station.knowledge.of_client(lease.mac, lease.vendor_class, user)
        if device is None and not heard.plugin:
            return
        sighting, begins = station.sightings.touch(lease.mac, now)
        booted = begins or not sighting.acked
        sighting.acked = True
        sighting.ip = ip_text(lease.ip)
        station.vicinity.leased(sighting.ip, lease.mac, now)
        boot = boot or sighting.boot
        if device is None:
            network = lease.subnet or network_of(sighting.ip)
            device = station.roster.admit(heard, lease.mac, network=network, now=now, boot=boot)
        if device is not None:
            station.roster.learn(device, heard, now, boot=boot, ip=sighting.ip, booted=booted)

    def unbound(self, lease: Lease, now: float) -> None:
        """The address does not prove anything any more."""
        device = self._station.fleet.tables.device(lease.mac)
        if device is not None and device.ip == ip_text(lease.ip):
            self._station.roster.left(device, now)


def _for_boot(advice: Advice, boot: str) -> Advice:
    # Written out: this runs at every DISCOVER, and dataclasses.replace costs three times as much.
    return Advice(advice.key, advice.options, advice.force, advice.own, phone=advice.phone, boot=boot)
