"""``@dataclass`` of the standard library, made in a quarter of the time.

Python 3.11 writes the source of up to six methods for each class and compiles each of them by itself: 0.6 ms a class,
and a daemon that starts has five hundred of them, a quarter of the time until it is READY. Most are not used until
then. Here a method is written when it is first called, and takes the place of the one that wrote it; what shows and
what freezes is the same for all classes. What comes out is the same, for :func:`dataclasses.fields`, ``replace`` and
``asdict`` and for type checkers, which are told that this *is* the standard decorator.

Not here, because nothing of ours uses it: ``order``, ``unsafe_hash``, ``weakref_slot`` and ``InitVar``; and
:mod:`inspect` sees the parameters of a class only after it was called. A class of the
standard decorator that is frozen cannot inherit from one of these; a test keeps provd on one of the two.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError
from typing import TYPE_CHECKING, Any, overload

_DROPPED = object()
"""The argument that was not given, of a field with a factory."""


@overload
def _dataclass(cls: type, /) -> type: ...
@overload
def _dataclass(
    *, frozen: bool = ..., slots: bool = ..., kw_only: bool = ..., eq: bool = ..., repr: bool = ...
) -> Callable[[type], type]: ...
def _dataclass(
    cls: type | None = None,
    /,
    *,
    frozen: bool = False,
    slots: bool = False,
    kw_only: bool = False,
    eq: bool = True,
    repr: bool = True,  # noqa: A002  # the standard decorator's word
) -> type | Callable[[type], type]:
    def made(plain: type) -> type:
        own = set(plain.__dict__)
        if not plain.__doc__:
            # The standard decorator would ask for the signature, which takes longer than everything else.
            plain.__doc__ = plain.__name__
        # It still collects the fields, its own and the inherited ones, and gives the slots.
        kind: type = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots, kw_only=kw_only)(plain)
        fields = dataclasses.fields(kind)
        after = hasattr(kind, "__post_init__")
        methods: dict[str, object] = {"__init__": _later(kind, "__init__", lambda: _init(fields, frozen, after))}
        if repr:
            methods["__repr__"] = _repr
        if eq:
            methods["__eq__"] = _later(kind, "__eq__", lambda: _eq(fields))
            methods["__hash__"] = _later(kind, "__hash__", lambda: _hash(fields)) if frozen else None
        if frozen:
            methods |= _FROZEN
        for name, method in methods.items():
            # A class that says how it is shown or compared knows better. (Its __eq__ alone makes it say None of its
            # hash, which is not meant.)
            if name not in own or (name == "__hash__" and "__eq__" in own and plain.__dict__[name] is None):
                setattr(kind, name, method)
        return kind

    return made if cls is None else made(cls)


def _later(kind: type, name: str, write: Callable[[], Any]) -> object:
    """The method until it is first called."""

    def method(*given: Any, **named: Any) -> Any:
        written = write()
        setattr(kind, name, written)
        return written(*given, **named)

    method.__name__, method.__qualname__ = name, f"{kind.__qualname__}.{name}"
    return method


def _written(name: str, text: str, **known: object) -> Any:
    scope: dict[str, Any] = {**known}
    exec(text, scope)  # noqa: S102  # the names in it are those of a class of ours
    return scope[name]


def _init(fields: Sequence[Field[Any]], frozen: bool, after: bool) -> Any:
    """``__init__``, which takes the fields by position or name; with the frozen ones past what freezes them."""
    known: dict[str, object] = {"_set": object.__setattr__, "_DROPPED": _DROPPED}
    placed, named, body = list[str](), list[str](), list[str]()
    for field in fields:
        name = parameter = value = field.name
        if field.default is not MISSING:
            known[f"_of_{name}"] = field.default
            parameter, value = f"{name}=_of_{name}", name if field.init else f"_of_{name}"
        elif field.default_factory is not MISSING:
            known[f"_of_{name}"] = field.default_factory
            parameter, value = f"{name}=_DROPPED", f"_of_{name}() if {name} is _DROPPED else {name}"
            if not field.init:
                value = f"_of_{name}()"
        elif not field.init:
            continue
        if field.init:
            (named if field.kw_only else placed).append(parameter)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if after:
        body.append("self.__post_init__()")
    parameters = ", ".join(["self", *placed, *(["*", *named] if named else [])])
    lines = "\n    ".join(body or ["pass"])
    return _written("__init__", f"def __init__({parameters}):\n    {lines}\n", **known)


def _eq(fields: Sequence[Field[Any]]) -> Any:
    names = [field.name for field in fields if field.compare]
    ours, theirs = ("".join(f"{who}.{name}, " for name in names) for who in ("self", "other"))
    return _written(
        "__eq__",
        "def __eq__(self, other):\n"
        f"    return ({ours}) == ({theirs}) if other.__class__ is self.__class__ else NotImplemented\n",
    )


def _hash(fields: Sequence[Field[Any]]) -> Any:
    names = [field.name for field in fields if (field.compare if field.hash is None else field.hash)]
    return _written(
        "__hash__", f"def __hash__(self):\n    return hash(({''.join(f'self.{name}, ' for name in names)}))\n"
    )


def _repr(self: Any) -> str:
    shown = [f"{field.name}={getattr(self, field.name)!r}" for field in dataclasses.fields(self) if field.repr]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _setattr(self: Any, name: str, value: object) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot assign to field {name!r}")
    object.__setattr__(self, name, value)


def _delattr(self: Any, name: str) -> None:
    if _is_frozen(self, name):
        raise FrozenInstanceError(f"cannot delete field {name!r}")
    object.__delattr__(self, name)


def _is_frozen(record: Any, name: str) -> bool:
    # A plain class that inherits may have attributes of its own.
    return "__dataclass_fields__" in type(record).__dict__ or name in record.__dataclass_fields__


def _getstate(self: Any) -> list[object]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _setstate(self: Any, state: Sequence[object]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_FROZEN: dict[str, object] = {
    "__setattr__": _setattr,
    "__delattr__": _delattr,
    # For copies, which would otherwise assign to what is frozen.
    "__getstate__": _getstate,
    "__setstate__": _setstate,
}

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass  # noqa: PLC0414  # passed on
else:
    dataclass = _dataclass
