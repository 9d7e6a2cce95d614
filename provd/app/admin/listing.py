"""Lists for programs: which of them, in which order, which fields, and where to go on.

The grammar of the parameters of a list:

``NAME=VALUE``
    equal; without regard to case for texts. Of a field that is a list: contains. Fields are those of the items.
``NAME__OP=VALUE``
    with ``ne``, ``lt``, ``le``, ``gt``, ``ge``, ``contains`` (texts), ``in`` (values with commas between them), or
    ``empty`` (``true`` or ``false``).
``q=WORDS``
    every word occurs somewhere in the item's texts.
``sort=NAME,-NAME``
    by these fields, ``-`` for the greatest first; the id decides between equals.
``fields=NAME,NAME``
    only these fields of every item.
``limit=N``, ``cursor=TEXT``
    at most so many items; go on where an earlier answer with the same ``sort`` ended. A cursor is a place in the order
    and not a number: what is added or removed meanwhile moves nothing that follows.

Numbers are decimal, flags ``true`` or ``false``, times ISO 8601 with a zone (``2026-11-20T10:00:00Z``) or seconds since
the epoch. Whatever does not fit is an error that names the parameter.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import heapq
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from operator import eq, ge, gt, itemgetter, le, lt, ne
from typing import Any, Generic, Literal, TypeVar

from provd.app.caller import Caller, Scope
from provd.app.turns import in_turns
from provd.base.dataclass import dataclass
from provd.base.errors import FaultsError

R = TypeVar("R")
Kind = Literal["text", "number", "time", "flag", "texts"]
Test = Callable[[Any], bool]

LIMIT = 100
"""Items of a page when no limit is given."""
LARGEST = 1000
WORDS = frozenset({"limit", "cursor", "sort", "fields", "q"})
"""The parameters of a list that are no fields."""
OPERATORS: Mapping[str, tuple[Kind, ...]] = {
    "": ("text", "number", "time", "flag", "texts"),
    "ne": ("text", "number", "time", "flag", "texts"),
    "lt": ("text", "number", "time"),
    "le": ("text", "number", "time"),
    "gt": ("text", "number", "time"),
    "ge": ("text", "number", "time"),
    "contains": ("text", "texts"),
    "in": ("text", "number", "texts"),
    "empty": ("text", "number", "time", "texts"),
}
"""Which operators there are, and for which kinds of fields."""

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {"": eq, "ne": ne, "lt": lt, "le": le, "gt": gt, "ge": ge}
_LONGEST = 1000


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """A field that a list can be filtered and sorted by. A time is in seconds, 0 for never."""

    name: str
    kind: Kind
    get: Callable[[R, Caller], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection(Generic[R]):
    """A kind of objects that can be listed. ``records`` gives those that exist for a caller, as they are now:
    what it gives is read little by little."""

    name: str
    columns: tuple[Column[R], ...]
    key: Callable[[R], str]
    records: Callable[[Caller], Iterable[R]]
    view: Callable[[R, Caller], dict[str, object]]
    scope: Scope = Scope.READ
    site: bool = False

    def column(self, name: str) -> Column[R] | None:
        """The column of that name."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, slots=True)
class Page:
    """``next`` is the cursor to go on with, None at the end; ``total`` counts all that the filters leave."""

    items: list[dict[str, object]]
    next: str | None
    total: int


async def select(collection: Collection[R], params: Iterable[tuple[str, str]], caller: Caller) -> Page:
    """One page of a collection. Raises FaultsError with everything that is wrong with the parameters."""
    query = _Query(collection, caller)
    query.read(params)
    total, first = 0, list[tuple[tuple[Any, ...], R]]()
    async for lot in in_turns(collection.records(caller)):
        found = [record for record in lot if query.fits(record)]
        rest = [(place, record) for record in found if query.after(place := query.place(record))]
        first = heapq.nsmallest(query.limit + 1, [*first, *rest], key=itemgetter(0))
        total += len(found)
    chosen = first[: query.limit]
    cursor = query.cursor(chosen[-1][0]) if len(first) > query.limit else None
    items = [query.shown(record) async for lot in in_turns(chosen) for _, record in lot]
    return Page(items, cursor, total)


@dataclass(frozen=True, slots=True)
class _Falling:
    """A value in an order the other way round."""

    value: Any

    def __lt__(self, other: _Falling) -> bool:
        return bool(other.value < self.value)


class _Query(Generic[R]):
    def __init__(self, collection: Collection[R], caller: Caller) -> None:
        self._collection = collection
        self._caller = caller
        self._tests: list[Callable[[R], bool]] = []
        self._sort: list[tuple[Column[R], bool]] = []
        self._fields: tuple[str, ...] = ()
        self._start: tuple[Any, ...] | None = None
        self._order = ""
        self._cursor = ""
        self._faults: list[tuple[str, str]] = []
        self.limit = LIMIT

    # --- reading

    def read(self, params: Iterable[tuple[str, str]]) -> None:
        given: dict[str, str] = {}
        for name, value in params:
            if name in given:
                self._fault(name, "is given twice")
            elif len(value) > _LONGEST:
                self._fault(name, f"is longer than {_LONGEST} characters")
            else:
                given[name] = value
        for name, value in given.items():
            self._parameter(name, value)
        if self._cursor and not self._faults:
            self._start = self._place_of(self._cursor)
        if self._faults:
            raise FaultsError(self._faults)

    def _fault(self, name: str, text: str) -> None:
        self._faults.append((name[:60], text))

    def _parameter(self, name: str, value: str) -> None:
        caller = self._caller
        match name:
            case "limit":
                if value.isascii() and value.isdigit() and len(value) < 5 and 1 <= int(value) <= LARGEST:
                    self.limit = int(value)
                else:
                    self._fault(name, f"must be a number from 1 to {LARGEST}")
            case "cursor":
                self._cursor = value
                if not value:
                    self._fault(name, "must not be empty")
            case "sort":
                self._order = value
                for word in value.split(","):
                    column = self._known(name, word.removeprefix("-"))
                    if column is not None:
                        self._sort.append((column, word.startswith("-")))
            case "fields":
                self._fields = tuple(word for word in value.split(",") if self._shown_field(word))
            case "q":
                words = value.lower().split()
                texts = [column for column in self._collection.columns if column.kind in ("text", "texts")]
                self._tests.append(lambda record: _holds((column.get(record, caller) for column in texts), words))
            case _:
                self._filter(name, value)

    def _known(self, parameter: str, name: str) -> Column[R] | None:
        column = self._collection.column(name)
        if column is None:
            names = [column.name for column in self._collection.columns]
            near = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
            self._fault(parameter, f"there is no field {name[:60]!r}; {hint}")
        return column

    def _shown_field(self, name: str) -> bool:
        # Some fields can be shown and not searched: the settings.
        return name in {"settings", "items"} or self._known("fields", name) is not None

    def _filter(self, parameter: str, value: str) -> None:
        name, mark, operator = parameter.partition("__")
        column = self._collection.column(name)
        if column is None:
            names = [*WORDS, *(column.name for column in self._collection.columns)]
            near = difflib.get_close_matches(name, names, n=1)
            self._fault(parameter, "there is no such parameter" + (f"; did you mean {near[0]}?" if near else ""))
            return
        if (mark and not operator) or column.kind not in OPERATORS.get(operator, ()):
            good = ", ".join(name for name, kinds in OPERATORS.items() if name and column.kind in kinds)
            self._fault(parameter, f"the operators of {name} are {good}")
            return
        try:
            test = _test(column.kind, operator, value)
        except ValueError as error:
            self._fault(parameter, str(error))
            return
        get, caller = column.get, self._caller
        self._tests.append(lambda record: test(get(record, caller)))

    # --- using

    def fits(self, record: R) -> bool:
        return all(test(record) for test in self._tests)

    def place(self, record: R) -> tuple[Any, ...]:
        """Where the record stands in the order."""
        values = [_orderly(column.kind, column.get(record, self._caller)) for column, _ in self._sort]
        falling = [_Falling(value) if down else value for value, (_, down) in zip(values, self._sort, strict=True)]
        return (*falling, self._collection.key(record))

    def after(self, place: tuple[Any, ...]) -> bool:
        return self._start is None or self._start < place

    def cursor(self, place: tuple[Any, ...]) -> str:
        values = [part.value if isinstance(part, _Falling) else part for part in place]
        text = json.dumps([self._order, *values], separators=(",", ":"))
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    def _place_of(self, cursor: str) -> tuple[Any, ...] | None:
        try:
            octets = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
            order, *values = json.loads(octets)
        except (binascii.Error, ValueError, TypeError, RecursionError):
            self._fault("cursor", "is not one of ours")
            return None
        kinds: list[type] = [_ORDERLY[column.kind] for column, _ in self._sort]
        if order != self._order or len(values) != len(kinds) + 1:
            self._fault("cursor", "belongs to a list with another sort")
            return None
        if not all(_is_a(value, kind) for value, kind in zip(values, [*kinds, str], strict=True)):
            self._fault("cursor", "is not one of ours")
            return None
        falling = [_Falling(value) if down else value for value, (_, down) in zip(values, self._sort, strict=False)]
        return (*falling, values[-1])

    def shown(self, record: R) -> dict[str, object]:
        view = self._collection.view(record, self._caller)
        return {name: view[name] for name in self._fields if name in view} if self._fields else view


_ORDERLY: Mapping[Kind, type] = {"text": str, "number": float, "time": float, "flag": float, "texts": str}


def _orderly(kind: Kind, value: Any) -> str | float:
    """A value that can be compared with every other one of its kind."""
    if kind == "texts":
        return ",".join(value).lower()
    return str(value).lower() if kind == "text" else float(value)


def _is_a(value: object, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and value == value  # noqa: PLR0124 - not NaN
    return isinstance(value, kind)


def _holds(values: Iterable[Any], words: Sequence[str]) -> bool:
    text = "\n".join(value if isinstance(value, str) else "\n".join(map(str, value)) for value in values).lower()
    return all(word in text for word in words)


def _test(kind: Kind, operator: str, text: str) -> Test:
    """What a value of that kind must fulfil. Raises ValueError that says what is wrong."""
    if operator == "empty":
        empty = _value("flag", text)
        return lambda value: (not value) == empty
    if kind == "texts":
        return _test_texts(operator, text.lower())
    if operator == "in":
        choices = {_value(kind, word) for word in text.split(",")}
        return lambda value: _comparable(kind, value) in choices
    wanted = _value(kind, text)
    if operator == "contains":
        return lambda value: wanted in _comparable(kind, value)
    compare = _COMPARE[operator]
    return lambda value: compare(_comparable(kind, value), wanted)


def _test_texts(operator: str, wanted: str) -> Test:
    if operator == "contains":
        return lambda value: any(wanted in each.lower() for each in value)
    choices = set(wanted.split(",")) if operator == "in" else {wanted}
    return lambda value: bool(choices & {each.lower() for each in value}) == (operator != "ne")


def _comparable(kind: Kind, value: Any) -> Any:
    return str(value).lower() if kind == "text" else value


def _value(kind: Kind, text: str) -> Any:
    match kind:
        case "number":
            digits = text.removeprefix("-")
            if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
                raise ValueError("must be a number")
            return int(text)
        case "flag":
            if text not in ("true", "false"):
                raise ValueError("must be true or false")
            return text == "true"
        case "time":
            return _time(text)
        case _:
            return text.lower()


def _time(text: str) -> float:
    if text.isascii() and text.isdigit() and len(text) < 12:
        return float(text)
    try:
        # A plus sign that was not encoded has become a blank on its way.
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
    except ValueError:
        raise ValueError("must be a time like 2026-11-20T10:00:00Z") from None
    if moment.tzinfo is None:
        raise ValueError("must say its zone: 2026-11-20T10:00:00Z")
    try:
        return moment.timestamp()
    except (OverflowError, ValueError):
        raise ValueError("is a time that no calendar has") from None
