"""What instances and devices say to each other about homes, over MQTT.

==================================  ==============================================================================
topic, below the prefix             carries
==================================  ==============================================================================
``INSTANCE/said/OTHER``             to INSTANCE from OTHER: ``{"nonce", "signature", "body"}``
``INSTANCE/heard/OTHER``            to INSTANCE, OTHER's answer: ``{"nonce", "status", "signature", "body"}``
``INSTANCE/ask/DEVICE_ID``          a device's message: ``{"proof", "message"}``
``INSTANCE/answer/DEVICE_ID``       the answer to it: ``{"status", "retry", "message"}``
==================================  ==============================================================================

``body`` and ``message`` are the texts that HTTP carries, and so are the signatures, with the topic for the path. A key
is not shown to a broker: ``proof`` is the HMAC-SHA256 of the message's octets, keyed with the SHA-256 of the device's
key (64 lower-case hexadecimal digits). Everything is QoS 1 and not retained. What comes twice is answered twice.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence

from provd.app.regions.desk import HomeDesk
from provd.app.regions.neighbour import Neighbour
from provd.app.regions.ports import Ledger, Unreached
from provd.base.errors import PeerError, StorageError, WireError
from provd.domain.regions import speech
from provd.domain.regions.home import Region
from provd.domain.regions.speech import Heard, Said

SECONDS = 10.0
"""How long an answer is waited for."""
_MOST_WAITING = 256
_BUSY, _BUSY_AGAIN = 503, 10

Publish = Callable[[str, bytes], Awaitable[None]]
Ignore = Callable[[str, str], None]
KeyHash = Callable[[str], Awaitable[str]]
"""The SHA-256 of the key of a device, by its id; empty where there is none. Raises StorageError."""


class MqttRegions:
    """``publish`` raises PeerError; ``ignore`` is told the topic of what is not understood, and why."""

    def __init__(
        self,
        name: str,
        prefix: str,
        *,
        ledger: Ledger,
        neighbour: Neighbour,
        desk: HomeDesk,
        key_hash: KeyHash,
        publish: Publish,
        ignore: Ignore,
        seconds: float = SECONDS,
    ) -> None:
        self._name = name
        self._prefix = prefix
        self._ledger = ledger
        self._neighbour = neighbour
        self._desk = desk
        self._key_hash = key_hash
        self._publish = publish
        self._ignore = ignore
        self._seconds = seconds
        self._waiting: dict[str, asyncio.Future[Mapping[str, object]]] = {}

    @property
    def topics(self) -> Sequence[str]:
        """What is to be subscribed to."""
        mine = f"{self._prefix}/{self._name}"
        return f"{mine}/said/+", f"{mine}/heard/+", f"{mine}/ask/#"

    async def say(self, region: Region, said: Said) -> Heard:
        """Say it once, and believe the answer only when it is signed. Raises Unreached."""
        if len(self._waiting) >= _MOST_WAITING:
            raise Unreached("too much waits for an answer")
        topic, nonce = f"{self._prefix}/{region.name}/said/{self._name}", secrets.token_hex(16)
        body = speech.said_octets(said)
        mine = speech.request_signature(region.secret, self._name, nonce, topic, body)
        answer: asyncio.Future[Mapping[str, object]] = asyncio.get_running_loop().create_future()
        self._waiting[nonce] = answer
        try:
            await self._publish(topic, _octets(nonce=nonce, signature=mine, body=body.decode()))
            async with asyncio.timeout(self._seconds):
                given = await answer
        except PeerError as error:
            raise Unreached(str(error)) from None
        except TimeoutError:
            raise Unreached(f"{region.name} does not answer within {self._seconds:g} s over MQTT") from None
        finally:
            self._waiting.pop(nonce, None)
        status, octets = given["status"], str(given["body"]).encode()
        theirs = speech.answer_signature(region.secret, region.name, nonce, int(str(status)), octets)
        if not hmac.compare_digest(str(given["signature"]).encode(), theirs.encode()):
            raise Unreached(f"{region.name} answers without a right signature: compare names and secrets", trust=True)
        if status != 200:
            raise Unreached(f"{region.name} answers {status}")
        try:
            return speech.heard_of(octets)
        except WireError as error:
            raise Unreached(f"{region.name} answers what cannot be read: {error}") from None

    async def hear(self, topic: str, payload: bytes) -> None:
        """Take a message on one of our topics."""
        verb, _, who = topic.removeprefix(f"{self._prefix}/{self._name}/").partition("/")
        try:
            if verb == "heard":
                self._heard(topic, _fields(payload, "nonce", "signature", "body", status=True))
            elif verb == "said":
                await self._said(topic, who, _fields(payload, "nonce", "signature", "body"))
            elif verb == "ask":
                await self._asked(who, _fields(payload, "proof", "message"))
        except WireError as error:
            self._ignore(topic, str(error))
        except PeerError:
            return  # the broker is away; whoever has asked asks again

    def _heard(self, topic: str, given: Mapping[str, object]) -> None:
        waiting = self._waiting.get(str(given["nonce"]))
        if waiting is None:
            # Late, or once more: what was said is said again until its answer is there.
            self._ignore(topic, "nobody waits for this answer")
        elif not waiting.done():
            waiting.set_result(given)

    async def _said(self, topic: str, sender: str, given: Mapping[str, object]) -> None:
        nonce, body = str(given["nonce"]), str(given["body"]).encode()
        try:
            region = await self._ledger.read(lambda book: book.region(sender))
        except StorageError:
            return  # nothing can be said of it; it comes again
        wanted = "" if region is None else speech.request_signature(region.secret, sender, nonce, topic, body)
        if region is None or not hmac.compare_digest(str(given["signature"]).encode(), wanted.encode()):
            raise WireError("it is not signed by whom the topic names")
        try:
            status, octets = 200, speech.heard_octets(await self._neighbour.hear(speech.said_of(body), sender))
        except WireError as wrong:
            status, octets = 400, str(wrong).encode()
        except (PeerError, StorageError) as later:
            status, octets = _BUSY, str(later).encode()
        mine = speech.answer_signature(region.secret, self._name, nonce, status, octets)
        answer = _octets(nonce=nonce, status=status, signature=mine, body=octets.decode())
        await self._publish(f"{self._prefix}/{sender}/heard/{self._name}", answer)

    async def _asked(self, device: str, given: Mapping[str, object]) -> None:
        message = str(given["message"]).encode()
        if _device_in(message) != device:
            raise WireError("the message is that of another device than the topic")
        where = f"{self._prefix}/{self._name}/answer/{device}"
        try:
            kept = await self._key_hash(device)
            proof = hmac.new(kept.encode(), message, hashlib.sha256).hexdigest()
            proven = bool(kept) and hmac.compare_digest(str(given["proof"]).encode(), proof.encode())
            reply = await self._desk.proven(message, kept if proven else "", f"mqtt {device}"[:120])
        except StorageError:
            await self._publish(where, _octets(status=_BUSY, retry=_BUSY_AGAIN, message=""))
            return
        await self._publish(where, _octets(status=reply.status, retry=reply.retry, message=reply.octets.decode()))


def _octets(**fields: object) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode()


def _fields(payload: bytes, *texts: str, status: bool = False) -> Mapping[str, object]:
    """The members of a message. Raises WireError."""
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        raise WireError("it is not JSON") from None
    if not isinstance(found, dict) or not all(isinstance(found.get(name), str) for name in texts):
        raise WireError(f"it is no object with the texts {', '.join(texts)}")
    if status and type(found.get("status")) is not int:
        raise WireError("it has no status")
    return found


def _device_in(message: bytes) -> str:
    try:
        found = json.loads(message)
    except (ValueError, RecursionError):
        raise WireError("the message is not JSON") from None
    device = found.get("device_id") if isinstance(found, dict) else None
    return device if isinstance(device, str) else ""
