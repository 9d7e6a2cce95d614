"""What devices ask: where their home is, to be provisioned there, and to have their units taken up.

One way in for every transport: octets of a message and the sender's key, out come octets, the status that HTTP would
give them, and the seconds after which to ask again.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from dataclasses import replace

from provd.app.activation.desk import digest
from provd.app.activation.limits import Failures
from provd.app.regions import onboarding, provisioning, querying
from provd.app.regions.ports import Advice, Book, Given, Ledger, Unreached
from provd.app.regions.querying import AskFirst
from provd.app.regions.turns import Terms
from provd.base.dataclass import dataclass
from provd.base.facts import Fact, FactSink
from provd.base.facts.regions import DeviceMessageRefused
from provd.domain.regions import messages
from provd.domain.regions.codes import Code, Wrong, status_of
from provd.domain.regions.home import Home, HomeState
from provd.domain.regions.messages import Answer, Message, Type
from provd.domain.regions.rules import By, Rule

_LONGEST_KEY = 200
_LATER = 30
"""Seconds after which a device may ask again when the server that knows homes does not answer."""
_WEBHOOKS = 8
"""So many servers are asked about one device, at most."""
_STRANGERS = frozenset({Code.NOT_REGISTERED, Code.NOT_FOUND, Code.DEVICE_DIFFERS})
_EXPIRED, _TOO_MANY, _ACCEPTED = 410, 429, 202


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a device is answered. ``retry`` is seconds, 0 for a final answer; ``refused`` says that it is an error."""

    status: int
    octets: bytes
    retry: int = 0
    refused: bool = False


class HomeDesk:
    """``fresh`` gives ids that nobody has had before: of transfers, messages and nonces."""

    def __init__(
        self,
        ledger: Ledger,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
        *,
        fresh: Callable[[], str],
        advice: Advice,
        spoke: Callable[[], None],
    ) -> None:
        self._ledger = ledger
        self._terms = terms
        self._now = now
        self._emit = emit
        self._fresh = fresh
        self._advice = advice
        self._spoke = spoke
        self._failures = Failures(emit)

    async def handle(self, octets: bytes, key: str, peer: str) -> Reply:
        """Answer a message. ``key`` is what its sender has shown, ``peer`` where it comes from. Raises StorageError."""
        return await self.proven(octets, digest(key) if 0 < len(key) <= _LONGEST_KEY else "", peer)

    async def proven(self, octets: bytes, key_hash: str, peer: str) -> Reply:
        """The same for a sender that has proven to have the key with this SHA-256; empty for one that has not."""
        now = self._now()
        wait = self._failures.wait(peer, now, ("", ""))
        if wait:
            return Reply(status=_TOO_MANY, octets=b"{}", retry=wait, refused=True)
        try:
            message = messages.read(octets)
        except Wrong as wrong:
            return Reply(status=status_of(wrong.code), octets=messages.unreadable(wrong), refused=True)
        if message.late(now):
            return self._reply(message, Answer(code=Code.FIELD, reason="its time to live is over"), now, _EXPIRED)
        try:
            answer = await self._decided(message, key_hash, now)
        except Wrong as wrong:
            if wrong.code in _STRANGERS:
                self._failures.count(peer, now, ("", ""))
            answer = Answer(code=wrong.code, reason=str(wrong))
        if answer.code is not Code.OK:
            self._emit(
                DeviceMessageRefused(
                    at=now, device=message.device_id, code=int(answer.code), reason=answer.reason, peer=peer
                )
            )
        return self._reply(message, answer, now)

    def _reply(self, message: Message, answer: Answer, now: float, status: int = 0) -> Reply:
        text = messages.written(message, answer, message_id=self._fresh(), now=now, instance=self._terms().name)
        good = answer.code is Code.OK
        status = status or (_ACCEPTED if good and answer.wait else status_of(answer.code))
        return Reply(status=status, octets=text, retry=answer.wait, refused=not good)

    async def _decided(self, message: Message, key_hash: str, now: float) -> Answer:
        terms = self._terms()
        rules = terms.rules
        for _ in range(_WEBHOOKS):
            answer = await self._once(message, key_hash, terms, rules, now)
            if isinstance(answer, Answer):
                return answer
            try:
                region = await self._advice.ask(answer.server, answer.home)
            except Unreached as error:
                return messages.pending(_LATER, str(error))
            rules = (*((Rule(by=By.ALL, region=region),) if region else ()), *answer.rest)
        return messages.pending(_LATER, "too many servers are to be asked")

    async def _once(
        self, message: Message, key_hash: str, terms: Terms, rules: tuple[Rule, ...], now: float
    ) -> Answer | AskFirst:
        fresh = (self._fresh(), self._fresh())

        def work(book: Book) -> tuple[Answer | AskFirst, list[Fact]]:
            return _answered(book, message, key_hash, terms, rules, now, fresh)

        answer, facts = await self._ledger.change((message.device_id,), work)
        for fact in facts:
            self._emit(fact)
        if facts:
            self._spoke()
        return answer


def _answered(
    book: Book,
    message: Message,
    key_hash: str,
    terms: Terms,
    rules: tuple[Rule, ...],
    now: float,
    fresh: tuple[str, str],
) -> tuple[Answer | AskFirst, list[Fact]]:
    home = _sender(book, message, key_hash, now)
    if home is None or home.state is HomeState.GONE:
        return querying.elsewhere(book, message.device_id), []
    _same_vehicle(home, message)
    given = book.given(home.device_id, message.type.name)
    if given is not None and (given.message_id, given.epoch) == (message.message_id, home.epoch):
        if given.digest != message.digest:
            raise Wrong(Code.DUPLICATE, "this message_id was that of another message")
        return Answer(body=given.body), []
    match message.type:
        case Type.PROVISION_QUERY:
            answer, facts = querying.asked(book, home, message, terms, rules, now, fresh)
        case Type.DEVICE_PROVISION:
            answer, facts = provisioning.came(book, home, message, terms, now)
        case Type.CHIPSET_ONBOARDING_NONCE:
            answer, facts = onboarding.challenge(book, home, fresh[0], now), []
        case _:
            answer, facts = onboarding.shown(book, home, message, now), []
    if isinstance(answer, Answer) and answer.body is not None:
        book.give(
            Given(
                device_id=home.device_id,
                type=message.type.name,
                message_id=message.message_id,
                digest=message.digest,
                body=answer.body,
                epoch=home.epoch,
                at=now,
            )
        )
    return answer, facts


def _sender(book: Book, message: Message, key_hash: str, now: float) -> Home | None:
    """Whose message it is; None for a device that has gone, whose key nobody here knows any more. Raises Wrong."""
    home = book.home(message.device_id)
    if home is not None and home.key_hash and key_hash and hmac.compare_digest(home.key_hash, key_hash):
        return home
    known = (book.home_by_key(key_hash) or book.activated(key_hash)) if key_hash else None
    if known is not None and known.device_id != message.device_id:
        raise Wrong(Code.DEVICE_DIFFERS, "this key is that of another device")
    if known is not None and (home is None or not home.key_hash):
        return _adopted(book, home, known if home is None else home, key_hash, now)
    if home is None and book.tombstone(message.device_id) is not None:
        return None
    raise Wrong(Code.NOT_REGISTERED, "no device of this id has this key")


def _adopted(book: Book, before: Home | None, home: Home, key_hash: str, now: float) -> Home:
    """A device that was activated here and asks for its home for the first time."""
    registered = replace(home, key_hash=key_hash, since=home.since or now, created=home.created or now)
    book.save(before, registered)
    return registered


def _same_vehicle(home: Home, message: Message) -> None:
    """Raises Wrong when a device speaks for another vehicle than it was registered with."""
    if home.system_id and message.header["system_id"] != home.system_id:
        raise Wrong(Code.SYSTEM_DIFFERS, "system_id: is not the one that the device was registered with")
    if home.vin and message.header["vin"] != home.vin:
        raise Wrong(Code.VIN, "vin: is not the one that the device was registered with")
