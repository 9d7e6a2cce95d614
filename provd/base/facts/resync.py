"""Facts about devices that are told to fetch their files again."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncSent(Fact):
    """A device was told to fetch its files, by ``way``: ``sip`` (NOTIFY over the registration of its temporary
    account), ``ami`` (a PBX was asked to send the NOTIFY) or ``http`` (its own web server). ``heard`` is what came
    back.

    Do: nothing. ``refused`` and ``silent`` ways are followed by the next one.
    """

    ID: ClassVar[str] = "RESYNC-SENT"

    way: str
    heard: str
    reason: str
    attempt: int = 1
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncAccepted(Fact):
    """The device said that it will fetch its files.

    Do: nothing. Where RESYNC-DONE does not follow within a minute or two, somebody talks on the phone, or it cannot
    reach this server: look at the URL in its file (``server.advertise``).
    """

    ID: ClassVar[str] = "RESYNC-ACCEPTED"

    way: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncUnanswered(Fact):
    """No way led to the device. ``comes`` says when it comes without being told: a time at the latest, from the
    settings of the file that it has, or what must happen first, when its model does not ask by itself, when it was
    silent for more than twice as long as it should be, or when it has missed its time. ``tried`` is what each way said.
    It is tried again with growing pauses, and at once when its temporary account registers, until ``last``.

    Do: nothing if ``comes`` is soon enough. ``when it is restarted``: take its power or its network cable away for a
    moment. ``when it is switched on``: go and look whether it is there; what the network does of it is in ``provd lease
    list``. To be spared the way, give provd one to it: a registration of its temporary account here (``sip.listen``),
    the PBX that its lines are on (``[[pbx.ami]]``), or an address that it has from our DHCP server.
    """

    ID: ClassVar[str] = "RESYNC-UNANSWERED"

    reason: str
    comes: str
    tried: str = ""
    last: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResyncDone(Fact):
    """The device has fetched the file that it was to fetch, ``seconds`` after the change.

    Do: nothing.
    """

    ID: ClassVar[str] = "RESYNC-DONE"

    reason: str
    seconds: float
    attempts: int = 0
