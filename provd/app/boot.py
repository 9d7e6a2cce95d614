"""The boot of a phone: what DHCP tells it, which files it gets, and what we learn of it on the way.

:class:`Boot` is the :class:`~provd.dhcp.advice.Advisor` of the DHCP engine and the
:class:`~provd.app.files.FileService` of HTTP and TFTP.

Who proves what, by policy:

* ``bound``: the peer's address is leased by us to the device and nobody else was seen to use it
  (:mod:`provd.app.vicinity`), or its token is in the path. A site with a foreign DHCP
  server has no leases here: use ``token`` (hand out the URL of ``device show``) or ``open`` on a network that is
  trusted.
* ``token``: option 66 carries the device's token, and so does the common file that is given to a lease holder; from
  then on the token is the only proof.
* A common file never carries an account. It carries the token URL of the requester when the requester has proven
  who it is by the token itself, or by its lease where the policy wants tokens; it is private then.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable

from provd.app.advising import Advising
from provd.app.cache import Cache
from provd.app.context import ContextMaker, Zone
from provd.app.files import FileReply, FileRequest
from provd.app.firmware.choosing import Images
from provd.app.fleet import Fleet
from provd.app.limits import Limit, Limits
from provd.app.making import Making
from provd.app.ports import Catalogue, FileRenderer, LeaseView, Neighbours, RenderMemory
from provd.app.preview import Preview
from provd.app.roster import Bucket
from provd.app.serving import Pause, Serving
from provd.app.site import Site
from provd.app.station import Station
from provd.app.tokens import Tokens
from provd.app.welcoming import Welcoming
from provd.base.clock import Clock
from provd.base.facts import FactSink
from provd.dhcp.lease import Lease
from provd.domain.records import Device

CACHE_OCTETS = 32 * 1024 * 1024


class Boot:
    """Ties the steps of a boot together.

    ``misses`` (ten at once, then twenty an hour) and ``newcomers`` (``site.max_new_devices`` an hour) are buckets;
    ``prefix`` is different for every run of the daemon; ``etag_key`` defaults to a random key.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        catalogue: Catalogue,
        leases: LeaseView,
        renderer: FileRenderer,
        tokens: Tokens,
        zone: Zone,
        clock: Clock,
        emit: FactSink,
        site: Site,
        misses: Bucket,
        newcomers: Bucket,
        prefix: str,
        cache_octets: int = CACHE_OCTETS,
        etag_key: bytes = b"",
        pause: Pause = asyncio.sleep,
        memory: RenderMemory | None = None,
        images: Images | None = None,
        neighbours: Neighbours | None = None,
    ) -> None:
        self.station = Station(
            fleet=fleet,
            catalogue=catalogue,
            leases=leases,
            tokens=tokens,
            site=site,
            emit=emit,
            misses=misses,
            newcomers=newcomers,
            prefix=prefix,
            neighbours=neighbours,
        )
        self._advising = Advising(self.station)
        self.advise = self._advising.advise  # asked twice in each exchange: without a step in between
        self.welcoming = Welcoming(self.station)
        maker = ContextMaker(fleet.tables, tokens, zone, images)
        self._limits = Limits(self.station, renderer, maker, clock)
        cache = Cache(cache_octets)
        making = Making(
            self.station,
            renderer=renderer,
            maker=maker,
            clock=clock,
            cache=cache,
            etag_key=etag_key or secrets.token_bytes(32),
            memory=memory,
        )
        self._serving = Serving(self.station, making=making, clock=clock, cache=cache, pause=pause)
        self.previews = Preview(self.station, renderer, maker, self._serving)

    def bound(self, lease: Lease, boot: str, now: float) -> None:
        """The lease is on disk and its ACK has left."""
        self._advising.bound(lease, boot, now)

    def unbound(self, lease: Lease, now: float) -> None:
        """The lease was released, declined or has expired."""
        self._advising.unbound(lease, now)

    def ready(self, request: FileRequest) -> FileReply | None:
        """The answer if it is in memory, else None."""
        return self._serving.ready(request)

    def file(self, request: FileRequest) -> Awaitable[FileReply]:
        """The answer, rendered if need be."""
        return self._serving.file(request)

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        """The transport delivered the whole answer."""
        self._serving.served(request, reply, unchanged=unchanged)

    def own(self, device: Device, name: str, local: str, *, secure: bool) -> Awaitable[FileReply]:
        """A file for a device that has no MAC and has shown its key."""
        return self._serving.own(device, name, local, secure=secure)

    async def preview(self, device: Device, name: str, local: str, *, reveal: bool = False) -> FileReply:
        """A file as this device would get it. Raises NotFoundError and PluginError."""
        return (await self.previews.of_device(device, name, local, reveal=reveal)).reply

    async def limits(self, device: Device, local: str) -> tuple[Limit, ...]:
        """What this device cannot do of what it is told. Raises PluginError."""
        return await self._limits.of(device, local)

    def age(self, now: float) -> int:
        """Mark devices that were not seen for too long; called about every hour. Gives how many."""
        return self.station.roster.age(now)

    def let_go(self) -> None:
        """Firmware was taken away: what is left of it in memory is released when its last transfer has ended."""
        self._serving.let_go()

    def reconfigure(self, site: Site, newcomers: Bucket) -> None:
        """Take over a changed configuration."""
        self.station.reconfigure(site, newcomers)
        self._serving.reset()
