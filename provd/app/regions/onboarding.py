"""The units of a device prove that they are there."""

from __future__ import annotations

from provd.app.regions.ports import Book
from provd.domain.regions import unit
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.home import Home, HomeState
from provd.domain.regions.messages import Answer, Message
from provd.domain.regions.unit import Unit

_AT_HOME = frozenset({HomeState.PROVISIONED, HomeState.ACTIVE})


def challenge(book: Book, home: Home, nonce: str, now: float) -> Answer:
    """A nonce for the units that have not proved themselves. Raises Wrong."""
    units = _units(book, home)
    book.put_units(unit.challenged(units, nonce, now))
    shown = [{"id": each.unit_id, "state": each.state.value} for each in units]
    return Answer(body={"nonce": nonce, "nonce_seconds": int(unit.NONCE_SECONDS), "chipsets": shown})


def shown(book: Book, home: Home, message: Message, now: float) -> Answer:
    """The answer to the proofs. Raises Wrong."""
    units = _units(book, home)
    changed, wrong = unit.registered(home, units, _proofs(message), now)
    book.put_units(changed)
    after = {each.unit_id: each for each in (*units, *changed)}
    told = [{"id": name, "state": each.state.value, "error": name in wrong} for name, each in sorted(after.items())]
    return Answer(body={"chipsets": told, "lifecycle_state": home.state.value})


def _units(book: Book, home: Home) -> list[Unit]:
    if home.state not in _AT_HOME:
        raise Wrong(Code.NOT_FOUND, "the device is not provisioned here")
    return list(book.units(home.device_id))


def _proofs(message: Message) -> dict[str, str]:
    given = message.body.get("chipsets")
    if not isinstance(given, list):
        raise Wrong(Code.FIELD, "chipsets: is a list of objects with id and proof")
    proofs: dict[str, str] = {}
    for each in given:
        name, proof = (each.get("id"), each.get("proof")) if isinstance(each, dict) else (None, None)
        if not isinstance(name, str) or not isinstance(proof, str) or name in proofs:
            raise Wrong(Code.FIELD, "chipsets: each has an id of its own and a proof")
        proofs[name] = proof
    return proofs
