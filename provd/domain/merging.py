"""Three-way merge of texts by lines, as ``diff3 -m`` does it."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from provd.base.dataclass import dataclass

MINE, BASE, CUT, THEIRS = "<<<<<<< yours", "||||||| made from", "=======", ">>>>>>> new default"


@dataclass(frozen=True, slots=True)
class Merged:
    """The text, and how often both sides changed the same lines in different ways (``conflicts`` marks them)."""

    text: str
    conflicts: int = 0


@dataclass(frozen=True, slots=True)
class _Piece:
    """Lines of the base, and what stands in their place on either side."""

    base: list[str]
    mine: list[str]
    theirs: list[str]


def merge(base: str, mine: str, theirs: str) -> Merged:
    """Both changes to ``base``. Where they touch the same or neighbouring lines and differ, both are there, marked."""
    lines: list[str] = []
    conflicts = 0
    for piece in _pieces(*(text.splitlines(keepends=True) for text in (base, mine, theirs))):
        if piece.theirs in (piece.mine, piece.base):
            lines += piece.mine
        elif piece.mine == piece.base:
            lines += piece.theirs
        else:
            conflicts += 1
            lines += _marked(piece)
    return Merged("".join(lines), conflicts)


def has_marks(text: str) -> bool:
    """Whether a conflict was left in the text."""
    marks = (MINE, BASE, THEIRS)
    return any(line.startswith(marks) for line in text.splitlines())


def _marked(piece: _Piece) -> Iterator[str]:
    for mark, lines in ((MINE, piece.mine), (BASE, piece.base), (CUT, piece.theirs)):
        yield f"{mark}\n"
        yield from (line if line.endswith("\n") else f"{line}\n" for line in lines)
    yield f"{THEIRS}\n"


def _pieces(base: list[str], mine: list[str], theirs: list[str]) -> Iterator[_Piece]:
    """The three texts cut where all of them agree, in order."""
    at_base = at_mine = at_theirs = 0
    for start, end, in_mine, in_theirs in [
        *_common(base, mine, theirs),
        (len(base), len(base), len(mine), len(theirs)),
    ]:
        if (at_base, at_mine, at_theirs) != (start, in_mine, in_theirs):
            yield _Piece(base[at_base:start], mine[at_mine:in_mine], theirs[at_theirs:in_theirs])
        same = base[start:end]
        if same:
            yield _Piece(same, same, same)
        at_base, at_mine, at_theirs = end, in_mine + len(same), in_theirs + len(same)


def _common(base: list[str], mine: list[str], theirs: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Stretches of the base that stand on both sides: start, end, where in mine, where in theirs."""
    first, second = _matches(base, mine), _matches(base, theirs)
    one = two = 0
    while one < len(first) and two < len(second):
        (a, in_a, size_a), (b, in_b, size_b) = first[one], second[two]
        start, end = max(a, b), min(a + size_a, b + size_b)
        if start < end:
            yield start, end, in_a + start - a, in_b + start - b
        if a + size_a < b + size_b:
            one += 1
        else:
            two += 1


def _matches(base: list[str], other: list[str]) -> list[tuple[int, int, int]]:
    blocks = SequenceMatcher(None, base, other, autojunk=False).get_matching_blocks()
    return [(block.a, block.b, block.size) for block in blocks if block.size]
