"""A device asks where its home is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from provd.app.regions.ports import Book
from provd.app.regions.turns import Terms, carry_out, told
from provd.base.dataclass import dataclass
from provd.base.facts import Fact
from provd.domain.regions import handover, messages
from provd.domain.regions.codes import Code
from provd.domain.regions.home import Home, HomeState, Role
from provd.domain.regions.messages import Answer, Message
from provd.domain.regions.rules import Rule, chosen

PENDING = 5
"""Seconds after which a device may ask again."""
REFUSED_FOR = 60.0
"""Seconds for which a refusal of the region stands before the device may ask for another hand-over."""
WAITING = frozenset({HomeState.REG, HomeState.GLOBAL, HomeState.QRY_FAIL})
_GOING = frozenset({HomeState.REHOMING, HomeState.REGIONAL})


@dataclass(frozen=True, slots=True)
class AskFirst:
    """A server has to be asked before the device can be answered; after it, the rest of the rules."""

    home: Home
    server: str
    rest: tuple[Rule, ...]


def asked(
    book: Book,
    home: Home,
    message: Message,
    terms: Terms,
    rules: tuple[Rule, ...],
    now: float,
    fresh: tuple[str, str],
) -> tuple[Answer | AskFirst, list[Fact]]:
    """The answer to a PROVISION_QUERY. Raises Wrong."""
    query = messages.query_of(message)
    if home.state not in WAITING or terms.role is not Role.GLOBAL:
        return standing(book, home, terms, now), []
    if home.state is HomeState.QRY_FAIL and now < home.since + REFUSED_FOR:
        left = int(home.since + REFUSED_FOR - now) + 1
        return Answer(code=Code.REGION_API, reason=home.reason, wait=left), []
    header = message.header
    said = replace(
        home,
        system_id=home.system_id or header["system_id"],
        sub_system_id=home.sub_system_id or header["sub_system_id"],
        vin=home.vin or header["vin"],
        kind=home.kind or header["ecu_type"],
        country=home.country or query.country,
        primary=query.primary,
        tenant=_owner(book, home),
    )
    mates = _mates(book, said)
    if not said.primary and any(each.primary and each.state in WAITING for each in mates):
        return messages.pending(PENDING, "the primary unit has not asked yet"), []
    known = [region.name for region in book.regions() if region.takes and region.name != terms.name]
    choice = chosen(rules, said, book.listed(home.device_id), known)
    if choice.webhook:
        return AskFirst(said, choice.webhook, choice.rest), []
    if not choice.region:
        stays = replace(said, state=HomeState.GLOBAL, since=home.since if home.state is HomeState.GLOBAL else now)
        if stays != home:
            book.save(home, replace(stays, reason=""))
        return Answer(body=_where("GLOBAL", "", "", home.epoch)), []
    return _sent(book, home, said, mates, choice.region, terms, now, fresh)


def _owner(book: Book, home: Home) -> str:
    """Who has the device now: one that was activated here may have found its customer since it asked first."""
    known = book.activated(home.key_hash) if home.sn and home.key_hash else None
    return known.tenant if known is not None and known.device_id == home.device_id else home.tenant


def _mates(book: Book, home: Home) -> Sequence[Home]:
    """The other devices of the same vehicle or site."""
    if not home.system_id:
        return ()
    return [each for each in book.mates(home.system_id) if each.device_id != home.device_id]


def _sent(
    book: Book,
    home: Home,
    said: Home,
    mates: Sequence[Home],
    region: str,
    terms: Terms,
    now: float,
    fresh: tuple[str, str],
) -> tuple[Answer, list[Fact]]:
    """The device is on its way, and with the primary unit those that belong to it."""
    first = [each.device_id for each in mates if each.primary and each.region == region and each.state in _GOING]
    turn = handover.begun(said, region, fresh[0], now, waits_for="" if said.primary else "".join(first[:1]))
    carry_out(book, home, turn, delete=terms.delete)
    facts = told(home, turn.home, now)
    along_with = [each for each in mates if said.primary and each.state in WAITING]
    for number, mate in enumerate(along_with):
        along = handover.begun(mate, region, f"{fresh[1]}-{number}", now, waits_for=said.device_id)
        carry_out(book, mate, along, delete=terms.delete)
        facts += told(mate, along.home, now)
    return messages.pending(PENDING, f"region {region} is being told"), facts


def standing(book: Book, home: Home, terms: Terms, now: float) -> Answer:
    """What a device is told that is on its way, or at home."""
    if home.state is HomeState.REHOMING:
        waiting = book.said(home.transfer)
        left = int(waiting.due - now) + 1 if waiting is not None else PENDING
        return messages.pending(max(PENDING, min(left, 60)), f"region {home.region} is being told")
    if home.state is HomeState.REGIONAL:
        region = book.region(home.region)
        return Answer(body=_where("REGIONAL", home.region, "" if region is None else region.endpoint, home.epoch))
    if home.state in WAITING:
        return Answer(body=_where(home.state.value, "", "", home.epoch))
    return Answer(body=_where(home.state.value, terms.name, terms.endpoint, home.epoch))


def elsewhere(book: Book, device_id: str) -> Answer:
    """What a device is told that has gone home: where that is."""
    stone = book.tombstone(device_id)
    if stone is None:
        return Answer(code=Code.NOT_REGISTERED, reason="it was here once, and nobody knows where it is")
    region = book.region(stone.region)
    return Answer(body=_where("GONE", stone.region, "" if region is None else region.endpoint, stone.epoch))


def _where(state: str, region: str, endpoint: str, epoch: int) -> dict[str, object]:
    return {"lifecycle_state": state, "region": region, "endpoint": endpoint, "epoch": epoch}
