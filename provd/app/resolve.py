"""From a request to the one file that is meant, and whether this requester may have it."""

from __future__ import annotations

from collections.abc import Hashable

from provd.app.elsewhere import Place
from provd.app.files import FileRequest
from provd.app.ownership import handed_over
from provd.app.roster import network_of
from provd.app.sealed import phrase_of
from provd.app.station import Station
from provd.app.tokens import TOKEN
from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.facts.devices import DeviceSighted
from provd.base.facts.files import FileRefused, FileUnknown
from provd.base.types import Mac, mac_text
from provd.domain.delivery import Claims, decide
from provd.domain.evidence import Identity
from provd.domain.identify import Known, merge
from provd.domain.records import Device, DeviceState
from provd.domain.route import Candidates, Route, choose
from provd.plugin import FileRule

_SHOWN = 128
_NO_NEWS = Identity()
_claims = drafted(Claims)
_sighted = drafted(DeviceSighted)
_UNSETTLED = frozenset({DeviceState.SEEN, DeviceState.STALE})


@dataclass(slots=True)
class Job:
    """A file that may be given.

    ``plugin`` is empty for a static file of whichever plugin has it, ``near`` first. ``device`` is set for a device's
    own file, ``mac`` whenever the request concerns a device; ``token`` stands in the URLs of the file.
    """

    name: str
    plugin: str
    rule: FileRule
    model: str
    device: Device | None
    mac: Mac | None
    boot: str
    token: str
    local: str
    secure: bool
    home: str = ""
    """Where the device is sent, with its token there; such a file has no device of ours."""
    near: str = ""

    @property
    def key(self) -> Hashable:
        """Equal keys name the same file at different times."""
        whose = self.model if self.device is None else self.device.mac
        return (self.rule.kind, whose, self.plugin, self.rule.name, self.local, self.secure, self.token, self.home)


@dataclass(slots=True)
class _Asked:
    request: FileRequest
    name: str
    claims: Claims
    now: float


@dataclass(frozen=True, slots=True)
class _No:
    """Why there is no file. ``refused`` is for the operator: the requester cannot tell it from an unknown name."""

    reason: str = ""
    mac: Mac | None = None
    refused: bool = False


def split(path: str) -> tuple[str, str]:
    """The token and the file name in a path; either may be empty. Doubled slashes do not matter."""
    folders, _, name = path.rpartition("/")
    token = ""
    if folders:
        for folder in folders.split("/"):
            # A token is 26 characters; nothing else is looked at twice.
            if len(folder) == 26 and TOKEN.fullmatch(folder.lower()):
                token = folder.lower()
    return token, name


class Resolver:
    """Applies routes, identification and the delivery policy to requests."""

    def __init__(self, station: Station) -> None:
        self._station = station

    def resolve(self, request: FileRequest, now: float) -> Job | None:
        """The file to give, or None for what is unknown and what must look like it."""
        token, name = split(request.path)
        candidates = self._station.knowledge.find(name)
        mac = candidates.mac
        asked = _Asked(request, name, self._claims(request, token, mac, now), now)
        if not candidates.routes:
            found = self._beside(asked)
        elif mac is None:
            found = self._shared(asked, candidates)
        else:
            self._station.elsewhere.asked(mac)
            place = self._station.elsewhere.place(mac)
            found = self._own(asked, candidates, mac) if place is None else self._away(asked, candidates, mac, place)
        if isinstance(found, Job):
            return found
        self._tell(asked, found)
        return None

    def missing(self, request: FileRequest, job: Job, now: float) -> None:
        """There is no such static file after all: tell it as any unknown name."""
        self._tell(_Asked(request, job.name, Claims(), now), _No(mac=job.mac))

    def _beside(self, asked: _Asked) -> Job | _No:
        """A name that no rule knows may be a file that the operator has laid beside the plugins, firmware mostly."""
        request, name = asked.request, asked.name
        plausible = "." in name and len(name) <= _SHOWN and name.isprintable()
        if not plausible or self._station.throttle.closed(request.peer, asked.now):
            return _No()
        mac = asked.claims.token or asked.claims.lease
        sighting = None if mac is None else self._station.sightings.find(mac)
        rule = FileRule(name, "static", template=name, content_type="application/octet-stream", secrets=False)
        boot = "" if sighting is None else sighting.boot
        whose = None if sighting is None else mac
        near = self._near(asked)
        return Job(name, "", rule, "", None, whose, boot, "", request.local, request.secure, near=near)

    def _near(self, asked: _Asked) -> str:
        """The plugin of the device that asks, as far as its token, its User-Agent or its lease tells."""
        station, claims = self._station, asked.claims
        told = "" if claims.token is None else station.known(claims.token).plugin
        heard = told or station.knowledge.of_request(asked.request.user_agent, "").plugin
        return heard or ("" if claims.lease is None else station.known(claims.lease).plugin)

    def _claims(self, request: FileRequest, token: str, mac: Mac | None, now: float) -> Claims:
        station = self._station
        lease = station.leases.holder(request.peer) if request.direct else None
        usurped = None
        if lease is not None and station.vicinity.usurper(request.peer, lease, now) is not None:
            lease, usurped = None, lease
        if not token:
            return _claims(lease, None, usurped)
        owner = station.book.owner(token)
        if owner is None and mac is not None and mac not in station.fleet.tables.devices:
            # Handed out by DHCP to a phone that has not been added yet.
            owner = mac if station.tokens.valid(token, mac) else None
        if owner is None:
            owner = station.elsewhere.holder(token)
        return _claims(lease, owner, usurped)

    def _own(self, asked: _Asked, candidates: Candidates, mac: Mac) -> Job | _No:
        """The file of one device."""
        station, request, now = self._station, asked.request, asked.now
        device = station.fleet.tables.device(mac)
        proven = asked.claims.prove(mac)
        known = device or station.known(mac)
        believed = proven or device is None or not device.lines
        news = self._news(asked, mac, known) if believed else _NO_NEWS
        route = _route(candidates, known, news)
        verdict = decide(station.site.secrets, mac, asked.claims)
        if route is None or not self._offered(route.rule, device, allowed=verdict.allowed):
            return _No("not offered" if route else "which plugin is not clear", mac if proven else None)
        if not proven and station.throttle.closed(request.peer, now):
            return _No(refused=True)
        if route.rule.secrets and not verdict.allowed:
            return _No(verdict.reason, mac, refused=True)
        if device is None and route.plugin != (news.plugin or known.plugin):
            return _No("nothing says that this is a phone of ours", mac, refused=True)
        boot, begins = self._boot(asked, mac, known, news)
        if device is None:
            device = self._admit(asked, mac, merge(known, news), boot)
        if device is None:
            return _No("it was not added", mac, refused=True)
        if believed:
            device = self._learn(asked, device, news, boot, begins=begins)
        # Not even a file without an account shows the token to somebody who has not proven anything.
        shown = asked.claims.token == mac or (station.site.secrets == "token" and proven)
        token = station.token(mac, device) if shown else ""
        return _job(asked, route, model=device.model, device=device, mac=mac, boot=boot, token=token)

    def _offered(self, rule: FileRule, device: Device | None, *, allowed: bool) -> bool:
        if rule.encrypted_only:
            return device is not None and bool(phrase_of(self._station.fleet.tables, device))
        if rule.hands_over:
            return allowed and device is not None and handed_over(self._station.fleet.tables, device)
        return rule.kind != "absent"

    def _away(self, asked: _Asked, candidates: Candidates, mac: Mac, place: Place) -> Job | _No:
        """The file that leads a device of another instance there. It has no secret but the token in that URL."""
        station, request = self._station, asked.request
        known = station.known(mac)
        news = self._news(asked, mac, known)
        route = _route(candidates, known, news)
        if route is None or not route.rule.elsewhere:
            return _No("it is looked after elsewhere, and this file cannot lead there")
        policy = station.site.secrets
        # An open policy is this site's own matter: what another instance has entrusted to us goes to the device alone.
        proven = decide("bound" if policy == "open" else policy, mac, asked.claims).allowed
        home = place.url or station.site.base(request.local, secure=request.secure)
        if place.url and proven and place.token:
            home = f"{home}/{place.token.reveal()}"
        boot, _ = self._boot(asked, mac, known, news)
        own = station.token(mac, None) if asked.claims.token == mac else ""
        rule, identity = route.rule.sending_away(), merge(known, news)
        return Job(
            asked.name, route.plugin, rule, identity.model, None, mac, boot, own, request.local, request.secure, home
        )

    def _shared(self, asked: _Asked, candidates: Candidates) -> Job | _No:
        """A file whose name tells no MAC: a model's common file, or a static one."""
        station, request = self._station, asked.request
        heard = station.knowledge.of_request(request.user_agent, asked.name)
        proven = asked.claims.token or self._lease_of(asked.claims, heard)
        mac = proven or self._unclaimed(heard.mac)
        known = _NO_NEWS if mac is None else station.known(mac)
        identity = merge(known, heard)
        route = choose(candidates, identity)
        if route is None or route.rule.kind == "absent":
            return _No("not offered" if route else "which plugin is not clear")
        if route.rule.secrets and proven is None and station.site.secrets != "open":
            return _No("nothing proves which device asks", mac, refused=True)
        boot, token = "", ""
        if mac is not None and identity.plugin:
            boot, begins = self._boot(asked, mac, known, heard)
            device = station.fleet.tables.device(mac) or self._admit(asked, mac, identity, boot)
            if device is not None:
                device = self._learn(asked, device, self._common_news(asked, mac, heard), boot, begins=begins)
            if asked.claims.token or (station.site.secrets == "token" and proven):
                token = station.token(mac, device)
        return _job(asked, route, model=route.model, device=None, mac=mac, boot=boot, token=token)

    def _lease_of(self, claims: Claims, heard: Identity) -> Mac | None:
        """The lease holder, unless the request names another MAC: then the holder is a router with phones behind it."""
        return claims.lease if heard.mac in (None, claims.lease) else None

    def _unclaimed(self, mac: Mac | None) -> Mac | None:
        """A MAC that the request only names counts as long as nobody has claimed that device."""
        device = None if mac is None else self._station.fleet.tables.device(mac)
        return None if device is not None and device.lines else mac

    def _news(self, asked: _Asked, mac: Mac, known: Known) -> Identity:
        """What this request tells beyond what is known; nothing when it says the same as the last one."""
        sighting = self._station.sightings.find(mac)
        if sighting is not None and sighting.user_agent == asked.request.user_agent and known.plugin:
            return _NO_NEWS
        return self._station.knowledge.of_request(asked.request.user_agent, asked.name)

    def _common_news(self, asked: _Asked, mac: Mac, heard: Identity) -> Identity:
        sighting = self._station.sightings.find(mac)
        if sighting is None:
            return heard
        if sighting.user_agent == asked.request.user_agent and sighting.common == asked.name:
            return _NO_NEWS
        sighting.common = asked.name
        return heard

    def _boot(self, asked: _Asked, mac: Mac, known: Known, news: Identity) -> tuple[str, bool]:
        sighting, begins = self._station.sightings.touch(mac, asked.now)
        if begins:
            sighting.identity = merge(known, news)
            self._station.emit(
                _sighted(
                    asked.now,
                    mac,
                    sighting.boot,
                    asked.request.via,
                    sighting.identity.vendor,
                    sighting.identity.model,
                    asked.request.peer,
                )
            )
        return sighting.boot, begins

    def _admit(self, asked: _Asked, mac: Mac, identity: Identity, boot: str) -> Device | None:
        network = network_of(asked.request.peer)
        return self._station.roster.admit(identity, mac, network=network, now=asked.now, boot=boot)

    def _learn(self, asked: _Asked, device: Device, news: Identity, boot: str, *, begins: bool) -> Device:
        peer = asked.request.peer
        if news.plugin or begins or device.ip != peer or device.state in _UNSETTLED:
            device = self._station.roster.learn(device, news, asked.now, boot=boot, ip=peer, booted=begins)
            sighting = self._station.sightings.find(device.mac)
            if sighting is not None:
                sighting.user_agent = asked.request.user_agent
        return device

    def _tell(self, asked: _Asked, no: _No) -> None:
        station, request, name = self._station, asked.request, asked.name[:_SHOWN]
        # A source that keeps asking is not worth a fact each time.
        quiet = station.throttle.closed(request.peer, asked.now)
        if not no.refused:
            if not quiet:
                self._tell_unknown(asked, no, name)
            return
        if not quiet:
            holder = asked.claims.usurped
            other = None if holder is None else station.vicinity.usurper(request.peer, holder, asked.now)
            station.emit(
                FileRefused(
                    at=asked.now,
                    mac=no.mac,
                    name=name,
                    via=request.via,
                    peer=request.peer,
                    reason=no.reason,
                    used_by="" if other is None else mac_text(other),
                )
            )
        station.throttle.miss(request.peer, request.via, asked.now)

    def _tell_unknown(self, asked: _Asked, no: _No, name: str) -> None:
        """In the timeline of the device, when the request has proven to be its own."""
        mac = no.mac or asked.claims.token or asked.claims.lease
        sighting = None if mac is None else self._station.sightings.find(mac)
        self._station.emit(
            FileUnknown(
                at=asked.now,
                mac=None if sighting is None else mac,
                boot="" if sighting is None else sighting.boot,
                name=name,
                via=asked.request.via,
                peer=asked.request.peer,
                reason=no.reason,
            )
        )


def _job(
    asked: _Asked, route: Route, *, model: str, device: Device | None, mac: Mac | None, boot: str, token: str
) -> Job:
    request = asked.request
    return Job(asked.name, route.plugin, route.rule, model, device, mac, boot, token, request.local, request.secure)


def _route(candidates: Candidates, known: Known, news: Identity) -> Route | None:
    own = None if news.plugin else candidates.of(known.plugin)
    if own is not None:
        return own
    return choose(candidates, merge(known, news))
