"""One connection to a broker that is kept, and opened again when it is lost.

Subscriptions are QoS 1, and the session outlives a lost connection for an hour: what was sent meanwhile comes
afterwards, perhaps twice. The broker is told how large a packet may be (Maximum Packet Size, section 3.1.2.11.4), and
that retained messages are of no interest (Retain Handling, section 3.8.3.1); both is checked again here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Sequence

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import PeerError
from provd.base.facts import FactSink
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.facts.mqtt import MqttIgnored
from provd.base.secrets import Secret
from provd.guard.tally import Tally

LARGEST = 96 * 1024
"""Octets of a message: as much as one of ours can have, quoted and signed."""
WITHIN = 5.0
"""Seconds that the broker has for an answer."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the connection is tried again: doubled each time …"""
STEADY = 10.0
"""… until one has lasted for so long."""
KEEP_ALIVE = 30
_SESSION = 3600
_QUEUED = 1000
"""Messages that may wait for us; further ones are dropped, and their senders repeat themselves."""
_AT_ONCE = 16
_NO_RETAINED = 2

Pause = Callable[[float], Awaitable[None]]
Hear = Callable[[str, bytes], Awaitable[None]]
"""Takes topic and payload of a message. What it raises is a defect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Where it is and who we are there. ``tls`` is None for a plain connection, ``client`` our id there."""

    host: str
    port: int
    client: str
    username: str = ""
    password: Secret = Secret("")
    tls: ssl.SSLContext | None = None

    @property
    def part(self) -> str:
        """Its name on the status page."""
        return f"mqtt {self.host}:{self.port}"


class Link:
    """``start``, then ``publish`` as often as needed, then ``close``. A broker that is away is a degraded state."""

    def __init__(
        self,
        broker: Broker,
        topics: Sequence[str],
        hear: Hear,
        *,
        clock: Clock,
        emit: FactSink,
        pause: Pause = asyncio.sleep,
    ) -> None:
        self.broker = broker
        self._topics = tuple(topics)
        self._hear = hear
        self._clock = clock
        self._emit = emit
        self._pause = pause
        self._client: aiomqtt.Client | None = None
        self._up = asyncio.Event()
        self._closing = asyncio.Event()
        self._keeping: asyncio.Task[None] | None = None
        self._hearing: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._ignored: Tally[str] = Tally()
        self._degraded = False
        self.received = self.sent = self.ignored = 0

    @property
    def connected(self) -> bool:
        """Whether the broker hears us."""
        return self._up.is_set()

    def start(self) -> None:
        """Connect, and stay connected."""
        self._keeping = asyncio.create_task(self._keep())

    async def close(self) -> None:
        """End the connection, and a degraded state with it: nobody wants this broker any more."""
        self._closing.set()
        if self._keeping is not None:
            await self._keeping
        for task in self._hearing:
            task.cancel()
        await asyncio.gather(*self._hearing, return_exceptions=True)
        if self._degraded:
            self._emit(Recovered(at=self._clock.now(), part=self.broker.part))

    async def publish(self, topic: str, payload: bytes) -> None:
        """Send a message, QoS 1. Raises PeerError when the broker has not taken it over."""
        client = self._client
        if client is None:
            raise PeerError("the broker is not connected")
        if len(payload) > LARGEST:
            raise PeerError(f"a message of {len(payload)} octets is too large")
        try:
            await client.publish(topic, payload, qos=1, timeout=WITHIN)
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            raise PeerError(f"the broker has not taken it: {error}") from None
        self.sent += 1

    async def _keep(self) -> None:
        seconds = FIRST_PAUSE
        while not self._closing.is_set():
            began = self._clock.now()
            reason = await self._life()
            self._client = None
            self._up.clear()
            if self._closing.is_set():
                return
            if not self._degraded:
                self._degraded = True
                self._emit(Degraded(at=self._clock.now(), part=self.broker.part, reason=reason))
            if self._clock.now() - began >= STEADY:
                seconds = FIRST_PAUSE
            await self._until_closing(self._pause(seconds))
            seconds = min(LONGEST_PAUSE, 2 * seconds)

    async def _life(self) -> str:
        """One connection, from its beginning to its end; gives why it has ended."""
        client = self._made()
        try:
            # Never cancelled: a thread of the library is in the first part of it.
            async with client:
                await self._subscribe(client)
                self._client = client
                self._up.set()
                if self._degraded:
                    self._degraded = False
                    self._emit(Recovered(at=self._clock.now(), part=self.broker.part))
                await self._until_closing(self._pump(client))
        except (aiomqtt.MqttError, OSError, ValueError) as error:
            return str(error) or type(error).__name__
        finally:
            # The library leaves it open where a connection has not come about.
            client._client._sock_close()  # noqa: SLF001
        return "the connection has ended"

    async def _until_closing(self, work: Awaitable[None]) -> None:
        """Do that, but no longer than until we are to be closed."""
        working = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closing.wait())
        await asyncio.wait((working, closing), return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        working.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await working

    async def _pump(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            await self._take(message)

    def _made(self) -> aiomqtt.Client:
        broker = self.broker
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        # Room for the topic beside the message.
        properties.MaximumPacketSize = LARGEST + 1024
        properties.SessionExpiryInterval = _SESSION
        silent = logging.getLogger("provd.mqtt")
        silent.disabled = True  # what is worth telling is told by facts
        return aiomqtt.Client(
            broker.host,
            broker.port,
            username=broker.username or None,
            password=broker.password.reveal() or None,
            identifier=broker.client,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=False,
            properties=properties,
            keepalive=KEEP_ALIVE,
            tls_context=broker.tls,
            timeout=WITHIN,
            max_queued_incoming_messages=_QUEUED,
            logger=silent,
        )

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        options = SubscribeOptions(qos=1, retainHandling=_NO_RETAINED)
        codes = await client.subscribe([(topic, options) for topic in self._topics])
        for topic, code in zip(self._topics, codes, strict=False):
            if isinstance(code, ReasonCode) and code.is_failure:
                raise aiomqtt.MqttError(f"the broker refuses the subscription of {topic}: {code}")

    async def _take(self, message: aiomqtt.Message) -> None:
        topic, payload = message.topic.value, message.payload
        if message.retain:
            self.ignore(topic, "it is a retained message")
        elif len(payload) > LARGEST:
            self.ignore(topic, "it is too large")
        else:
            self.received += 1
            await self._room.acquire()
            task = asyncio.create_task(self._heard(topic, payload))
            self._hearing.add(task)
            task.add_done_callback(self._hearing.discard)

    async def _heard(self, topic: str, payload: bytes) -> None:
        try:
            await self._hear(topic, payload)
        finally:
            self._room.release()

    def ignore(self, topic: str, reason: str) -> None:
        """Tell, and not too often, of a message that nothing comes of."""
        self.ignored += 1
        now = self._clock.now()
        count = self._ignored.add(reason, now)
        if count:
            self._emit(MqttIgnored(at=now, topic=topic[:120], reason=reason, count=count))
