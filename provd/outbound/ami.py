"""A client of the Asterisk Manager Interface: one connection that is kept, and opened again when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import ssl
from collections.abc import Awaitable, Callable, Iterable

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import PeerError, UsageError, WireError
from provd.base.facts import FactSink
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.secrets import Secret
from provd.outbound.ami_wire import Message, Reader, action, response_to, version_of

ANSWER_WITHIN = 5.0
"""Seconds that a connection or an action may take."""
PING_EVERY = 30.0
"""Seconds between two questions whether the PBX is still there."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the connection is tried again: doubled each time."""
IN_FLIGHT = 64
"""Actions that may wait for their answers."""
_CHUNK = 4096

Pause = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class AmiServer:
    """Where it is and who we are there. ``tls`` is None for a plain connection, on which the secret is not shown."""

    host: str
    port: int
    username: str
    secret: Secret
    tls: ssl.SSLContext | None = None

    @property
    def part(self) -> str:
        """Its name on the status page."""
        return f"pbx {self.host}:{self.port}"


class AmiClient:
    """``start``, then ``request`` as often as needed, then ``close``. A PBX that is down is a degraded state."""

    def __init__(
        self,
        server: AmiServer,
        *,
        clock: Clock,
        emit: FactSink,
        pause: Pause = asyncio.sleep,
        patience: float = ANSWER_WITHIN,
    ) -> None:
        self.server = server
        self.patience = patience
        self._clock = clock
        self._emit = emit
        self._pause = pause
        self._keeping: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._ready = False
        self._degraded = False
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._numbers = 0
        # Answers to somebody else's actions on a PBX that mixes them up are not taken for ours.
        self._mark = secrets.token_hex(4)

    @property
    def connected(self) -> bool:
        """Whether we are logged in."""
        return self._ready

    def start(self) -> None:
        """Connect, and stay connected."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End the connection. A degraded state of it ends as well: nobody wants this PBX any more."""
        if self._keeping is not None:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._degraded:
            self._emit(Recovered(at=self._clock.now(), part=self.server.part))

    async def request(self, name: str, fields: Iterable[tuple[str, str]]) -> Message:
        """Carry out an action; gives its answer, good or not.

        Raises PeerError when there is no connection or no answer in time, UsageError for a value that cannot be sent.
        """
        if not self._ready:
            raise PeerError("not connected")
        return await self._ask(name, fields)

    async def _ask(self, name: str, fields: Iterable[tuple[str, str]]) -> Message:
        writer = self._writer
        if writer is None:
            raise PeerError("not connected")
        if len(self._waiting) >= IN_FLIGHT:
            raise PeerError("too many actions are waiting for their answers")
        self._numbers += 1
        number = f"provd-{self._mark}-{self._numbers}"
        octets = action(name, [("ActionID", number), *fields])
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        try:
            async with asyncio.timeout(self.patience):
                writer.write(octets)
                await writer.drain()
                return await answer
        except TimeoutError:
            raise PeerError(f"no answer to {name} within {self.patience:g} s") from None
        except OSError as error:
            raise PeerError(f"the connection was lost: {error}") from None
        finally:
            self._waiting.pop(number, None)

    # --- the connection

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while True:
            try:
                await self._connection()
            except (OSError, TimeoutError, PeerError, UsageError, WireError) as error:
                reason = str(error) or type(error).__name__
            else:
                reason = "it has closed the connection"
            if self._ready:
                pause = FIRST_PAUSE
            self._lost(reason)
            await self._pause(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _lost(self, reason: str) -> None:
        self._ready = False
        self._writer = None
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(PeerError("the connection was lost"))
        if not self._degraded:
            self._degraded = True
            self._emit(Degraded(at=self._clock.now(), part=self.server.part, reason=reason))

    async def _connection(self) -> None:
        """One connection from its beginning to its end."""
        server = self.server
        async with asyncio.timeout(self.patience):
            stream, writer = await asyncio.open_connection(server.host, server.port, ssl=server.tls, limit=_CHUNK)
        self._writer = writer
        tasks = [asyncio.create_task(self._read(stream)), asyncio.create_task(self._talk())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()

    async def _read(self, stream: asyncio.StreamReader) -> None:
        """Answers to who waits for them; events and what nobody waits for are dropped. Returns at the end."""
        reader = Reader()
        greeted = False
        while octets := await stream.read(_CHUNK):
            messages = reader.feed(octets)
            if not greeted and reader.banner is not None:
                version_of(reader.banner)
                greeted = True
            for message in messages:
                waiting = self._waiting.get(message.get("actionid")) if message.is_response else None
                if waiting is not None and not waiting.done():
                    waiting.set_result(message)

    async def _talk(self) -> None:
        """Log in, then ask for a sign of life from time to time. Raises PeerError when there is none."""
        await self._log_in()
        self._ready = True
        if self._degraded:
            self._degraded = False
            self._emit(Recovered(at=self._clock.now(), part=self.server.part))
        while True:
            await self._pause(PING_EVERY)
            await self._ask("Ping", [])

    async def _log_in(self) -> None:
        server = self.server
        proof = [("Secret", server.secret.reveal())]
        if server.tls is None:
            answer = await self._ask("Challenge", [("AuthType", "MD5")])
            if not answer.good or not answer.get("challenge"):
                raise PeerError(f"it gives no challenge: {answer.get('message')[:80]}")
            proof = [("AuthType", "MD5"), ("Key", response_to(answer.get("challenge"), server.secret))]
        answer = await self._ask("Login", [("Username", server.username), *proof, ("Events", "off")])
        if not answer.good:
            raise PeerError(f"it refuses the login of {server.username!r}: {answer.get('message')[:80]}")
