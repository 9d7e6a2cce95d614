"""The sending machine, spoken to by hand."""

from __future__ import annotations

import pytest

from provd.tftp.options import Terms
from provd.tftp.packet import Ack, Data, Error, OptionAck, decode
from provd.tftp.transfer import TOO_LONG, Outcome, Timing, Transfer, netascii

OACK = OptionAck({"blksize": "8"}).encode()


class Talk:
    """``talk.ack(3)`` answers with what the machine sends: block numbers on the wire, or the packet."""

    def __init__(self, size: int, terms: Terms | None = None, *, lifetime: float = 30.0) -> None:
        self.content = bytes(i % 251 for i in range(size))
        self.transfer = Transfer(self.content, terms or Terms(), lifetime=lifetime)
        self.now = 100.0

    def _shown(self, send: object) -> list[object]:
        packets = [decode(datagram) for datagram in self.transfer.datagrams(send)]  # type: ignore[arg-type]
        return [packet.block if isinstance(packet, Data) else packet for packet in packets]

    def start(self) -> list[object]:
        return self._shown(self.transfer.start(self.now))

    def hear(self, datagram: bytes, after: float = 0.001) -> list[object]:
        self.now += after
        return self._shown(self.transfer.receive(datagram, self.now))

    def ack(self, block: int, after: float = 0.001) -> list[object]:
        return self.hear(Ack(block).encode(), after)

    def wait(self) -> tuple[float, list[object]]:
        """Let the deadline pass: after how many seconds, and what is sent then."""
        before, self.now = self.now, self.transfer.deadline
        return round(self.now - before, 3), self._shown(self.transfer.expire(self.now))


@pytest.mark.parametrize(
    ("size", "payloads"),
    [(0, [0]), (1, [1]), (511, [511]), (512, [512, 0]), (513, [512, 1]), (1024, [512, 512, 0])],
)
def test_the_final_block_is_shorter_than_blksize(size: int, payloads: list[int]) -> None:
    transfer = Transfer(bytes(size), Terms(), lifetime=30)
    send, seen, block = transfer.start(0.0), [], 0
    while transfer.outcome is None:
        for datagram in transfer.datagrams(send):
            seen.append(len(datagram) - 4)
            block += 1
        send = transfer.receive(Ack(block).encode(), 0.0)
    assert seen == payloads
    assert transfer.outcome is Outcome.COMPLETE


def test_lock_step() -> None:
    talk = Talk(1100)
    assert talk.start() == [1]
    assert talk.ack(1) == [2]
    assert talk.ack(2) == [3]
    assert talk.ack(3) == []
    assert talk.transfer.outcome is Outcome.COMPLETE
    assert talk.transfer.acked == talk.transfer.last == 3


def test_the_short_way_sends_the_same_octets() -> None:
    talk, other = Talk(512 * 40 + 7), Talk(512 * 40 + 7)
    talk.start()
    other.start()
    short = 0
    for block in range(1, 42):
        ack = Ack(block).encode()
        expected = other.transfer.datagrams(other.transfer.receive(ack, 100.0))
        datagram = talk.transfer.next_block(ack, 100.0)
        short += datagram is not None
        got = [datagram] if datagram is not None else talk.transfer.datagrams(talk.transfer.receive(ack, 100.0))
        assert got == expected
    assert talk.transfer.outcome is other.transfer.outcome is Outcome.COMPLETE
    assert short > 30


def test_the_short_way_is_for_the_awaited_ack_only() -> None:
    talk = Talk(5000)
    talk.start()
    for datagram in (b"", b"\0\4", Ack(0).encode(), Ack(2).encode(), Error(0).encode(), Ack(1).encode() + b"\0"):
        assert talk.transfer.next_block(datagram, talk.now) is None
    assert talk.transfer.acked == 0
    assert talk.transfer.next_block(Ack(1).encode(), talk.now) == Data(2, talk.content[512:1024]).encode()
    assert talk.transfer.next_block(Ack(1).encode(), talk.now) is None


def test_sorcerers_apprentice_a_duplicate_ack_sends_nothing() -> None:
    talk = Talk(5000)
    talk.start()
    assert [talk.ack(1), talk.ack(1), talk.ack(1)] == [[2], [], []]
    assert talk.ack(2) == [3]
    assert talk.ack(1) == []
    assert talk.ack(9) == []
    assert talk.transfer.acked == 2


def test_oack_waits_for_ack_zero() -> None:
    talk = Talk(20, Terms(blksize=8, oack=OACK))
    assert talk.start() == [decode(OACK)]
    assert talk.ack(1) == []
    assert talk.wait() == (pytest.approx(0.999), [decode(OACK)])
    assert talk.ack(0) == [1]
    assert talk.ack(0) == []
    assert talk.ack(1) == [2]


def test_error_8_ends_it() -> None:
    talk = Talk(20, Terms(blksize=8, oack=OACK))
    talk.start()
    assert talk.hear(Error(8, "no").encode()) == []
    assert talk.transfer.outcome is Outcome.REFUSED
    assert not talk.transfer.heard
    assert talk.ack(0) == []
    assert talk.transfer.expire(1e9) is None


def test_what_is_neither_ack_nor_error_is_ignored() -> None:
    talk = Talk(5000)
    talk.start()
    for datagram in (b"", b"\0\4\0", Data(1, b"x").encode(), OACK, b"\1\4\0\1", b"\0\x09\0\1"):
        assert talk.hear(datagram) == []
    assert talk.ack(1) == [2]


def test_a_window_is_sent_at_once_and_acknowledged_once() -> None:
    talk = Talk(80, Terms(blksize=8, windowsize=4, oack=OACK))
    talk.start()
    assert talk.ack(0) == [1, 2, 3, 4]
    assert talk.ack(4) == [5, 6, 7, 8]
    assert talk.ack(8) == [9, 10, 11]
    assert talk.ack(11) == []
    assert talk.transfer.outcome is Outcome.COMPLETE


def test_an_ack_inside_the_window_goes_on_from_there() -> None:
    talk = Talk(80, Terms(blksize=8, windowsize=4, oack=OACK))
    talk.start()
    assert talk.ack(0) == [1, 2, 3, 4]
    assert talk.ack(2) == [3, 4, 5, 6]
    assert talk.ack(2) == []
    assert talk.wait()[1] == [3, 4, 5, 6]
    assert talk.ack(6) == [7, 8, 9, 10]


def test_first_contact_is_three_datagrams_and_then_silence() -> None:
    talk = Talk(5000)
    assert talk.start() == [1]
    assert talk.wait() == (1.0, [1])
    assert talk.wait() == (4.0, [1])
    assert talk.wait() == (5.0, [])
    assert talk.transfer.outcome is Outcome.SILENT
    assert not talk.transfer.heard


def test_five_resends_with_exponential_back_off_for_a_client_that_was_there() -> None:
    talk = Talk(5000)
    talk.start()
    assert talk.ack(1) == [2]
    waits = [talk.wait() for _ in range(6)]
    assert waits == [(0.05, [2]), (0.2, [2]), (0.8, [2]), (3.2, [2]), (5.0, [2]), (5.0, [])]
    assert talk.transfer.outcome is Outcome.SILENT
    assert talk.transfer.resent == 5


def test_the_time_out_follows_the_round_trip_time() -> None:
    talk = Talk(50_000)
    talk.start()
    for block in range(1, 9):
        talk.ack(block, after=0.4)
    assert 0.4 < talk.wait()[0] < 1.0


def test_an_ambiguous_round_trip_is_not_measured_but_the_longer_time_out_stays() -> None:
    talk = Talk(50_000)
    talk.start()
    talk.ack(1)
    assert talk.wait() == (0.05, [2])
    assert talk.ack(2) == [3]
    assert talk.wait()[0] == pytest.approx(0.2)
    talk.ack(3)
    talk.ack(4)
    assert talk.wait()[0] == pytest.approx(0.05)


def test_the_clients_time_out_is_honoured() -> None:
    talk = Talk(5000, Terms(timeout=3, oack=OptionAck({"timeout": "3"}).encode()))
    talk.start()
    assert talk.wait()[0] == 3.0
    talk.ack(0)
    assert talk.wait()[0] == 3.0
    talk.ack(1)
    assert [talk.wait()[0] for _ in range(3)] == [3.0, 5.0, 5.0]


def test_a_clients_time_out_beyond_ours_is_not_shortened() -> None:
    talk = Talk(5000, Terms(timeout=9, oack=OptionAck({"timeout": "9"}).encode()), lifetime=600)
    talk.start()
    assert [talk.wait()[0], talk.wait()[0]] == [9.0, 9.0]


def test_a_transfer_has_a_total_deadline() -> None:
    talk = Talk(512 * 100, lifetime=30)
    talk.start()
    block = 0
    while talk.transfer.outcome is None and talk.now < 200:
        if talk.transfer.deadline < talk.now + 2.9:
            wait = talk.wait()
        else:
            block += 1
            talk.ack(block, after=2.9)
    assert talk.now == 130.0
    assert talk.transfer.outcome is Outcome.TOO_LONG
    assert wait[1] == [decode(TOO_LONG)]


def test_too_long_is_not_said_to_an_address_that_may_be_forged() -> None:
    transfer = Transfer(b"x", Terms(timeout=255, oack=b"\0\6"), lifetime=30)
    transfer.start(0.0)
    assert transfer.deadline == 30
    assert transfer.expire(30) is None
    assert transfer.outcome is Outcome.TOO_LONG


def test_nothing_is_due_before_the_deadline() -> None:
    talk = Talk(5000)
    talk.start()
    assert talk.transfer.expire(talk.transfer.deadline - 0.001) is None
    assert talk.transfer.resends == 0
    assert talk.transfer.quiet(talk.now + 2) == 2


def test_more_than_65535_blocks() -> None:
    size = 600_000
    talk = Talk(size, Terms(blksize=8, oack=OACK), lifetime=600)
    talk.start()
    received = bytearray()
    sends: list[bytes] = talk.transfer.datagrams(talk.transfer.receive(Ack(0).encode(), 100.0))
    numbers = set()
    while sends:
        (datagram,) = sends
        numbers.add(datagram[2:4])
        received += datagram[4:]
        ack = b"\0\4" + datagram[2:4]
        block = talk.transfer.next_block(ack, 100.0)
        sends = [block] if block is not None else talk.transfer.datagrams(talk.transfer.receive(ack, 100.0))
    assert talk.transfer.outcome is Outcome.COMPLETE
    assert talk.transfer.last == 75001
    assert received == talk.content
    assert b"\0\0" in numbers


def test_a_window_across_the_roll_over() -> None:
    talk = Talk(8 * 70_000, Terms(blksize=8, windowsize=16, oack=OACK), lifetime=600)
    talk.start()
    talk.ack(0)
    for block in range(16, 65537 + 32, 16):
        sent = talk.ack(block & 0xFFFF)
    assert sent == [(block + i) & 0xFFFF for i in range(1, 17)]


@pytest.mark.parametrize(
    ("text", "travels"),
    [(b"", b""), (b"a\nb", b"a\r\nb"), (b"a\rb", b"a\r\0b"), (b"\r\n", b"\r\0\r\n"), (b"\n\n\r", b"\r\n\r\n\r\0")],
)
def test_netascii(text: bytes, travels: bytes) -> None:
    assert netascii(text) == travels
    assert netascii(memoryview(text)) == travels


def test_netascii_pairs_may_be_split_between_blocks() -> None:
    body = netascii(b"x" * 511 + b"\n" + b"y" * 510 + b"\r")
    transfer = Transfer(body, Terms(), lifetime=30)
    first, second, third = (transfer.datagrams(range(block, block + 1))[0] for block in (1, 2, 3))
    assert (first[-1:], second[4:5], second[-1:], third[4:]) == (b"\r", b"\n", b"\r", b"\0")


def test_timing_is_a_setting() -> None:
    transfer = Transfer(b"x", Terms(), lifetime=30, timing=Timing(initial=0.25, first_resends=0))
    transfer.start(0.0)
    assert transfer.deadline == 0.25
    assert transfer.expire(0.25) is None
    assert transfer.outcome is Outcome.SILENT
