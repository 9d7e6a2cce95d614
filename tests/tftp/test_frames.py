"""Files cut once: the same octets as block by block."""

from __future__ import annotations

import random

import pytest

from provd.tftp.frames import Frames, FrameShelf
from provd.tftp.options import Terms
from provd.tftp.transfer import Transfer

BODY = random.Random(3).randbytes(70_000)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 513, 32_768, 32_769, 70_000])
@pytest.mark.parametrize("blksize", [8, 512, 1428])
def test_any_blocks_are_those_of_a_transfer(size: int, blksize: int) -> None:
    body = BODY[:size]
    plain = Transfer(body, Terms(blksize), lifetime=1.0)
    frames = Frames(body, blksize)
    rng = random.Random(size + blksize)
    for _ in range(50):
        first = rng.randint(1, plain.last)
        blocks = range(first, min(first + rng.randint(1, 200), plain.last + 1))
        assert b"".join(frames.pieces(blocks)) == b"".join(plain.pieces(blocks))


def test_block_numbers_roll_over() -> None:
    frames = Frames(bytes(8 * 65_540), 8)
    wire = b"".join(frames.pieces(range(65_534, 65_539)))
    assert [wire[at + 2 : at + 4].hex() for at in range(0, len(wire), 12)] == ["fffe", "ffff", "0000", "0001", "0002"]


def test_a_window_is_one_piece_or_two() -> None:
    frames = Frames(BODY, 512)
    assert len(frames.pieces(range(1, 17))) == 1
    assert len(frames.pieces(range(60, 76))) == 2


def test_a_shelf_keeps_what_was_asked_for_lately() -> None:
    shelf = FrameShelf(most=3000)
    one, two, three = bytes(1000), bytes(1001), bytes(1002)
    first = shelf.cut(one, 512)
    second = shelf.cut(two, 512)
    assert shelf.cut(one, 512) is first
    assert shelf.cut(one, 500) is not first
    shelf.cut(three, 512)
    assert shelf.cut(two, 512) is not second
    assert shelf.cut(bytes(5000), 512) is None
