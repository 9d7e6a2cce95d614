"""Records to rows of driver-native values and back, derived once from the records' own type hints."""

from __future__ import annotations

import types
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import cached_property, partial
from operator import attrgetter, itemgetter
from sys import intern
from typing import Any, Generic, get_type_hints

from sqlalchemy import Table

from provd.app.ports import R
from provd.app.regions.ports import Given
from provd.base.drafts import drafted
from provd.base.errors import StorageError
from provd.base.secrets import Secret
from provd.dhcp.lease import Lease
from provd.domain.activation.content import Content, Group, Member, Piece, Share
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Thing
from provd.domain.device_types import Constraint, DeviceType
from provd.domain.hooks import DeadLetter, Letter
from provd.domain.overrides import Override
from provd.domain.records import (
    ApiToken,
    AuditEntry,
    Code,
    Device,
    FreeParameter,
    Heartbeat,
    Line,
    Lock,
    Metadata,
    PendingResync,
    Profile,
    Redemption,
    Reservation,
    StoredFact,
    TaskRun,
    TaskStep,
    Tenant,
    Work,
)
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import Home, Outgoing, Region, Tombstone
from provd.domain.regions.unit import Unit
from provd.domain.rollouts import Rollout, RolloutDevice
from provd.domain.site_models import SiteModel
from provd.storage import region_tables, tables, template_tables, thing_tables
from provd.storage.conversion import (
    SAME,
    SOUND,
    Convert,
    converters,
    exactly,
    json_of,
    object_of,
    of_many,
    row_type,
    storable,
    value_of,
)
from provd.storage.vault import Vault

TABLES: Mapping[type, Table] = types.MappingProxyType(
    {
        Device: tables.DEVICE,
        Tenant: tables.TENANT,
        Line: tables.LINE,
        Code: tables.CODE,
        Redemption: tables.REDEMPTION,
        PendingResync: tables.RESYNC,
        Lock: tables.LOCK,
        Heartbeat: tables.HEARTBEAT,
        ApiToken: tables.API_TOKEN,
        Metadata: tables.METADATA_OF,
        TaskRun: tables.TASK_RUN,
        TaskStep: tables.TASK_STEP,
        FreeParameter: tables.FREE_PARAMETER,
        DeviceType: tables.DEVICE_TYPE,
        Constraint: tables.CONSTRAINT,
        Work: tables.OPERATION,
        Rollout: tables.ROLLOUT,
        RolloutDevice: tables.ROLLOUT_DEVICE,
        Override: template_tables.OVERRIDE,
        SiteModel: template_tables.SITE_MODEL,
        AuditEntry: tables.AUDIT,
        Profile: tables.PROFILE,
        Reservation: tables.RESERVATION,
        StoredFact: tables.FACT,
        Letter: tables.LETTER,
        DeadLetter: tables.DEAD_LETTER,
        Lease: tables.LEASE,
        Thing: thing_tables.THING,
        Content: thing_tables.THING_CONTENT,
        Piece: thing_tables.THING_PIECE,
        Group: thing_tables.THING_GROUP,
        Member: thing_tables.THING_MEMBER,
        Share: thing_tables.THING_SHARE,
        Region: region_tables.REGION,
        Home: region_tables.HOME,
        Unit: region_tables.HOME_UNIT,
        Tombstone: region_tables.TOMBSTONE,
        Outgoing: region_tables.OUTGOING,
        Enrolment: region_tables.ENROLMENT,
        Given: region_tables.HOME_GIVEN,
        VendorToken: thing_tables.THING_TOKEN,
    }
)

APPENDED = (StoredFact, AuditEntry, Letter)
"""Kinds whose rows the store itself numbers: a Put always adds one."""

_LATECOMERS = frozenset({"way"})
"""Sealed columns that were added to tables with rows: empty there."""
_ALIKE = frozenset(
    {"vendor", "model", "version", "plugin", "tenant", "profile", "subnet", "vendor_class", "server", "backup_server"}
)
"""Texts that are the same in the rows of thousands of phones: there is one of each in memory, not ten thousand."""
_SEALED = "$secret"
"""The one member of the JSON object that stands for a secret value among settings."""

Row = tuple[Any, ...]
Place = Callable[[Any, str], Any]
"""Converts a value that depends on where it stands: the second argument is the row's key."""


class RowError(StorageError):
    """A row is not what its record needs. Says the column and the finding, never a secret."""


class Codec(Generic[R]):
    """The conversion of one kind of record."""

    def __init__(self, kind: type[R], vault: Vault) -> None:
        self.kind = kind
        self.table = TABLES[kind]
        self.columns = tuple(column.name for column in self.table.columns)
        self.appends = kind in APPENDED
        """The store itself numbers these rows: a Put always adds one."""
        self._vault = vault
        keys = tuple(column.name for column in self.table.primary_key.columns)
        self._key = attrgetter(*keys)
        self._keys = len(keys)
        self._composite = len(keys) > 1
        self._values = attrgetter(*self.columns)
        self._into: list[tuple[int, Convert]] = []
        self._check: list[tuple[int, Convert]] = []
        self._seal: list[tuple[int, Place]] = []
        self._open: list[tuple[int, Place]] = []
        hints = get_type_hints(kind)
        for index, column in enumerate(self.columns):
            self._column(index, column, hints[column])
        self._quick = self._shortcut()
        self._types = tuple(row_type(hints[column]) for column in self.columns)
        self._alike = [index for index, column in enumerate(self.columns) if column in _ALIKE and hints[column] is str]
        self._convert = [
            (index, out)
            for index, out in self._check
            if hints[self.columns[index]] not in SAME or (self.table.name, self.columns[index]) in SOUND
        ]
        self._of_many = {index: of_many(hints[self.columns[index]], out) for index, out in self._convert}

    def _column(self, index: int, column: str, hint: Any) -> None:
        if hint is Secret:
            self._seal.append((index, partial(self._seal_text, column)))
            self._open.append((index, partial(self._open_text, column)))
            self._check.append((index, partial(exactly, str)))
        elif column == "settings":
            self._seal.append((index, self._seal_settings))
            self._open.append((index, self._open_settings))
            self._check.append((index, object_of))
        else:
            into, out = converters(hint, column)
            if into:
                self._into.append((index, into))
            sound = SOUND.get((self.table.name, column))
            self._check.append((index, out if sound is None else lambda value: sound(out(value))))

    def _shortcut(self) -> Callable[[R], Row | None] | None:
        """The row of a record of nothing but texts, octets, numbers and members of enumerations (a lease) at once;
        None for what needs a closer look. There is none for records of other kinds."""
        enums = {index for index, into in self._into if into is value_of}
        texts = [index for index, into in self._into if into is storable]
        if self._seal or len(texts) < 2 or len(enums) + len(texts) < len(self._into):
            return None
        whole = attrgetter(*(f"{name}._value_" if index in enums else name for index, name in enumerate(self.columns)))
        texts_of = itemgetter(*texts)

        def shortcut(record: R) -> Row | None:
            try:
                row = whole(record)
                return row if "".join(texts_of(row)).isprintable() else None
            except (TypeError, AttributeError):
                return None

        return shortcut

    @cached_property
    def _draft(self) -> Callable[..., R]:
        return drafted(self.kind)

    @property
    def identity(self) -> Callable[[R], Hashable]:
        """What tells a record of this kind from others: the value of its key, or a tuple of them."""
        return self._key

    def key(self, record: R) -> Row:
        """The record's key values, in the order of the key columns."""
        key = self._key(record)
        return key if self._composite else (key,)

    def row(self, record: R) -> Row:
        """The record as a row. Raises StorageError for a value that has no form in the database."""
        quick = self._quick(record) if self._quick is not None else None
        if quick is not None:
            return quick
        values = list(self._values(record)) if len(self.columns) > 1 else [self._values(record)]
        try:
            for index, into in self._into:
                values[index] = into(values[index])
            if self._seal:
                key = self.key_text(self.key(record))
                for index, seal in self._seal:
                    values[index] = seal(values[index], key)
        except (TypeError, ValueError, AttributeError) as error:
            raise RowError(f"{self.table.name} {self.columns[index]}: {error}") from error
        return tuple(values)

    def record(self, row: Row) -> R:
        """The record of a row in the order of ``columns``. Raises RowError."""
        values = list(row)
        # One comparison for the whole row: at the start tens of thousands of them are read.
        usual = tuple(map(type, values)) == self._types
        index = 0
        try:
            for index, out in self._convert if usual else self._check:
                values[index] = out(values[index])
            for index in self._alike:
                values[index] = intern(values[index])
            key = ""
            for index, opened in self._open:
                value = values[index]
                if value or type(value) is str:  # most devices have no settings of their own, and no secret in them
                    key = key or self.key_text(self.key_of_row(values))
                    values[index] = opened(value, key)
        except (TypeError, ValueError, StorageError) as error:
            raise RowError(f"{self.columns[index]}: {error}") from error
        return self._draft(*values)

    def records(self, rows: Sequence[Row]) -> list[R] | None:
        """The records of rows, at least one, in half the time: column by column. None where one of them is not in
        order; :meth:`record` tells which and why."""
        columns = [list(values) for values in zip(*rows, strict=True)]
        try:
            for index, values in enumerate(columns):
                usual = set(map(type, values)) == {self._types[index]}
                out = self._of_many.get(index) if usual else self._check[index][1]
                if out is not None:
                    columns[index] = list(map(out, values))
            for index in self._alike:
                columns[index] = list(map(intern, columns[index]))
            if self._open:
                plain = self._keys == 1 and self._types[0] is str
                keys = columns[0] if plain else [self.key_text(self.key_of_row(row)) for row in rows]
                for index, opened in self._open:
                    columns[index] = [
                        opened(value, key) if value or type(value) is str else value
                        for value, key in zip(columns[index], keys, strict=True)
                    ]
        except (KeyError, TypeError, ValueError, StorageError):
            return None
        return list(map(self._draft, *columns))

    def key_of_row(self, row: Row | list[Any]) -> Row:
        """The key values of a row; the key columns come first in every table."""
        return tuple(row[: self._keys])

    @staticmethod
    def key_text(key: Row) -> str:
        """The key as one text, for messages and as the place of a sealed value."""
        return "|".join(str(part) for part in key)

    def _seal_text(self, column: str, secret: Secret, key: str) -> str:
        return self._vault.seal(secret, self.table.name, column, key)

    def _open_text(self, column: str, text: str, key: str) -> Secret:
        if not text and column in _LATECOMERS:
            return Secret("")
        return self._vault.open_sealed(text, self.table.name, column, key)

    def _seal_settings(self, settings: Mapping[str, object], key: str) -> str:
        if not settings:
            return "{}"
        plain: dict[str, object] = {}
        for name, value in settings.items():
            if isinstance(value, dict) and _SEALED in value:
                raise ValueError(f"the value of {name} has a member {_SEALED}, which is kept for secrets")
            plain[name] = {_SEALED: self._seal_text(f"settings.{name}", value, key)} if type(value) is Secret else value
        return json_of(plain)

    def _open_settings(self, settings: dict[str, object], key: str) -> dict[str, object]:
        for name, value in settings.items():
            if isinstance(value, dict) and _SEALED in value:
                settings[name] = self._open_text(f"settings.{name}", str(value[_SEALED]), key)
        return settings
