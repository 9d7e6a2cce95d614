"""Files that differ in a few texts: what contexts have in common, and a file with gaps for the rest.

Files of a fleet are alike but for a name, a password, a MAC. The renderer finds out which texts of a context only go
into the file as they are (:mod:`provd.plugins.render_trace`): those are gaps. Contexts that agree in everything else
(*needs* and all that is no text), in which gaps are empty and in which are equal to one another, give files that differ
in nothing but the gaps.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from provd.base.dataclass import dataclass
from provd.base.errors import PeerError, PluginError
from provd.plugins.render_values import finalizers, forbidden
from provd.plugins.render_wire import MAX_OUTPUT

Path = tuple[str, ...]
"""Where a text stands in a context: names of entries, ``*`` for any place in a list."""

Needs = dict[str, "Needs"]
"""Paths as a tree; a node with an entry ``LEAF`` ends one."""

LEAF = ""
_NONE: Needs = {}
_FINALIZE = finalizers()
_PLAIN = frozenset({int, bool, float, type(None)})


EMPTY = -1
"""Stands in a shape for an empty gap; another one is the number of its text among those that differ."""


def tree(paths: Iterable[Sequence[str]]) -> Needs:
    """The paths as a tree."""
    root: Needs = {}
    for path in paths:
        node = root
        for name in path:
            node = node.setdefault(name, {})
        node[LEAF] = {}
    return root


def shape_of(context: Mapping[str, object], needs: Needs) -> tuple[tuple[object, ...], list[str]]:
    """What has to be equal for a pattern to fit, and the texts of the gaps, in order.

    Raises TypeError for what is not plain data with texts as names.
    """
    marks: list[object] = []
    texts: list[str] = []
    _entries(context, needs, marks, texts, {})
    return tuple(marks), texts


def _entries(
    value: Mapping[str, object], needs: Needs, marks: list[object], texts: list[str], seen: dict[str, int]
) -> None:
    marks.append(tuple(value))
    "".join(value)  # a TypeError for names that are no texts
    for name, item in value.items():
        kind = type(item)
        if kind is str:
            # Spelled out here: most entries are texts, and this is done for every file.
            if name not in needs or LEAF not in needs[name]:
                texts.append(item)  # type: ignore[arg-type]
                marks.append(seen.setdefault(item, len(seen)) if item else EMPTY)  # type: ignore[arg-type]
            else:
                marks.append(item)
        elif kind in _PLAIN:
            marks.append((kind, item))
        else:
            _other(item, needs.get(name, _NONE), marks, texts, seen)


def _other(item: object, needs: Needs, marks: list[object], texts: list[str], seen: dict[str, int]) -> None:
    if isinstance(item, dict):
        _entries(item, needs, marks, texts, seen)
    elif isinstance(item, list | tuple):
        below = needs.get("*", _NONE)
        marks.append((list, len(item)))
        for each in item:
            if isinstance(each, str):
                gap = LEAF not in below
                marks.append(each if not gap else seen.setdefault(each, len(seen)) if each else EMPTY)
                texts += [each] if gap else []
            elif type(each) in _PLAIN:
                marks.append((type(each), each))
            else:
                _other(each, below, marks, texts, seen)
    else:
        raise TypeError(f"a {type(item).__name__} is not plain data")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A file with gaps. ``places`` are pairs of a part and the gap that it is."""

    parts: tuple[bytes, ...]
    places: tuple[tuple[int, int], ...]
    format: str
    size: int
    gaps: int

    def filled(self, texts: Sequence[str]) -> bytes:
        """The file with these texts in its gaps. Raises PluginError for what rendering would refuse too."""
        joined = "".join(texts)
        if len(texts) != self.gaps or forbidden(joined):
            raise PluginError("these texts do not fit")
        finalize = _FINALIZE[self.format]
        if finalize(joined) is not joined:
            texts = [finalize(text) for text in texts]
        octets = "\0".join(texts).encode().split(b"\0")
        parts = list(self.parts)
        for place, gap in self.places:
            parts[place] = octets[gap]
        body = b"".join(parts)
        if len(body) > MAX_OUTPUT:
            raise PluginError(f"more than {MAX_OUTPUT} octets of output")
        return body


def pattern_of(parts: object, gaps: int, file_format: str) -> Pattern:
    """A pattern as the renderer describes it: texts, and numbers of gaps. Raises PeerError.

    A renderer may have been overpowered by a template: what it says is looked at.
    """
    if not isinstance(parts, list) or not parts or not isinstance(parts[0], str):
        raise PeerError("the renderer described no pattern")
    octets: list[bytes] = []
    places: list[tuple[int, int]] = []
    for part in parts:
        if isinstance(part, str):
            octets.append(_encoded(part))
        elif type(part) is int and 0 <= part < gaps:
            places.append((len(octets), part))
            octets.append(b"")
        else:
            raise PeerError("the renderer described a pattern with other things in it")
    return Pattern(tuple(octets), tuple(places), file_format, sum(map(len, octets)), gaps)


def _encoded(part: str) -> bytes:
    try:
        return part.encode()
    except UnicodeEncodeError:  # JSON can spell half a character
        raise PeerError("the renderer described a pattern with half a character in it") from None
