"""A device comes to the instance where its home is."""

from __future__ import annotations

from dataclasses import replace

from provd.app.regions import querying
from provd.app.regions.ports import Book
from provd.app.regions.turns import Terms, carry_out
from provd.base.facts import Fact
from provd.base.facts.regions import DeviceArrived
from provd.domain.regions import handover, messages
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home, HomeState
from provd.domain.regions.messages import Answer, Message, Provision
from provd.domain.regions.unit import unit_of

_AT_HOME = frozenset({HomeState.PROVISIONED, HomeState.ACTIVE})
_EXPECTED = frozenset({HomeState.PROV_PEN, HomeState.PROV_FAIL})
_ELSEWHERE = frozenset({HomeState.REHOMING, HomeState.REGIONAL})


def came(book: Book, home: Home, message: Message, terms: Terms, now: float) -> tuple[Answer, list[Fact]]:
    """The answer to a DEVICE_PROVISION. Raises Wrong."""
    if home.state in _AT_HOME:
        if home.facts != messages.provision_of(message).facts:
            raise Wrong(Code.ALREADY, "it is provisioned already, and said something else then")
        return _done(home), []
    if home.state in _ELSEWHERE:
        return querying.standing(book, home, terms, now), []
    if home.state not in _EXPECTED:
        raise Wrong(Code.NOT_FOUND, "its home is not here: a PROVISION_QUERY says where it is")
    if not home.agreed:
        return messages.pending(querying.PENDING, "its former instance has not let go of it yet"), []
    if not home.primary and _primary_is_expected(book, home):
        return messages.pending(querying.PENDING, "it waits for the primary unit"), []
    try:
        said = _fitting(book, message, terms)
    except Wrong as wrong:
        failed = replace(home, state=HomeState.PROV_FAIL, reason=f"{int(wrong.code)}: {wrong}", since=now)
        if (failed.state, failed.reason) != (home.state, home.reason):
            book.save(home, failed)
        return Answer(code=wrong.code, reason=str(wrong)), []
    return _taken_in(book, home, said, message, now)


def _primary_is_expected(book: Book, home: Home) -> bool:
    """Whether the primary unit is still to come. One that was here and has gone on nobody need wait for."""
    first = book.home(home.waits_for) if home.waits_for else None
    if home.waits_for and first is None and book.tombstone(home.waits_for) is None:
        return True  # it was handed over together with this one, and word of that is on its way
    mates = book.mates(home.system_id) if home.system_id else ()
    return any(each.primary and each.state in _EXPECTED for each in mates)


def _fitting(book: Book, message: Message, terms: Terms) -> Provision:
    """What the device says of itself. Raises Wrong when it is not for here."""
    said = messages.provision_of(message)
    if said.region_code and said.region_code.casefold() != terms.name.casefold():
        raise Wrong(Code.REGION_WRONG, f"region_code: this is {terms.name!r}")
    vin = message.header["vin"]
    if vin and book.systems(vin) - {message.header["system_id"]}:
        raise Wrong(Code.VIN_DUPLICATE, "vin: another vehicle has it")
    return said


def _taken_in(book: Book, home: Home, said: Provision, message: Message, now: float) -> tuple[Answer, list[Fact]]:
    header = message.header
    known = replace(
        home,
        system_id=home.system_id or header["system_id"],
        sub_system_id=home.sub_system_id or header["sub_system_id"],
        vin=home.vin or header["vin"],
        kind=home.kind or header["ecu_type"],
        attributes={**home.attributes, **said.info},
    )
    turn = handover.arrived(known, said.facts, now)
    carry_out(book, home, turn, delete=False)
    book.drop_units(home.device_id)
    book.put_units([unit_of(home.device_id, each, now) for each in said.chipsets])
    # It is here now, and no more where it once was.
    book.dig(home.device_id)
    book.adopt(known, now)
    fact = DeviceArrived(at=now, device=home.device_id, epoch=home.epoch, units=len(said.chipsets), tenant=home.tenant)
    return _done(known if turn.home is None else turn.home), [fact]


def _done(home: Home) -> Answer:
    return Answer(body={"lifecycle_state": home.state.value, "epoch": home.epoch})
