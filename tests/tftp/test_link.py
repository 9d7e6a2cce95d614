"""Whole transfers over a bad link, on a simulated clock."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provd.tftp.options import negotiate
from provd.tftp.packet import Request
from provd.tftp.transfer import Outcome, Transfer
from tests.tftp.client import Reader
from tests.tftp.link import Link

CONTENT = bytes(i * 7 % 253 for i in range(40_000))


def talk(link: Link, content: bytes, options: dict[str, str], lifetime: float = 600.0) -> tuple[Transfer, Reader]:
    reader = Reader(Request(b"fw.bin", options=options))
    terms = negotiate(options, len(content), mtu=lambda: 1500, windowsize_max=16)
    transfer = Transfer(content, terms, lifetime=lifetime)
    link.run(transfer, reader)
    return transfer, reader


@pytest.mark.parametrize("options", [{}, {"blksize": "1428"}, {"blksize": "512", "windowsize": "16", "tsize": "0"}])
def test_a_good_link(options: dict[str, str]) -> None:
    transfer, reader = talk(Link(), CONTENT, options)
    assert transfer.outcome is Outcome.COMPLETE
    assert reader.content == CONTENT
    assert transfer.resent == 0


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("windowsize", ["1", "4", "16"])
def test_loss_duplication_reordering_and_delay(seed: int, windowsize: str) -> None:
    link = Link(seed=seed, loss=0.05, duplication=0.1, delay=0.01, jitter=0.02)
    transfer, reader = talk(link, CONTENT, {"blksize": "512", "windowsize": windowsize})
    assert transfer.outcome is Outcome.COMPLETE
    assert reader.content == CONTENT


def test_duplicated_datagrams_do_not_multiply() -> None:
    link = Link(duplication=1.0)
    transfer, reader = talk(link, CONTENT, {})
    assert reader.content == CONTENT
    assert len(link.to_client) == transfer.last


def test_ten_per_cent_lost_acks_still_move_a_hundred_kilobytes_a_second() -> None:
    content = bytes(516_000)
    link = Link(seed=3, loss=0.05)  # either direction: about ten per cent of the exchanges fail
    transfer, reader = talk(link, content, {"blksize": "1400"})
    assert transfer.outcome is Outcome.COMPLETE
    assert reader.content == content
    assert len(content) / link.now > 100_000


def test_the_last_ack_lost_once() -> None:
    link = Link(fate=[False, False, False, True])  # DATA 1, ACK 1, DATA 2, ACK 2
    transfer, reader = talk(link, bytes(600), {})
    assert reader.done
    assert transfer.outcome is Outcome.COMPLETE
    assert [datagram[3] for _, datagram in link.to_client] == [1, 2, 2]


def test_a_block_lost_inside_a_window_costs_no_time_out() -> None:
    fate = [False] * 2 + [False, False, True]  # OACK, ACK 0, then the third block
    link = Link(fate=fate)
    transfer, reader = talk(link, bytes(512 * 30), {"windowsize": "16"})
    assert reader.content == bytes(512 * 30)
    assert link.now < 0.05
    assert transfer.outcome is Outcome.COMPLETE


def test_a_client_that_is_not_there() -> None:
    link = Link(loss=1.0)
    transfer, _ = talk(link, CONTENT, {"blksize": "1428", "windowsize": "16"})
    assert transfer.outcome is Outcome.SILENT
    assert [at for at, _ in link.to_client] == [0.0, 1.0, 5.0]


@settings(deadline=None, max_examples=150)
@given(
    fate=st.lists(st.booleans(), max_size=200),
    size=st.integers(0, 3000),
    blksize=st.sampled_from(["8", "64", "512"]),
    windowsize=st.sampled_from(["1", "3", "16"]),
    trouble=st.sampled_from([(0.0, 0.0), (0.3, 0.0), (0.0, 0.05), (0.3, 0.05)]),
)
def test_any_loss_ends_in_the_right_content_or_in_an_error(
    fate: list[bool], size: int, blksize: str, windowsize: str, trouble: tuple[float, float]
) -> None:
    content = CONTENT[:size]
    link = Link(fate=fate, duplication=trouble[0], jitter=trouble[1])
    transfer, reader = talk(link, content, {"blksize": blksize, "windowsize": windowsize})
    assert transfer.outcome is not None
    assert reader.done or reader.error is not None
    if transfer.outcome is Outcome.COMPLETE:
        assert reader.done
    assert content[: len(reader.content)] == reader.content
    if reader.done:
        assert reader.content == content


@settings(deadline=None, max_examples=60)
@given(
    datagrams=st.lists(st.binary(max_size=8) | st.integers(0, 70).map(lambda n: b"\0\4\0" + bytes([n])), max_size=60)
)
def test_no_datagram_raises_or_takes_the_machine_beyond_its_end(datagrams: list[bytes]) -> None:
    transfer = Transfer(
        CONTENT[:5000], negotiate({"windowsize": "4"}, 5000, mtu=lambda: 1500, windowsize_max=16), lifetime=30
    )
    transfer.start(0.0)
    for i, datagram in enumerate(datagrams):
        if transfer.next_block(datagram, float(i)) is None:
            transfer.datagrams(transfer.receive(datagram, float(i)))
        transfer.datagrams(transfer.expire(float(i)))
        assert -1 <= transfer.acked <= transfer.last
