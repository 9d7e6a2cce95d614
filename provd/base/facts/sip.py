"""Facts about SIP: temporary accounts that register, numbers that are dialed, and what was turned down."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoprovRegistered(Fact):
    """A phone has registered its temporary account: a provisioning code can be dialed on it, and it can be told to
    fetch its files. Told for the first registration and when the phone comes by another way or with other firmware;
    refreshing is not told.

    Do: nothing. Where one phone has it every minute, look for an address that changes (a NAT, a flapping link).
    """

    ID: ClassVar[str] = "AUTOPROV-REGISTERED"

    account: str
    peer: str
    contact: str
    seconds: int
    transport: str = "udp"
    nat: bool = False
    user_agent: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrationEnded(Fact):
    """The registration of a temporary account is over: ``expired``, ``removed`` by the phone, ``disconnected`` (its TCP
    connection was closed), ``silent`` (a NOTIFY was not answered) or ``gone`` (the phone says that it has no such
    account). Until it registers again, the phone cannot be told to fetch its files over SIP.

    Do: nothing where the phone has been provisioned meanwhile or was unplugged. A phone that is on and expires or is
    silent again and again does not reach this server, or is not reached: look at firewalls and NAT time-outs, and at
    ``sip.keepalive``.
    """

    ID: ClassVar[str] = "SIP-REGISTRATION-ENDED"

    account: str
    peer: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SipRefused(Fact):
    """A request that needs a temporary account was refused: ``password`` (wrong password, or no such account: they are
    not told apart), ``account`` (the right password, but for another account's registration), ``full`` (too many
    registrations or calls). Told once per source and reason in a minute; ``count`` includes those since it was told
    last.

    Do: for a phone of yours let it fetch its file again (`provd device sync`, or restart it): its temporary password
    has changed, for instance by ``--new-token``. An unknown source guesses; temporary passwords cannot be guessed.
    """

    ID: ClassVar[str] = "SIP-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    account: str = ""
    method: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SipThrottled(Fact):
    """Requests were dropped without an answer: ``failures`` (too many wrong passwords of one source), ``requests`` (too
    many requests), ``octets`` (the answer would be larger than the question, and the source has not shown that it
    exists), ``transactions`` (too much at a time). Told once per source and reason in a minute, with a ``count``.

    Do: block a source that goes on at the firewall. For ``octets`` nothing: the address is likely forged, and somebody
    else would get the answers. For ``transactions`` see whether so many phones really start at once.
    """

    ID: ClassVar[str] = "SIP-THROTTLED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SipMalformed(Fact):
    """What arrived on the SIP port is no SIP that could be answered. Told once per source in a minute; ``count``
    includes those since it was told last.

    Do: nothing for a few; a steady stream comes from a scanner or from a broken device at that address.
    """

    ID: ClassVar[str] = "SIP-MALFORMED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CallHeard(Fact):
    """A number was dialed on a phone with a temporary account. What the number was is not told here, because it may
    be a code that is still good; CODE-ACCEPTED or CODE-REFUSED says what became of it.

    Do: nothing.
    """

    ID: ClassVar[str] = "SIP-CALL"

    account: str
    peer: str
    digits: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Fact):
    """A call of a temporary account is over. ``reason`` is ``played`` (the person heard the prompt), ``hung-up`` (by
    the person), ``cancelled`` (before it was answered), ``refused``, ``no-ack`` (our answer was not acknowledged),
    ``silent`` (the phone did not even acknowledge the end), ``late`` (it was not known in time what the number means)
    or ``stopped`` (provd ends). ``said`` is what the phone was told to show.

    Do: for ``no-ack`` and ``silent`` look at firewalls and NAT between the phone and provd: answers do not reach it.
    What was dialed has been carried out all the same.
    """

    ID: ClassVar[str] = "SIP-CALL-ENDED"

    account: str
    reason: str
    said: str = ""
    seconds: float = 0.0
