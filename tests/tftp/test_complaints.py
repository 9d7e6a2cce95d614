"""What is told of trouble, and how often."""

from __future__ import annotations

import pytest

from provd.base.facts import Fact
from provd.base.facts.daemon import InternalError
from provd.base.facts.tftp import TftpAbandoned, TftpRefused
from provd.tftp.complaints import Complaints, Defects, TftpStats
from tests.tftp.kit import StillClock


def told() -> tuple[Complaints, list[Fact], TftpStats]:
    facts: list[Fact] = []
    stats = TftpStats()
    return Complaints(facts.append, stats, 0.0), facts, stats


def abandon(complaints: Complaints, address: str, *, blocks: int, now: float = 0.0) -> None:
    complaints.abandoned(
        (address, 5), "x" * 300, "gone", blocks=blocks, of=9, retries=2, mac=None, boot="", now=now
    )  # fmt: skip


def test_each_reason_of_a_source_once_a_minute() -> None:
    complaints, facts, stats = told()
    for now in (0.0, 1.0, 2.0, 61.0):
        complaints.refused("10.0.0.9", "write", "x", now)
        complaints.refused("10.0.0.9", "mode", "x", now)
    assert [(fact.reason, fact.count) for fact in facts if isinstance(fact, TftpRefused)] == [
        ("write", 1), ("mode", 1), ("write", 3), ("mode", 3),
    ]  # fmt: skip
    assert stats.refused == {"write": 4, "mode": 4}


def test_forged_sources_cannot_flood_the_log() -> None:
    complaints, facts, stats = told()
    for i in range(1000):
        complaints.malformed(f"10.0.{i >> 8}.{i & 255}", "noise", 0.0)
        abandon(complaints, f"10.1.{i >> 8}.{i & 255}", blocks=0)
    assert len(facts) == 60
    assert (stats.malformed, stats.abandoned) == (1000, 1000)


def test_a_client_that_was_there_is_always_told() -> None:
    complaints, facts, _ = told()
    for _ in range(100):
        abandon(complaints, "10.0.0.9", blocks=3)
    assert len(facts) == 100
    assert isinstance(facts[0], TftpAbandoned)
    assert (facts[0].peer, len(facts[0].name)) == ("10.0.0.9:5", 100)


def test_defects_are_told_and_cancellation_passes() -> None:
    facts: list[Fact] = []
    defects = Defects(facts.append, StillClock())
    with defects:
        raise KeyError("x")
    assert [fact.reason for fact in facts if isinstance(fact, InternalError)] == ["KeyError: 'x'"]
    with pytest.raises(KeyboardInterrupt), defects:
        raise KeyboardInterrupt
