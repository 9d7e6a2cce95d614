"""Contents of a model, the groups that grant them, and the vendors that a model is shared with. Records and rules."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, cast, get_args

from provd.base.dataclass import dataclass
from provd.base.errors import UsageError

MemberType = Literal["sn", "content", "group"]
MEMBER_TYPES: tuple[str, ...] = get_args(MemberType)
PIECE = 128 * 1024
"""Octets of a piece. Each is one write, which may happen between two answers to phones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Something that devices of a model may fetch. Times are seconds since the epoch.

    ``protected`` content is for devices that share a group with it. ``type`` is the media type that it was sent with;
    ``blob`` names its pieces and is empty as long as nothing was sent.
    """

    vendor: str
    model: str
    id: str
    meta: str = ""
    protected: bool = False
    type: str = ""
    size: int = 0
    sha256: str = ""
    blob: str = ""
    updated: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Up to ``PIECE`` octets of a blob, which never change. ``at`` is when they were written or no longer needed."""

    blob: str
    number: int
    at: float
    octets: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A group of devices, contents and further groups of one model."""

    vendor: str
    model: str
    id: str
    meta: str = ""
    created: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A member of a group until ``expire`` (0: for good); ``type`` is one of ``MEMBER_TYPES``."""

    vendor: str
    model: str
    group_id: str
    type: str
    member_id: str
    expire: float = 0.0
    meta: str = ""

    def counts_at(self, now: float) -> bool:
        """Whether it is one at that moment."""
        return not self.expire or now < self.expire


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A model that another vendor may enable, disable and re-enable devices of."""

    vendor: str
    model: str
    partner: str
    at: float = 0.0


def member_type(text: str) -> MemberType:
    """The type of that name. Raises UsageError."""
    if text not in MEMBER_TYPES:
        raise UsageError(f"type: must be one of {', '.join(MEMBER_TYPES)}")
    return cast("MemberType", text)


def reached(own: Iterable[Member], nested: Iterable[Member], now: float) -> frozenset[str]:
    """The groups that somebody is in at that moment: directly (``own``), or by way of a group in another group.

    ``nested`` are the members that are groups; groups that are in each other are no trouble.
    """
    upward: dict[str, list[str]] = {}
    for each in nested:
        if each.counts_at(now):
            upward.setdefault(each.member_id, []).append(each.group_id)
    found: set[str] = set()
    waiting = [each.group_id for each in own if each.counts_at(now)]
    while waiting:
        group = waiting.pop()
        if group not in found:
            found.add(group)
            waiting += upward.get(group, [])
    return frozenset(found)


def granted(contents: Iterable[Content], placed: Iterable[Member], groups: frozenset[str], now: float) -> list[Content]:
    """Those contents that a device in these groups may fetch. ``placed`` are the members that are contents."""
    allowed = {each.member_id for each in placed if each.group_id in groups and each.counts_at(now)}
    return [each for each in contents if not each.protected or each.id in allowed]
