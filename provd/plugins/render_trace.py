"""Which texts of a context only go into a file as they are: rendered once with stand-ins in their place.

A :class:`Woven` stands for a text that nobody has looked at. It may be written, joined with other texts, asked whether
it is empty and whether it equals another one (contexts that share a pattern agree in that). Everything else that can be
done with a text raises :class:`NeedError`: the text is put in the place of its stand-in, and the file is tried again.
What comes out therefore holds for every context that agrees in the rest. An error of any other kind means that there is
no pattern.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from jinja2 import Environment, nodes
from jinja2.compiler import Frame
from jinja2.runtime import Context, Macro, markup_join, str_join
from markupsafe import Markup

from provd.base.errors import PluginError
from provd.plugins.pattern import LEAF, Path, tree
from provd.plugins.render_engine import FINALIZE, Environments, LimitError, SandboxEnvironment, prepared
from provd.plugins.render_values import guarded
from provd.plugins.render_wire import MAX_OUTPUT, Request
from provd.plugins.render_writer import Writer

_SPEC = re.compile("%(.)?")
_LOOKED_AT_BY = frozenset({"default", "d"})
"""Filters that look at nothing but whether a text is there or empty."""
_TESTS = frozenset({"defined", "undefined", "none"})


class NeedError(BaseException):
    """A template looks at texts. Not an Exception, so that nothing in between takes it for its own."""

    def __init__(self, gaps: Iterable[int]) -> None:
        super().__init__()
        self.gaps = frozenset(gaps)


class Woven:
    """Texts, and numbers of gaps, in a row. ``_final``: as it stands in the file, escaped where need be. ``_text`` is
    what a single gap stands for, to be compared with other gaps."""

    __slots__ = ("_final", "_full", "_parts", "_text")

    def __init__(self, parts: Sequence[str | int], full: bool, *, final: bool = False, text: str | None = None) -> None:
        self._parts = parts
        self._full = full
        self._final = final
        self._text = text

    def __bool__(self) -> bool:
        return self._full

    def _looked(self, *_: object) -> NoReturn:
        raise NeedError(part for part in self._parts if type(part) is int)

    __str__ = __repr__ = __html__ = __format__ = __len__ = __iter__ = __index__ = __int__ = _looked
    __float__ = __complex__ = __bytes__ = __reversed__ = __call__ = __round__ = __neg__ = __pos__ = __abs__ = _looked
    __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __getitem__ = _looked
    __add__ = __radd__ = __mod__ = __rmod__ = __mul__ = __rmul__ = _looked

    def __eq__(self, other: object) -> bool:
        if type(other) is str and not other:
            return not self._full
        if type(other) is Woven and self._text is not None and other._text is not None:
            return self._text == other._text
        _look((self, other))
        return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:  # noqa: PLE0309 - it never returns
        self._looked()

    def __getattr__(self, name: str) -> NoReturn:
        self._looked(name)


def _woven(parts: Iterable[object], *, final: bool) -> str | Woven:
    """What these parts are together; a text when nothing in them is a gap."""
    flat: list[str | int] = []
    gaps = full = False
    for part in parts:
        if type(part) is Woven:
            flat += part._parts  # noqa: SLF001 - of the same module
            gaps, full = True, full or part._full  # noqa: SLF001
        else:
            text = str(part)
            flat.append(text)
            full = full or bool(text)
    return Woven(flat, full, final=final) if gaps else "".join(flat)  # type: ignore[arg-type]


class _Macro(Macro):
    """A macro whose text may have gaps."""

    def _invoke(self, arguments: list[Any], autoescape: bool) -> Any:
        result = self._func(*arguments)
        return _marked(result) if autoescape else result


def _marked(value: Any) -> Any:
    return value if type(value) is Woven else Markup(value)  # noqa: S704 - as Jinja2 does it with captured output


class _Tracer(Writer):
    """Puts pieces of output together by a function that knows gaps."""

    JOIN = "environment.together"

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja2's name
        """``a ~ b``."""
        self.write("environment.chained((")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")


class TraceEnvironment(SandboxEnvironment):
    """The sandbox for values that may have gaps."""

    code_generator_class = _Tracer
    marked = staticmethod(_marked)
    macro = _Macro
    intercepted_binops = frozenset({"%"})

    def _generate(self, source: nodes.Template, *arguments: Any, **options: Any) -> str:
        if source.find(nodes.EvalContextModifier) is not None:
            raise PluginError("what goes by the escaping of a part of a template is not traced")
        # The first line of a compiled template imports what Jinja2 makes of captured output.
        head, _, rest = super()._generate(source, *arguments, **options).partition("\n")
        return f"{head}\nMarkup = environment.marked; Macro = environment.macro\n{rest}"

    @staticmethod
    def together(parts: Iterable[object]) -> str | Woven:
        """Pieces of output."""
        return _woven(parts, final=True)

    concat = together  # type: ignore[assignment]

    def chained(self, parts: Sequence[object]) -> object:
        """``a ~ b``, escaped as Jinja2 does it where a part is markup already."""
        if not any(type(part) is Woven for part in parts):
            return markup_join(parts) if self.autoescape else str_join(parts)
        for part in parts:
            if type(part) is Markup or (type(part) is Woven and part._final and self.autoescape):  # noqa: SLF001
                _look(parts)
        return _woven(parts, final=False)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """``a % b``. A text on the left does not ask what is on the right before it says whether it has a place for it;
        the other operators do."""
        _look((left, right))
        return super().call_binop(context, operator, left, right)

    def getattr(self, obj: object, attribute: str) -> object:
        """An attribute of a text shows what it is."""
        _look((obj,))
        return super().getattr(obj, attribute)

    def getitem(self, obj: object, argument: Any) -> object:
        """A text as an index, or a part of it."""
        _look((obj, argument))
        return super().getitem(obj, argument)


def _look(values: Iterable[object]) -> None:
    """Whoever does this to one of these values needs to know it."""
    for value in values:
        if type(value) is Woven:
            value._looked()  # noqa: SLF001


def _looking(code: Callable[..., Any]) -> Callable[..., object]:
    """A filter or test that is not known to leave its arguments unread."""

    @functools.wraps(code)
    def looking(*arguments: object, **named: object) -> object:
        _look(arguments)
        _look(named.values())
        return code(*arguments, **named)

    return looking


def _formatted(code: Callable[..., Any], *, escaping: bool) -> Callable[..., object]:
    """The filter ``format``: a gap may stand where ``%s`` does. It makes a plain text of markup, which is escaped once
    more then: what is in such markup is looked at."""

    @functools.wraps(code)
    def formatted(value: object, *arguments: object, **named: object) -> object:
        if not any(type(argument) is Woven for argument in arguments):
            _look((value, *named.values()))
            return code(value, *arguments, **named)
        if type(value) is not str or named:
            _look((value, *arguments))
        parts: list[object] = []
        left = list(arguments)
        at = 0
        for spec in _SPEC.finditer(str(value)):
            parts.append(str(value)[at : spec.start()])
            at = spec.end()
            if spec[1] == "%":
                parts.append("%")
                continue
            argument = left.pop(0)
            if type(argument) is not Woven:
                argument = f"%{spec[1]}" % (argument,)
            elif spec[1] != "s" or (escaping and argument._final):  # noqa: SLF001
                _look((argument,))
            parts.append(argument)
        if left:
            raise TypeError("not all arguments converted during string formatting")
        return _woven([*parts, str(value)[at:]], final=False)

    return formatted


def trace_environment(folders: Sequence[str], file_format: str, overlay: Mapping[str, str]) -> TraceEnvironment:
    """The environment in which contexts with gaps are rendered."""
    escape = FINALIZE[file_format]

    def finalize(value: object) -> object:
        if type(value) is not Woven:
            return escape(value)
        if value._final:  # noqa: SLF001
            return value
        parts = [escape(part) if isinstance(part, str) else part for part in value._parts]  # noqa: SLF001
        return Woven(parts, bool(value), final=True)

    environment = prepared(TraceEnvironment, folders, file_format, overlay, finalize)
    escaping = bool(environment.autoescape)
    filters: dict[str, Any] = environment.filters
    for name, code in tuple(filters.items()):
        if name not in _LOOKED_AT_BY:
            filters[name] = _formatted(code, escaping=escaping) if name == "format" else _looking(code)
    tests: dict[str, Any] = environment.tests
    environment.tests = {name: code if name in _TESTS else _looking(code) for name, code in tests.items()}
    return environment


class Tracer:
    """Environments by folder row and format, kept until :meth:`forget`."""

    def __init__(self) -> None:
        self._environments = Environments(trace_environment)

    def forget(self) -> None:
        """Read the templates anew from now on."""
        self._environments.forget()

    def compile(self, request: Request) -> None:
        """Have the template at hand when it is asked for; whether that can be done comes out then."""
        with contextlib.suppress(Exception):
            self._environments.get(request.folders, request.format, request.overlay).get_template(request.template)

    def trace(self, request: Request) -> tuple[set[Path], list[str | int]] | None:
        """The paths of the texts that the template looks at, at least those that are known, and the parts of the file:
        texts, and numbers of gaps in the order of the other texts. None when there is no pattern. How long that may
        take is the caller's affair; it ends, for each attempt knows of more texts than the one before."""
        try:
            return self._traced(request)
        except Exception:  # noqa: BLE001 - whatever it is, too deep and too large too, rendering tells it better
            return None

    def _traced(self, request: Request) -> tuple[set[Path], list[str | int]] | None:
        environment = self._environments.get(request.folders, request.format, request.overlay)
        own, shared = request.context, guarded(request.shared)
        if guarded(own) is not own:
            return None
        known: set[Path] = {tuple(path) for path in request.needs or ()}
        while True:
            paths: list[Path] = []
            values = {**_with_gaps(own, tree(known), (), paths), **shared}
            try:
                return known, _parts(environment, request.template, values)
            except NeedError as error:
                looked_at = {paths[gap] for gap in error.gaps}
            if looked_at <= known:
                return None
            known |= looked_at


def _with_gaps(value: Any, needs: Any, path: Path, paths: list[Path]) -> Any:
    """The value with stand-ins. Counts as :func:`~provd.plugins.pattern.shape_of` does."""
    if isinstance(value, str):
        if LEAF in needs:
            return value
        paths.append(path)
        return Woven((len(paths) - 1,), bool(value), text=value)
    if isinstance(value, dict):
        return {name: _with_gaps(item, needs.get(name, {}), (*path, name), paths) for name, item in value.items()}
    if isinstance(value, list):
        return [_with_gaps(item, needs.get("*", {}), (*path, "*"), paths) for item in value]
    return value


def _parts(environment: Environment, template: str, values: Mapping[str, object]) -> list[str | int]:
    parts: list[str | int] = []
    texts: list[str] = []
    size = 0
    pieces: Iterable[Any] = environment.get_template(template).generate(values)
    for piece in pieces:
        for part in piece._parts if type(piece) is Woven else (piece,):  # noqa: SLF001
            if isinstance(part, int):
                parts += ["".join(texts), part]
                texts = []
                continue
            size += len(part)
            if size > MAX_OUTPUT:
                raise LimitError(f"{template}: more than {MAX_OUTPUT} octets of output")
            texts.append(part)
    parts.append("".join(texts))
    if not parts[0] or str(parts[0])[:1].isspace():
        raise PluginError(f"{template}: the file does not begin with a text of its own")
    return parts
