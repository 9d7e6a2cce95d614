"""A quick constructor for frozen dataclasses that are made by the ten thousand.

A frozen dataclass sets each field through ``object.__setattr__``, which takes four times as long as an assignment, and
passing fields by name to a class costs a dict: a lease of ten fields takes 1.2 us, by :func:`drafted` 0.3 us. What
comes out is the same, frozen and all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from operator import attrgetter
from typing import Any, TypeVar, cast

T = TypeVar("T")


def drafted(kind: type[T]) -> Callable[..., T]:
    """A constructor that takes every field of a frozen, slotted dataclass by position, defaults or not.

    The object is filled in as a twin of the class, which may be assigned to, and becomes one of the class at the end.
    """
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    body = "\n    ".join([f"self.{name} = {name}" for name in names] + ["self.__class__ = _kind"])
    scope: dict[str, Any] = {"_kind": kind}  # no field begins so
    exec(f"def __init__(self, {', '.join(names)}):\n    {body}\n", scope)  # noqa: S102  # names of a class of ours
    # The same base and the same slots: only then may an object change from one class to the other. The two methods
    # share one slot of the type: with a frozen base's __delattr__ left in it each assignment takes four times as long.
    methods = {
        "__slots__": kind.__dict__["__slots__"],
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
        "__init__": scope["__init__"],
    }
    return cast("Callable[..., T]", type(kind.__name__, kind.__bases__, methods))


def altering(kind: type[T]) -> Callable[..., T]:
    """What :func:`dataclasses.replace` does, for a frozen dataclass of many fields: ``alter(record, name=value)``.

    A device of 20 fields takes 2 us instead of 19.
    """
    names = tuple(field.name for field in fields(kind))  # type: ignore[arg-type]
    places = {name: place for place, name in enumerate(names)}
    values_of, draft = attrgetter(*names), drafted(kind)

    def alter(record: T, **changes: object) -> T:
        values = list(values_of(record))
        for name, value in changes.items():
            values[places[name]] = value
        return draft(*values)

    return alter
