"""Merging settings and telling where each came from."""

from __future__ import annotations

import pytest

from provd.base.errors import ConflictError
from provd.domain.inheritance import Layer, lineage, merge
from provd.domain.records import Profile


def profiles(**parents: tuple[str, ...]) -> dict[str, Profile]:
    return {name: Profile(id=name, parents=above) for name, above in parents.items()}


def test_a_later_layer_covers_and_none_removes():
    found = merge(
        [
            Layer("default", {"a": 1, "b": 1, "c": 1}),
            Layer("site", {"b": 2, "c": None}),
            Layer("device", {"b": 3}),
        ]
    )
    assert found.values == {"a": 1, "b": 3}
    assert [found.origin(name) for name in "abcd"] == ["default", "device", "site", ""]


def test_what_was_removed_can_be_set_again():
    assert merge([Layer("x", {"a": 1}), Layer("y", {"a": None}), Layer("z", {"a": 2})]).values == {"a": 2}


def test_none_for_a_beginning_removes_all_of_it_and_what_the_same_layer_says_counts_beside_it():
    found = merge(
        [
            Layer("site", {"keys.1.type": "blf", "keys.1.value": "101", "keys.2.type": "dnd", "handsets.1.name": "x"}),
            Layer("group", {"keys.2.type": "park", "keys": None}),
            Layer("device", {"handsets.1": None}),
        ]
    )
    assert found.values == {"keys.2.type": "park"}
    assert found.origin("keys.1.value") == "group"
    assert found.origin("handsets.1.name") == "device"


def test_parents_come_depth_first_and_the_profile_itself_last():
    known = profiles(own=("left", "right"), left=("root",), right=(), root=())
    assert [profile.id for profile in lineage(known["own"], known)] == ["root", "left", "right", "own"]


def test_a_shared_ancestor_does_not_cover_its_children():
    known = profiles(own=("left", "right"), left=("root",), right=("root",), root=())
    assert [profile.id for profile in lineage(known["own"], known)] == ["root", "left", "right", "own"]


def test_a_missing_parent_is_skipped():
    known = profiles(own=("gone",))
    assert lineage(known["own"], known) == (known["own"],)


@pytest.mark.parametrize("known", [profiles(own=("own",)), profiles(own=("other",), other=("third",), third=("own",))])
def test_a_circle_is_refused_and_named(known):
    with pytest.raises(ConflictError, match=r"own would inherit from itself: own -> .*own"):
        lineage(known["own"], known)
