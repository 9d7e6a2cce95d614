"""The decorator of ours against the standard library's: the same classes made by both."""

import copy
import dataclasses
import inspect
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field
from pathlib import Path
from typing import Any, ClassVar

import pytest

from provd.base.dataclass import dataclass

Decorator = Callable[..., Any]
PROVD = Path(__file__).resolve().parents[2] / "provd"


def classes(made: Decorator) -> dict[str, Any]:
    @made(frozen=True, slots=True)
    class Point:
        """A place."""

        x: int
        y: int = 0
        seen: list[int] = field(default_factory=list, compare=False)

    @made(frozen=True, slots=True, kw_only=True)
    class Base:
        ID: ClassVar[str] = "base"
        at: float
        mac: str | None = None

    @made(frozen=True, slots=True, kw_only=True)
    class Derived(Base):
        name: str
        secret: str = field(default="", repr=False, hash=False)

    @made(slots=True)
    class Counter:
        count: int = 0
        names: dict[str, int] = field(default_factory=dict)
        fixed: int = field(default=7, init=False)

        def __post_init__(self) -> None:
            self.count += 1

    @made(frozen=True)
    class Open:
        only: float

    @made(slots=True, eq=False)
    class Same:
        a: int

    @made(frozen=True, slots=True)
    class Own:
        a: int
        b: int

        def __eq__(self, other: object) -> bool:
            return isinstance(other, type(self)) and self.a == other.a

        def __hash__(self) -> int:
            return 5

        def __repr__(self) -> str:
            return "own"

    @made(frozen=True, slots=True)
    class Nothing:
        pass

    return {kind.__name__: kind for kind in (Point, Base, Derived, Counter, Open, Same, Own, Nothing)}


OURS, THEIRS = classes(dataclass), classes(dataclasses.dataclass)
CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Point", (1,), {}),
    ("Point", (1, 2), {}),
    ("Point", (), {"y": 3, "x": 2}),
    ("Point", (1, 2, [3]), {}),
    ("Base", (), {"at": 1.0}),
    ("Derived", (), {"at": 1.0, "name": "n", "secret": "s"}),
    ("Derived", (), {"at": 2.0, "name": "n", "mac": "m"}),
    ("Counter", (4,), {}),
    ("Counter", (), {"names": {"a": 1}}),
    ("Open", (1.5,), {}),
    ("Own", (1, 2), {}),
    ("Nothing", (), {}),
]
WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Point", (), {}),
    ("Point", (1, 2, [], 4), {}),
    ("Point", (1,), {"z": 1}),
    ("Base", (1.0,), {}),
    ("Derived", (), {"at": 1.0}),
    ("Counter", (), {"fixed": 1}),
]


@pytest.mark.parametrize(("name", "placed", "named"), CALLS)
def test_an_object_is_what_the_standard_one_is(name: str, placed: tuple[Any, ...], named: dict[str, Any]) -> None:
    ours, theirs = (kinds[name](*placed, **named) for kinds in (OURS, THEIRS))
    assert dataclasses.asdict(ours) == dataclasses.asdict(theirs)
    assert dataclasses.astuple(ours) == dataclasses.astuple(theirs)
    assert repr(ours).rpartition(".")[2] == repr(theirs).rpartition(".")[2]
    assert ours == copy.copy(ours)
    assert (ours == copy.deepcopy(ours)) is (theirs == copy.deepcopy(theirs))
    assert ours != theirs
    assert (type(ours).__hash__ is None) is (type(theirs).__hash__ is None)
    if type(ours).__hash__ is not None:
        assert hash(ours) == hash(theirs)


@pytest.mark.parametrize(("name", "placed", "named"), WRONG)
def test_arguments_that_do_not_fit_are_a_type_error(name: str, placed: tuple[Any, ...], named: dict[str, Any]) -> None:
    for kinds in (OURS, THEIRS):
        with pytest.raises(TypeError):
            kinds[name](*placed, **named)


@pytest.mark.parametrize("name", OURS)
def test_a_class_is_what_the_standard_one_is(name: str) -> None:
    ours, theirs = OURS[name], THEIRS[name]
    facts = [(f.name, f.default, f.init, f.kw_only, f.compare, f.hash, f.repr) for f in dataclasses.fields(ours)]
    assert facts == [
        (f.name, f.default, f.init, f.kw_only, f.compare, f.hash, f.repr) for f in dataclasses.fields(theirs)
    ]
    assert ours.__match_args__ == theirs.__match_args__
    assert getattr(ours, "__slots__", None) == getattr(theirs, "__slots__", None)
    assert "__init__" in vars(ours)


def test_equality_looks_at_what_is_compared_and_at_nothing_of_another_class() -> None:
    point, derived = OURS["Point"], OURS["Derived"]
    assert point(1, 2, [3]) == point(1, 2, [4])
    assert point(1, 2) != point(1, 3)
    assert derived(at=1.0, name="n") != derived(at=1.0, name="m")
    assert OURS["Same"](1) != OURS["Same"](1)
    assert OURS["Open"](1.5) == OURS["Open"](1.5)


def test_what_is_frozen_stays() -> None:
    for made in (OURS["Point"](1), OURS["Open"](1.5), OURS["Derived"](at=1.0, name="n")):
        first = dataclasses.fields(made)[0].name
        with pytest.raises(FrozenInstanceError):
            setattr(made, first, 2)
        with pytest.raises(FrozenInstanceError):
            delattr(made, first)
        with pytest.raises(FrozenInstanceError):
            made.other = 2
    counter = OURS["Counter"]()
    counter.count = 9
    assert counter.count == 9


def test_a_plain_class_that_inherits_has_attributes_of_its_own() -> None:
    class Named(OURS["Open"]):  # type: ignore[misc]  # made at run time
        pass

    named = Named(1.0)
    named.label = "x"
    assert named.label == "x"
    with pytest.raises(FrozenInstanceError):
        named.only = 2.0
    del named.label


def test_each_object_has_a_list_of_its_own_and_replace_makes_another() -> None:
    point = OURS["Point"]
    assert point(1).seen is not point(2).seen
    assert dataclasses.replace(point(1, 2), y=5) == point(1, 5)
    assert dataclasses.replace(OURS["Derived"](at=1.0, name="n", secret="s"), name="m").secret == "s"


def test_a_method_is_written_when_it_is_first_called() -> None:
    @dataclass(frozen=True, slots=True)
    class Pair:
        a: int
        b: int = 2

    before = vars(Pair)["__init__"], vars(Pair)["__eq__"], vars(Pair)["__hash__"]
    assert Pair(1) == Pair(b=2, a=1)
    assert hash(Pair(1)) == hash((1, 2))
    after = vars(Pair)["__init__"], vars(Pair)["__eq__"], vars(Pair)["__hash__"]
    assert not set(before) & set(after)
    assert list(inspect.signature(Pair).parameters) == ["a", "b"]
    assert Pair(3, 4) == Pair(3, 4)
    assert after == (vars(Pair)["__init__"], vars(Pair)["__eq__"], vars(Pair)["__hash__"])


def test_all_of_provd_uses_it() -> None:
    # Else five hundred classes are again a quarter of the time that the daemon takes to start.
    for path in PROVD.rglob("*.py"):
        if path != PROVD / "base" / "dataclass.py":
            text = path.read_text()
            assert "dataclasses.dataclass" not in text, path
            names = [line for line in text.splitlines() if line.startswith("from dataclasses import")]
            assert not any("dataclass" in line.partition(" import ")[2].split(", ") for line in names), path
