"""Which values may be written into a file of which format, and how they are escaped."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import NoReturn

from markupsafe import Markup

from provd.base.errors import PluginError

# C0, DEL, C1, the Unicode line separators, surrogates and the two non-characters: what XML 1.0 (section 2.2)
# forbids or discourages and what any line-based reader might take for the end of a line.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
_TEXTLESS = frozenset({int, bool, float, type(None)})
_XML_SPECIAL = re.compile("[&<>\"']")


class ValueRefusedError(PluginError):
    """A value cannot be written into a file of this format. Names the value, never shows it."""


class Refused:
    """Stands in the context for a text that must not be written. Looking at it in any way refuses the file, so
    that a value nobody uses harms nobody."""

    __slots__ = ("_reason",)

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def _refuse(self, *_: object) -> NoReturn:
        raise ValueRefusedError(self._reason)

    __str__ = __repr__ = __html__ = __format__ = __bool__ = __len__ = __iter__ = __hash__ = _refuse
    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = __contains__ = __getitem__ = _refuse
    __add__ = __radd__ = __mod__ = __rmod__ = __mul__ = __rmul__ = __int__ = __float__ = __index__ = _refuse

    def __getattr__(self, name: str) -> NoReturn:
        self._refuse(name)


def forbidden(text: str) -> bool:
    """Whether the text holds what must not be written."""
    return not (text.isascii() and text.isprintable()) and _FORBIDDEN.search(text) is not None


def _clean(value: object) -> bool:
    """Whether no text in it holds what is forbidden: all of them are looked through at once."""
    texts: list[str] = []
    left: list[Iterable[object]] = [(value,)]
    while left:
        for one in left.pop():
            kind = type(one)
            if kind is str:
                texts.append(one)  # type: ignore[arg-type]
            elif kind in _TEXTLESS:
                continue
            elif kind is list or kind is tuple:
                left.append(one)  # type: ignore[arg-type]
            elif kind is dict or isinstance(one, Mapping):
                left.append(one.values())  # type: ignore[attr-defined]
    return not forbidden(" ".join(texts))


def _marked(value: object, path: str) -> object:
    if isinstance(value, str):
        found = _FORBIDDEN.search(value)
        return value if found is None else Refused(f"{path} contains the character U+{ord(found[0]):04X}")
    if isinstance(value, Mapping):
        return {key: _marked(item, f"{path}.{key}" if path else str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_marked(item, f"{path}[{index}]") for index, item in enumerate(value)]
    return value


def guarded(context: Mapping[str, object]) -> Mapping[str, object]:
    """The context with every text that holds a control character replaced by something that refuses its use."""
    if _clean(context):
        return context
    return {key: _marked(value, key) for key, value in context.items()}


def finalizers(refusing: tuple[type, ...] = (Refused,)) -> Mapping[str, Callable[[object], str]]:
    """What each expression of a template goes through on its way into the file, by format.

    Values of the ``refusing`` types raise when they are written, with the variable's name. Which these are is handed in
    by who renders: the daemon, which only fills in patterns, has no template engine in its memory.
    """

    def plain(value: object) -> str:
        kind = type(value)
        if kind is str or kind is int or kind is Markup or isinstance(value, refusing):
            return str(value)
        raise ValueRefusedError(f"a {kind.__name__} was to be written; only texts and whole numbers are")

    def xml(value: object) -> str:
        if type(value) is not str:
            return plain(value)
        if not _XML_SPECIAL.search(value):
            return value
        # The five named entities: numeric references are not in every small parser.
        text = value.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return text.replace('"', "&quot;").replace("'", "&apos;")

    def as_json(value: object) -> str:
        if isinstance(value, refusing):
            return str(value)
        try:
            return json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueRefusedError(f"a {type(value).__name__} was to be written as JSON: {error}") from None

    return {"xml": xml, "keyvalue": plain, "text": plain, "json": as_json}


UNGUARDED = frozenset({"text", "json"})
"""Formats in which a value may hold any character: the one has no rules, the other escapes them."""
PLAIN = frozenset({"keyvalue", "text"})
"""Formats in which a text is written as it is."""


def secrets_hidden(text: str, context: object) -> str:
    """The text with every password of the context blotted out: error texts may quote values."""
    if isinstance(context, Mapping):
        for key, value in context.items():
            if isinstance(value, str) and value and "password" in str(key):
                text = text.replace(value, "***")
            else:
                text = secrets_hidden(text, value)
    elif isinstance(context, list | tuple):
        for value in context:
            text = secrets_hidden(text, value)
    return text
