"""Facts about the durable store."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRowSkipped(Fact):
    """Rows of one table could not be read and were left out; everything else was loaded and the rows stay where
    they are.

    Do: when the reason speaks of a key, append the lines of the right ``master.key`` to the one beside the database
    and restart; otherwise enter the named objects again.
    """

    ID: ClassVar[str] = "STORE-ROW-SKIPPED"
    LEVEL: ClassVar[Level] = Level.ERROR

    kind: str
    rows: int
    keys: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreKeyMade(Fact):
    """There was no key file beside a database that is in use, so a new one was made. Passwords that the former key
    sealed cannot be read, and the URL tokens of all devices are other ones.

    Do: append the lines of the former ``master.key`` (from its backup, or from the former host) to the new file, below
    the line that is there, and restart: both then open, and the tokens are the former ones again. Where the former key
    is lost, set the passwords again and give the phones their new URLs.
    """

    ID: ClassVar[str] = "STORE-KEY-MADE"
    LEVEL: ClassVar[Level] = Level.ERROR

    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReplaced(Fact):
    """The database file was damaged. It was moved aside and a new one begun with every row that could still be read.

    Do: compare devices and lines with what you expect; to go back to a backup stop the daemon and say
    ``provd db restore FILE --replace``. Keep the file that was moved aside until nothing is missed.
    """

    ID: ClassVar[str] = "STORE-REPLACED"
    LEVEL: ClassVar[Level] = Level.ERROR

    moved_to: str
    reason: str
    rescued: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreDamaged(Fact):
    """The check of a large database, made while the daemon already works, found damage.

    Do: keep your last backup and restart the daemon soon: it then moves the file aside and keeps what can be read.
    """

    ID: ClassVar[str] = "STORE-DAMAGED"
    LEVEL: ClassVar[Level] = Level.ERROR

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreUpgraded(Fact):
    """The database got the tables of this version of provd; ``was`` is empty when it was new.

    Do: nothing; an older provd refuses this database from now on.
    """

    ID: ClassVar[str] = "STORE-UPGRADED"

    was: str
    now: str
