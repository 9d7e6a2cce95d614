"""Facts about dialed codes and who dials them."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeAccepted(Fact):
    """Somebody dialed a good code on a device; the device has the code's line now and is told to fetch its files.

    Do: nothing. ``identified`` says how the device was recognised: by its temporary ``account`` (proof), its ``mac``,
    the address that was leased to it (``lease``), or because only one device is known at that address (``address``).
    """

    ID: ClassVar[str] = "CODE-ACCEPTED"

    code: str
    line: str
    tenant: str
    via: str
    identified: str
    uses_left: int = 0
    again: bool = False
    """The device had dialed it already; nothing was used up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeRefused(Fact):
    """What somebody dialed was refused; ``outcome`` says why.

    ``unknown``: no such code. ``expired``, ``used-up``, ``revoked``, ``tenant-disabled``: it is not good any more.
    ``line-taken``: its line is on another device. ``device-taken``: the device is another tenant's. ``device-full``: it
    holds as many lines as it can. ``no-device``: nobody knows which device it was. ``not-stored``: the database did not
    take the change; the code is still good.
    Do: for ``expired`` or ``used-up`` give out a new code (``provd code add``); for ``line-taken`` take the line from
    the other device or allow it on several (``provd line set --max-devices``); for ``device-taken`` transfer the device
    (``provd device transfer``); for ``no-device`` see that the phone registers with its temporary account, or that the
    PBX says which phone it was.
    """

    ID: ClassVar[str] = "CODE-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    outcome: str
    via: str
    code: str = ""
    line: str = ""
    tenant: str = ""
    account: str = ""
    peer: str = ""
    identified: str = ""
    wrong: int = 0
    """Wrong codes of the device (or, without one, of the address) that count at present."""
    wait: int = 0
    """Seconds until its next try is looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLocked(Fact):
    """Somebody dialed while nothing is looked at, because of wrong codes before. Told once for each lock and minute.

    Do: nothing, it ends by itself; when it was a person who mistyped, ``provd lock lift LOCK``.
    """

    ID: ClassVar[str] = "CODE-LOCKED"
    LEVEL: ClassVar[Level] = Level.WARNING

    lock: str
    wait: int
    via: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGuessing(Fact):
    """Somebody seems to try out codes: too many wrong ones from one address, of many devices behind one address, or on
    the whole site within a day. Who has made no mistake and was known before can still dial.

    Do: look who is behind the address (``provd lock list``) and take it off the network. When it was a mistake, say a
    sheet of codes that had expired, ``provd lock lift LOCK``. Codes that have leaked are revoked (``provd code
    revoke``).
    """

    ID: ClassVar[str] = "CODE-GUESSING"
    LEVEL: ClassVar[Level] = Level.ERROR

    lock: str
    wrong: int
    wait: int
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceGivenBack(Fact):
    """Somebody dialed the reset number with the right PIN: the device is unclaimed again and stays with its tenant.

    Do: nothing; who must not be able to do so does not know the PIN (``codes.reset_pin``).
    """

    ID: ClassVar[str] = "DEVICE-GIVEN-BACK"

    tenant: str
    via: str
    identified: str
    lines: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberSwallowed(Fact):
    """The reset number clashes with a star code that phones of a plugin keep for themselves: it never gets here.

    Do: choose another ``codes.reset_number``.
    """

    ID: ClassVar[str] = "NUMBER-SWALLOWED"
    LEVEL: ClassVar[Level] = Level.WARNING

    number: str
    plugins: str
