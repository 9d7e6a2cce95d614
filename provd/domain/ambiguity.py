"""Whether two file names, or two pieces of evidence, can mean different things at once: decided, not guessed.

A pattern stands for finitely many shapes: its own letters, with ``{mac}`` as twelve hexadecimal digits or as pairs of
them between colons or hyphens. Two patterns can meet if two of their shapes are of one length and have a character in
common at every place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provd.base.dataclass import dataclass
from provd.domain.names import MAC_MARK
from provd.domain.route import expand
from provd.domain.site_models import SiteModel
from provd.plugin import Manifest

_HEX = frozenset("0123456789abcdef")
_PAIR = (_HEX, _HEX)

Shape = tuple[frozenset[str], ...]


@dataclass(frozen=True, slots=True)
class Clash:
    """What cannot be: ``field`` and ``value`` of the model at fault, and why."""

    field: str
    value: str
    reason: str


def shapes(pattern: str) -> list[Shape]:
    """Every shape of the names that a pattern stands for, in lower case."""
    head, mark, tail = pattern.lower().partition(MAC_MARK)
    before, after = (tuple(frozenset(letter) for letter in text) for text in (head, tail))
    if not mark:
        return [before]
    pairs = [(*_PAIR, *((frozenset(separator), *_PAIR) * 5)) for separator in ":-"]
    macs: list[Shape] = [_PAIR * 6, *pairs]
    return [(*before, *mac, *after) for mac in macs]


def meet(one: str, other: str) -> str:
    """A name that both patterns stand for, or an empty text when there is none."""
    for first in shapes(one):
        for second in shapes(other):
            if len(first) == len(second) and all(a & b for a, b in zip(first, second, strict=True)):
                both = "".join(min(a & b) for a, b in zip(first, second, strict=True))
                if not _of_nobody(one, other, both):
                    return both
    return ""


def _of_nobody(one: str, other: str, both: str) -> bool:
    """Whether a whole name has the address of nobody in it, all zeros, where the other has a MAC: some phones call what
    all of them have in common so, and no device has it for its own file."""
    marked = [pattern for pattern in (one, other) if MAC_MARK in pattern]
    if len(marked) != 1:
        return False
    head, _, tail = marked[0].partition(MAC_MARK)
    return set(both[len(head) : len(both) - len(tail)]) <= set("0:-")


def clashes(own: SiteModel, others: Iterable[SiteModel], manifests: Iterable[Manifest]) -> list[Clash]:
    """Everything about a model that somebody else claims as well.

    The own files of devices may have the same names in several models: whose file it is the device decides, which is
    recorded with its model, or is identified by the model's evidence. So that may not be claimed twice, nor a name that
    has no MAC in it: there only the name says what is meant.
    """
    rest, plugins = list(others), list(manifests)
    found = [*_inside(own)]
    for other in rest:
        found += _beside(own, other)
    for manifest in plugins:
        found += _against(own, manifest)
    return found


def _inside(own: SiteModel) -> Iterator[Clash]:
    names = [("generic", name) for name in own.generic] + [("specific", name) for name in own.specific]
    for place, (field, name) in enumerate(names):
        for _, other in names[:place]:
            both = meet(name, other)
            if both:
                yield Clash(field, name, f"{name!r} and {other!r} would both answer {both!r}")


def _beside(own: SiteModel, other: SiteModel) -> Iterator[Clash]:
    if (own.vendor.lower(), own.model.lower()) == (other.vendor.lower(), other.model.lower()):
        yield Clash("model", own.model, f"{other.id} is {other.vendor} {other.model} already")
    who = f"the model {other.id}"
    yield from _names(own, [*other.generic, *other.specific], who)
    for start in own.user_agents:
        for theirs in other.user_agents:
            if _begins(start, theirs):
                yield Clash("user_agents", start, f"{theirs!r} of {who} begins the same way")
    for prefix in own.ouis:
        if prefix in other.ouis:
            yield Clash("ouis", prefix, f"{prefix} tells of {who} already; leave it to one of them")


def _against(own: SiteModel, manifest: Manifest) -> Iterator[Clash]:
    who = f"the plugin {manifest.id}"
    if manifest.model(own.model) is not None:
        yield Clash("model", own.model, f"{who} knows a model {own.model!r}")
    yield from _names(own, (name for name, _ in expand(manifest)), who)
    starts = {start for match in manifest.matches if match.source == "user_agent" for start in match.starts}
    for start in own.user_agents:
        theirs = next((each for each in sorted(starts) if _begins(start, each)), None)
        if theirs is not None:
            yield Clash("user_agents", start, f"{who} looks at what begins with {theirs!r}")
    claimed = {prefix for oui in manifest.ouis for prefix in oui.prefixes}
    for prefix in own.ouis:
        if prefix in claimed:
            yield Clash("ouis", prefix, f"{prefix} is a MAC prefix of {who}; a User-Agent tells them apart")


def _names(own: SiteModel, theirs: Iterable[str], who: str) -> Iterator[Clash]:
    """Two names of devices' own files may meet; any other two may not."""
    mine = [("generic", name) for name in own.generic] + [("specific", name) for name in own.specific]
    lengths = {field_name: {len(shape) for shape in shapes(field_name[1])} for field_name in mine}
    for other in theirs:
        for field, name in mine:
            if MAC_MARK in name and MAC_MARK in other:
                continue
            if MAC_MARK not in other and len(other) not in lengths[field, name]:
                continue
            both = meet(name, other)
            if both:
                yield Clash(field, name, f"{who} would answer {both!r} too, by {other!r}")


def _begins(one: str, other: str) -> bool:
    first, second = one.lower(), other.lower()
    return first.startswith(second) or second.startswith(first)
