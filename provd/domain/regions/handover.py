"""How a device passes from one instance to the next: every decision of both sides, without a clock or a database.

The owner::

    REG, GLOBAL, QRY_FAIL, PROVISIONED, ACTIVE
      | begun: a region is chosen; epoch + 1, a transfer id, ``register`` waits to be sent
    REHOMING ......................... still served here
      | accepted: served no more, ``release`` is sent instead
    REHOMING, agreed
      | released
    REGIONAL ......................... the device is told where to go
      | ``provisioned`` is heard
    GONE ............................. nothing is left but a tombstone

``refused`` and ``withdrawn`` lead from REHOMING back to QRY_FAIL, or to where a device that was at home here began.

The region::

    PROV_PEN --release heard--> PROV_PEN, agreed --the device comes--> PROVISIONED --its units are done--> ACTIVE

So nobody serves a device between ``accepted`` and its coming, never two do, and an owner whose region is out of reach
goes on serving.
"""

from __future__ import annotations

from dataclasses import replace

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.secrets import Secret
from provd.domain.regions import speech
from provd.domain.regions.codes import Code
from provd.domain.regions.home import HERE, MOVABLE, Home, HomeState, Kind, Outgoing, Tombstone
from provd.domain.regions.speech import Heard, Said

_AT_HOME = frozenset({HomeState.PROVISIONED, HomeState.ACTIVE})
_LEAVING = frozenset({HomeState.REHOMING, HomeState.REGIONAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What becomes of a device: the home as it is from now on (None: no row any more), what is to be said from now on
    and no more, a tombstone to be set. ``ended`` says that the instance has nothing to do with the device any more."""

    home: Home | None
    say: tuple[Outgoing, ...] = ()
    hush: tuple[str, ...] = ()
    tombstone: Tombstone | None = None
    ended: bool = False


def begun(home: Home, region: str, transfer: str, now: float, waits_for: str = "") -> Turn:
    """Hand a device over, together with the primary unit ``waits_for`` if there is one that goes the same way.

    ``transfer`` is an id that nobody has had before. The device is in a state of MOVABLE.
    """
    leaving = replace(
        home,
        state=HomeState.REHOMING,
        epoch=home.epoch + 1,
        region=region,
        transfer=transfer,
        agreed=False,
        waits_for=waits_for,
        rest=home.state.value,
        reason="",
        since=now,
    )
    return Turn(home=leaving, say=(_say(leaving, Kind.REGISTER, now),))


def _say(home: Home, kind: Kind, now: float, then: str = "") -> Outgoing:
    """The one thing that is said about a hand-over at a time: the next one takes the place of the one before it."""
    return Outgoing(
        id=home.transfer,
        device_id=home.device_id,
        peer=home.region,
        kind=kind.value,
        transfer=home.transfer,
        epoch=home.epoch,
        body={"region": then} if then else {},
        created=now,
        due=now,
    )


def withdrawing(home: Home, then: str, now: float) -> Turn:
    """Take a hand-over back, or (``then``) to another region: only the region can say whether it is not too late."""
    waits = replace(home, state=HomeState.REHOMING, reason="is being withdrawn", since=now)
    return Turn(home=waits, say=(_say(waits, Kind.WITHDRAW, now, then),))


def said_by(outgoing: Outgoing, home: Home | None, stone: Tombstone | None = None) -> Said:
    """What is sent now. ``home`` is the device as it stands, ``stone`` where it is."""
    kind = Kind(outgoing.kind)
    region = outgoing.body.get("region", "")
    return Said(
        kind=kind,
        transfer=outgoing.transfer,
        device_id=outgoing.device_id,
        epoch=outgoing.epoch,
        region=str(region),
        device=speech.facts_of(home) if kind is Kind.REGISTER and home is not None else {},
        way=stone.way if kind is Kind.MOVED and stone is not None and stone.epoch == outgoing.epoch else Secret(""),
    )


# --- the owner hears the answers


def answered(home: Home, outgoing: Outgoing, heard: Heard, now: float, transfer: str) -> Turn | None:
    """The answer to a step of a hand-over; None when it says nothing that could be used: it is asked again.

    ``transfer`` is a fresh id, for a hand-over that begins with the end of this one.
    """
    match outgoing.kind, heard.result:
        case Kind.REGISTER, "accepted":
            agreed = replace(home, agreed=True, way=heard.way)
            turn: Turn | None = Turn(home=agreed, say=(_say(agreed, Kind.RELEASE, now),))
        case Kind.REGISTER, "refused":
            turn = returned(home, f"{heard.error}: {heard.reason}", now)
        case Kind.RELEASE, "released":
            told = replace(home, state=HomeState.REGIONAL, since=now, reason="")
            turn = Turn(home=told, hush=(home.transfer,))
        case Kind.RELEASE, "unknown":
            # The region has lost what it had accepted (it came back from an old backup): from the beginning.
            turn = Turn(home=home, say=(_say(home, Kind.REGISTER, now),))
        case Kind.WITHDRAW, "withdrawn":
            turn = _withdrawn(home, str(outgoing.body.get("region", "")), transfer, now)
        case ((Kind.RELEASE | Kind.WITHDRAW), "provisioned"):
            turn = gone(home, now)
        case _:
            turn = None
    return turn


def _withdrawn(home: Home, then: str, transfer: str, now: float) -> Turn:
    back = returned(home, "was withdrawn", now)
    if not then or back.home is None:
        return back
    return replace(begun(back.home, then, transfer, now), hush=back.hush)


def returned(home: Home, reason: str, now: float) -> Turn:
    """The hand-over has come to nothing: the owner is the owner. The epoch is spent."""
    at_home = home.rest in _AT_HOME
    state = HomeState(home.rest) if at_home else HomeState.QRY_FAIL
    where = "" if at_home else home.region  # for whoever tries it again
    back = replace(home, state=state, region=where, transfer="", agreed=False, rest="", reason=reason, since=now)
    back = replace(back, way=Secret(""))
    return Turn(home=back, hush=(home.transfer,))


def gone(home: Home, now: float) -> Turn:
    """The device is at home: only where that is is kept. Who sent it here is told as well."""
    stone = Tombstone(
        device_id=home.device_id,
        region=home.region,
        epoch=home.epoch,
        source=home.source,
        way=home.way,
        at=now,
    )
    left = replace(home, state=HomeState.GONE, agreed=False, rest="", reason="", since=now)
    return Turn(home=left, hush=(home.transfer,), tombstone=stone, say=told_on(stone, "", now), ended=True)


def told_on(stone: Tombstone, sender: str, now: float) -> tuple[Outgoing, ...]:
    """Word of a device's new home for the instance that once sent it here, unless that one knows."""
    if stone.source in ("", stone.region, sender):
        return ()
    # One at a time for a device: of two homes the later one counts.
    return (
        Outgoing(
            id=f"{stone.device_id}/moved",
            device_id=stone.device_id,
            peer=stone.source,
            kind=Kind.MOVED.value,
            transfer="",
            epoch=stone.epoch,
            body={"region": stone.region},
            created=now,
            due=now,
        ),
    )


def _known(home: Home | None, stone: Tombstone | None) -> int:
    """The highest epoch that this instance has ever heard of."""
    return max(0 if home is None else home.epoch, 0 if stone is None else stone.epoch)


def provisioned_heard(home: Home | None, stone: Tombstone | None, said: Said, sender: str, now: float) -> Turn | Heard:
    """The region says that the device has come. A Heard is the whole answer; a Turn is answered with NOTED."""
    if home is not None and home.state in _LEAVING:
        if (home.transfer, home.region, home.epoch) == (said.transfer, sender, said.epoch):
            return gone(home, now)
        if said.epoch >= home.epoch:
            return speech.refused(Code.NOT_FOUND, "no such hand-over is known here")
    known = _known(home, stone)
    if known > said.epoch or (known == said.epoch and (home is None or home.state is HomeState.GONE)):
        return speech.NOTED  # it was heard before
    return speech.refused(Code.NOT_FOUND, "no such hand-over is known here")


def moved_heard(home: Home | None, stone: Tombstone | None, said: Said, sender: str, now: float) -> Turn | None:
    """A device that was once handed over from here is elsewhere now; None when that is no news."""
    if not said.region or said.epoch <= _known(home, stone):
        return None
    if home is not None and home.state in _LEAVING and home.region == sender:
        # Word that it had arrived there has been overtaken by this one.
        return gone(replace(home, region=said.region, epoch=said.epoch, way=said.way), now)
    if stone is None or (home is not None and home.state is not HomeState.GONE):
        return None
    fresh = replace(stone, region=said.region, epoch=said.epoch, way=said.way, at=now)
    left = None if home is None else replace(home, region=said.region, epoch=said.epoch)
    return Turn(home=left, tombstone=fresh, say=told_on(fresh, sender, now))


# --- the region


def register_heard(
    home: Home | None, stone: Tombstone | None, said: Said, sender: str, now: float
) -> tuple[Home | None, Heard | None]:
    """Whether to take a device: only for a higher epoch than any that was ever known here.

    Gives the home when it changes. No answer at all says that it cannot be told yet. Raises WireError.
    """
    offered = speech.home_of(said)
    if not said.transfer:
        raise WireError("transfer: is empty")
    if home is not None and home.transfer == said.transfer:
        return None, speech.ACCEPTED
    known = _known(home, stone)
    if said.epoch <= known:
        return None, speech.refused(Code.EXISTS, f"epoch {said.epoch} is not higher than {known}")
    if home is not None and home.state in _LEAVING:
        # A refusal stands for ever, and this will pass.
        return None, None
    taken = replace(
        offered,
        state=HomeState.PROV_PEN,
        epoch=said.epoch,
        transfer=said.transfer,
        source=sender,
        since=now,
        created=now if home is None else home.created,
    )
    return taken, speech.ACCEPTED


def release_heard(home: Home | None, stone: Tombstone | None, said: Said) -> tuple[Home | None, Heard]:
    """The former owner serves it no more. Gives the home when it changes."""
    if _known(home, stone) > said.epoch:
        # It could only get further from here after it had come.
        return None, speech.PROVISIONED
    if home is None or home.transfer != said.transfer or home.state not in HERE:
        return None, speech.UNKNOWN
    if home.state in _AT_HOME:
        return None, speech.PROVISIONED
    return (None if home.agreed else replace(home, agreed=True)), speech.RELEASED


def withdraw_heard(home: Home | None, stone: Tombstone | None, said: Said, sender: str, now: float) -> Turn | Heard:
    """Whether it is not too late. A Turn is answered with WITHDRAWN: this transfer is never accepted any more."""
    known = _known(home, stone)
    if known > said.epoch:
        return speech.PROVISIONED
    if home is not None and home.epoch == said.epoch and home.state in _AT_HOME:
        return speech.PROVISIONED
    mark = Tombstone(
        device_id=said.device_id,
        region=sender,
        epoch=said.epoch,
        source=sender,
        at=now,
    )
    pending = home is not None and home.transfer == said.transfer
    return Turn(home=None if pending else home, tombstone=mark, ended=pending)


def arrived(home: Home, facts: str, now: float) -> Turn:
    """The device has come, and who sent it is told."""
    here = replace(home, state=HomeState.PROVISIONED, facts=facts, reason="", since=now)
    word = Outgoing(
        id=f"{home.transfer}/provisioned",
        device_id=home.device_id,
        peer=home.source,
        kind=Kind.PROVISIONED.value,
        transfer=home.transfer,
        epoch=home.epoch,
        created=now,
        due=now,
    )
    return Turn(home=here, say=(word,))


def move_heard(home: Home | None, said: Said, *, known: bool) -> Heard:
    """Whether to hand a device over because another instance asks for it; ``known``: there is such a region here."""
    if not known:
        return speech.refused(Code.REGION_UNKNOWN, f"region {said.region!r} is not known here")
    if home is None or home.epoch != said.epoch:
        return speech.refused(Code.NOT_FOUND, "it is not here for that epoch")
    if home.state not in MOVABLE:
        return speech.refused(Code.EXISTS, f"it is {home.state.value}")
    return speech.ACCEPTED
