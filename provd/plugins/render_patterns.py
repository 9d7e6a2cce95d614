"""The patterns that are known, and who waits for one that is being found out (for :mod:`provd.plugins.render`)."""

from __future__ import annotations

import asyncio
import itertools
import sys
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import field

from provd.app.ports import RenderJob
from provd.base.dataclass import dataclass
from provd.base.errors import PeerError, PluginError
from provd.plugins.pattern import LEAF, Needs, Path, Pattern, pattern_of, shape_of, tree
from provd.plugins.render_wire import decode_pattern

MOST_OCTETS = 16 << 20
"""What patterns, what they are known by and what they keep alive may take together, roughly."""
_OVERHEAD = 2048
_PLAIN = 32
_FORMATS = frozenset({"keyvalue", "xml"})

_Name = tuple[str, str, str, str]
"""Plugin, template, format, and the digest of what stands in place of templates."""

Waiting = list[tuple[RenderJob, asyncio.Future[bytes]]]


@dataclass(slots=True)
class Known:
    """What is known of the files of one shape: the pattern, or that there is none, or who waits for it.

    ``shared`` keeps the objects alive whose identity the shape is known by.
    """

    name: _Name
    shared: tuple[object, ...]
    pattern: Pattern | None = None
    waiting: Waiting | None = None
    failed: int = 0
    """How often the renderer failed or died while it was to find out."""

    @property
    def again(self) -> bool:
        """It failed once, for whatever reason: it is tried once more."""
        return self.failed == 1 and self.waiting is None

    size: int = 0
    """Octets that it counts for, without what is shared."""


@dataclass(slots=True)
class _Template:
    """What its files need to be looked at for, as far as that has come out."""

    paths: frozenset[Path] = frozenset()
    needs: Needs = field(default_factory=dict)
    number: int = 0
    """Another one with every path; 0 is what nothing is known of."""
    known: int = 0
    """Shapes that are known of its files."""
    size: int = 0


_UNKNOWN = _Template()


def weight(value: object) -> int:
    """Octets that plain data takes, roughly."""
    if isinstance(value, str | bytes):
        return sys.getsizeof(value)
    if isinstance(value, dict):
        return sys.getsizeof(value) + sum(map(weight, value.values()))
    if isinstance(value, tuple | list | frozenset):
        return sys.getsizeof(value) + sum(map(weight, value))
    return _PLAIN


@dataclass(frozen=True, slots=True)
class Shape:
    """A job as patterns see it."""

    key: tuple[object, ...]
    template: _Name
    own: dict[str, object]
    shared: tuple[object, ...]
    texts: Sequence[str]


class Patterns:
    """Least recently used ones go first."""

    def __init__(self, most: int = MOST_OCTETS) -> None:
        self._most = most
        self._octets = 0
        self._known: OrderedDict[tuple[object, ...], Known] = OrderedDict()
        self._templates: dict[_Name, _Template] = {}
        self._shared: dict[int, tuple[int, int]] = {}  # by identity: how many keep it, and its octets
        self._numbers = itertools.count(1)

    def __len__(self) -> int:
        return len(self._known)

    def clear(self) -> None:
        """Forget everything; those who wait are whoever's who asked."""
        self._known.clear()
        self._templates.clear()
        self._shared.clear()
        self._octets = 0

    def drop(self, plugin: str) -> None:
        """Forget what is of this plugin."""
        for key in [key for key, known in self._known.items() if known.name[0] == plugin]:
            self._forget(key)

    def shape(self, job: RenderJob) -> Shape | None:
        """The shape of a job whose files are worth a pattern."""
        rule = job.rule
        if not job.alike or rule.format not in _FORMATS:
            return None
        name = (job.plugin, rule.template, rule.format, job.overlay.digest)
        template = self._templates.get(name, _UNKNOWN)
        own = dict(job.context)
        shared = tuple([own.pop(entry) for entry in job.context if entry in job.shared])
        try:
            marks, texts = shape_of(own, template.needs)
            # By identity: nobody changes what is shared, and it is kept as long as the pattern is.
            key = (name, template.number, *map(id, shared), marks)
            hash(key)
        except TypeError:
            return None
        return Shape(key, name, own, shared, texts)

    def find(self, shape: Shape) -> Known | None:
        """What is known of it."""
        known = self._known.get(shape.key)
        if known is not None:
            self._known.move_to_end(shape.key)
        return known

    def filled(self, shape: Shape) -> bytes | None:
        """The file, if there is a pattern for it and its texts may be written."""
        known = self.find(shape)
        if known is None or known.pattern is None:
            return None
        try:
            return known.pattern.filled(shape.texts)
        except PluginError:
            return None

    def needs(self, shape: Shape) -> list[Path]:
        """The paths that its template is known to look at."""
        return sorted(self._templates[shape.template].paths) if shape.template in self._templates else []

    def begin(self, shape: Shape) -> Known:
        """Its pattern is being found out."""
        before = self._known.get(shape.key)
        known = Known(shape.template, shape.shared, waiting=[], failed=0 if before is None else before.failed)
        self._keep(shape.key, known)
        return known

    def found(self, shape: Shape, known: Known, body: bytes) -> bytes:
        """Take over what the renderer has found out, and give the file. Raises PeerError and PluginError."""
        paths, parts = decode_pattern(body)
        if any(LEAF in path for path in paths):
            raise PeerError("the renderer described no pattern")
        marks, texts = shape_of(shape.own, tree(paths))
        pattern = pattern_of(parts, len(texts), shape.template[2])
        made = pattern.filled(texts)
        template = self._templates.get(shape.template)
        if template is not None and self._known.get(shape.key) is known:
            if not paths <= template.paths:
                self._learn(template, paths)
            key = (shape.template, template.number, *map(id, shape.shared), marks)
            if paths == template.paths:
                self._keep(key, Known(shape.template, shape.shared, pattern))
            if key != shape.key or paths != template.paths:
                self._forget(shape.key)
        return made

    def none(self, shape: Shape, known: Known, *, again: bool = False) -> None:
        """There is no pattern for it, or (``again``) it could not be found out."""
        if self._known.get(shape.key) is known:
            self._keep(shape.key, Known(shape.template, shape.shared, failed=known.failed + again))

    def withdraw(self, shape: Shape, known: Known) -> None:
        """Nobody has looked: it is as if nobody had asked."""
        if self._known.get(shape.key) is known:
            self._forget(shape.key)

    def _learn(self, template: _Template, paths: frozenset[Path]) -> None:
        # Older patterns of this template are under older numbers and go with time.
        template.paths |= paths
        template.needs = tree(template.paths)
        template.number = next(self._numbers)
        self._octets -= template.size
        template.size = 2 * weight(template.paths)
        self._octets += template.size

    def _forget(self, key: tuple[object, ...]) -> None:
        known = self._known.pop(key, None)
        if known is not None:
            self._drop(known)

    def _drop(self, known: Known) -> None:
        self._octets -= known.size
        for each in known.shared:
            holders, size = self._shared.pop(id(each))
            if holders > 1:
                self._shared[id(each)] = holders - 1, size
            else:
                self._octets -= size
        template = self._templates[known.name]
        template.known -= 1
        if not template.known:
            # What overrides were tried, once, is not remembered for ever.
            self._octets -= template.size
            del self._templates[known.name]

    def _hold(self, known: Known) -> None:
        self._octets += known.size
        for each in known.shared:
            holders, size = self._shared.get(id(each)) or (0, weight(each))
            self._shared[id(each)] = holders + 1, size
            self._octets += 0 if holders else size
        self._templates.setdefault(known.name, _Template()).known += 1

    def _keep(self, key: tuple[object, ...], known: Known) -> None:
        pattern = known.pattern
        made = 0 if pattern is None else pattern.size + weight(pattern.places) + _PLAIN * len(pattern.parts)
        known.size = _OVERHEAD + weight(key[-1]) + made
        self._hold(known)
        self._forget(key)  # after that, so that what both need stays
        self._known[key] = known
        while self._octets > self._most:
            _, oldest = self._known.popitem(last=False)
            self._drop(oldest)
