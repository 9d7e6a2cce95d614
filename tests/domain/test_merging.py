"""Three-way merges: what fits together, and what does not."""

from __future__ import annotations

import random

import pytest

from provd.domain.merging import has_marks, merge

BASE = "one\ntwo\nthree\nfour\nfive\n"


@pytest.mark.parametrize(
    ("mine", "theirs", "merged"),
    [
        (BASE, BASE, BASE),
        (BASE.replace("one", "ONE"), BASE, BASE.replace("one", "ONE")),
        (BASE, BASE.replace("five", "5"), BASE.replace("five", "5")),
        (BASE.replace("one", "ONE"), BASE.replace("five", "5"), "ONE\ntwo\nthree\nfour\n5\n"),
        (BASE + "six\n", "zero\n" + BASE, "zero\n" + BASE + "six\n"),
        (BASE.replace("two\n", ""), BASE.replace("four\n", "4\n4b\n"), "one\nthree\n4\n4b\nfive\n"),
        (BASE.replace("two", "2"), BASE.replace("two", "2"), BASE.replace("two", "2")),
        ("", BASE, ""),
    ],
)
def test_what_does_not_touch_fits_together(mine: str, theirs: str, merged: str) -> None:
    made = merge(BASE, mine, theirs)
    assert (made.text, made.conflicts) == (merged, 0)
    assert merge(BASE, theirs, mine).text == merged


def test_the_same_line_changed_twice_is_a_conflict_with_both_in_it() -> None:
    made = merge(BASE, BASE.replace("two", "2"), BASE.replace("two", "II"))
    assert made.conflicts == 1
    assert made.text == (
        "one\n<<<<<<< yours\n2\n||||||| made from\ntwo\n=======\nII\n>>>>>>> new default\nthree\nfour\nfive\n"
    )
    assert has_marks(made.text)
    assert not has_marks(BASE)


def test_a_last_line_without_an_end_stays_so_and_makes_no_mark_unreadable() -> None:
    assert merge("a\nb", "a\nb", "A\nb").text == "A\nb"
    assert merge("a", "b", "c").text.endswith("c\n>>>>>>> new default\n")


def test_any_texts_merge_to_one_side_when_the_other_has_not_changed() -> None:
    rng = random.Random(7)
    words = ["a\n", "b\n", "c\n", "\n"]
    for _ in range(300):
        base, other = ("".join(rng.choices(words, k=rng.randrange(9))) for _ in range(2))
        assert merge(base, other, base) == merge(base, base, other) == merge(base, other, other)
        assert merge(base, other, base).text == other
