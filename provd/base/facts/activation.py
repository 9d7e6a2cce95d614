"""Facts about devices that are not phones and fetch a key."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingActivated(Fact):
    """A device was given its key; it is shown to nobody again. ``again`` says that the device had made the key itself
    and asked a second time because it had not heard the answer.

    Do: nothing.
    """

    ID: ClassVar[str] = "THING-ACTIVATED"

    vendor: str
    model: str
    sn: str
    tenant: str = ""
    peer: str = ""
    generation: int = 0
    again: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingReissued(Fact):
    """A device asked again from the same lease or address, had never shown its key, and was given another one; the
    first one is dead. Its model allows that (``recovery``).

    Do: nothing. When devices of a model do this again and again, they cannot read the answer or cannot keep the key.
    """

    ID: ClassVar[str] = "THING-REISSUED"

    vendor: str
    model: str
    sn: str
    tenant: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingRefused(Fact):
    """A device asked for a key and got none; ``outcome`` says why.

    ``refused activated`` is ordinary: many devices ask at every start, and keep the key that they have.
    ``refused other lease`` is a serial that is a MAC, from an address that our DHCP server has not leased to that MAC.
    Do: for ``unknown model`` and ``unknown serial`` compare with what is printed on the device (``provd activation
    list``); for ``refused unclaimed`` enable it (``provd activation enable``); for ``refused expired``, ``refused
    disabled``, and for a device that has lost its key, ``provd activation reenable`` opens a new window; for ``refused
    elsewhere`` look where its home is (``provd region status VENDOR/MODEL/SERIAL``).
    """

    ID: ClassVar[str] = "THING-REFUSED"

    outcome: str
    vendor: str
    model: str
    sn: str
    peer: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingThrottled(Fact):
    """An address has asked for too many serials or models that do not exist, and is answered 429 for a while. Told once
    a minute for each address; ``count`` says how often since.

    Do: look who is behind the address. When it is a whole site with wrong serials, correct the list of serials.
    """

    ID: ClassVar[str] = "THING-THROTTLED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingExpired(Fact):
    """A device was enabled and did not come before its window ended. Told once for each enabling.

    Do: when the device is there now, ``provd activation reenable`` opens a new window; a longer one is set with ``provd
    activation model set --window``.
    """

    ID: ClassVar[str] = "THING-EXPIRED"
    LEVEL: ClassVar[Level] = Level.WARNING

    vendor: str
    model: str
    sn: str
    tenant: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingSilent(Fact):
    """A device was activated and nobody has shown its key since: perhaps the answer was lost on its way, perhaps
    somebody else has the key. Told once for each enabling.

    Do: look at the device; ``provd activation reenable`` ends that key and lets it ask again. ``provd activation
    unused`` lists all of them.
    """

    ID: ClassVar[str] = "THING-SILENT"
    LEVEL: ClassVar[Level] = Level.WARNING

    vendor: str
    model: str
    sn: str
    tenant: str = ""
    seconds: int = 0
    """Since the activation."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThingKeyUsed(Fact):
    """A device has shown its key for the first time: the activation has certainly arrived.

    Do: nothing.
    """

    ID: ClassVar[str] = "THING-KEY-USED"

    vendor: str
    model: str
    sn: str
    tenant: str = ""
    peer: str = ""
