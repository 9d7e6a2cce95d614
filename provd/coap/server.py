"""``POST /provision/activate/<vendor>/<model>/<sn>``: 2.05 with the key, 4.04 for everything that is no key.

Who may have one, how often somebody may fail, and that there is one winner is decided where it is for HTTP. A datagram
that comes twice is answered twice with the same answer (RFC 7252 section 4.5): aiocoap keeps it for that long.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from typing import Any

from provd.app.activation.desk import ThingDesk
from provd.base.clock import Clock
from provd.base.errors import ConfigError, StorageError
from provd.base.facts import FactSink
from provd.base.facts.daemon import InternalError
from provd.domain.activation.form import Ask, FormError, checked

_BUSY = 10
"""Seconds after which a device may ask again when the store does not answer (the option Max-Age)."""
_NAMES = ("vendor", "model", "sn")


class CoapServer:
    """The listeners of ``activation.coap_listen``."""

    def __init__(self, desk: ThingDesk, emit: FactSink, clock: Clock) -> None:
        self._desk = desk
        self._emit = emit
        self._clock = clock
        self._contexts: list[Any] = []

    async def listen(self, host: str, port: int) -> None:
        """Open one listener. Raises ConfigError: the port is taken, or the extra is not installed."""
        check_installed([host])
        import aiocoap  # noqa: PLC0415 - an optional part, and a large one
        from aiocoap import resource  # noqa: PLC0415

        _check(host, port)
        site = resource.Site()
        site.add_resource(["provision", "activate"], _resource(self, aiocoap, resource))
        # Nothing but plain UDP: what else aiocoap could open here nobody has asked for.
        context = await aiocoap.Context.create_server_context(site, bind=(host, port), transports=["udp6"])
        self._contexts.append(context)

    async def close(self) -> None:
        """Close all listeners."""
        contexts, self._contexts = self._contexts, []
        for context in contexts:
            await context.shutdown()

    async def activate(self, path: tuple[str, ...], remote: str) -> str | None:
        """The key for who asks with these names, None when there is none. Raises StorageError."""
        try:
            names = [checked(name, text) for name, text in zip(_NAMES, path, strict=True)]
        except (ValueError, FormError):
            return None
        if not all(names):
            return None
        given = await self._desk.activate(Ask(*names), peer_of(remote))
        return None if given.key is None else given.key.reveal()

    def tell(self, error: Exception) -> None:
        """A defect of ours."""
        self._emit(InternalError(at=self._clock.now(), where="coap", reason=f"{type(error).__name__}: {error}"))


def _resource(server: CoapServer, aiocoap: Any, resource: Any) -> Any:
    """The resource, whose class can only be made once aiocoap is there."""
    codes = aiocoap.numbers.codes

    class Activate(resource.Resource, resource.PathCapable):  # type: ignore[misc]  # known at run time only
        async def render(self, request: Any) -> Any:
            if request.code is not codes.POST:
                return aiocoap.Message(code=codes.METHOD_NOT_ALLOWED)
            try:
                key = await server.activate(request.opt.uri_path, request.remote.hostinfo)
            except StorageError:
                return aiocoap.Message(code=codes.SERVICE_UNAVAILABLE, max_age=_BUSY)
            except Exception as error:  # noqa: BLE001 - a defect is told as ours, and not as aiocoap would
                server.tell(error)
                return aiocoap.Message(code=codes.INTERNAL_SERVER_ERROR)
            if key is None:
                return aiocoap.Message(code=codes.NOT_FOUND)
            return aiocoap.Message(code=codes.CONTENT, payload=key.encode("ascii"), content_format=0)

    return Activate()


def check_installed(listen: Sequence[object]) -> None:
    """Raises ConfigError where something is listened on and what that needs is not there."""
    if not listen:
        return
    try:
        import aiocoap  # noqa: F401, PLC0415 - as above
    except ImportError:
        raise ConfigError("activation.coap_listen: aiocoap is not installed; pip install 'provd[coap]'") from None


def _check(host: str, port: int) -> None:
    """Raises ConfigError for a port that cannot be had: aiocoap would leave a socket behind."""
    probe = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.bind((host, port))
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    finally:
        probe.close()


def peer_of(hostinfo: str) -> str:
    """The address in ``address:port`` or ``[address]:port``, an IPv4 one in its own form."""
    host = hostinfo[1:].partition("]")[0] if hostinfo.startswith("[") else hostinfo.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
