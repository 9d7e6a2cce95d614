"""Which socket a transfer gets, and what becomes of it afterwards."""

from __future__ import annotations

import select
from collections.abc import Iterator

import pytest

from provd.tftp.berths import Berths
from provd.tftp.packet import Ack, Error
from tests.tftp.kit import FixedFiles, Phone, serving, until
from tests.tftp.test_server import FILES, HELLO, SMALL

HOME = "127.0.0.1"
ANN, BOB = ("10.0.0.1", 2000), ("10.0.0.2", 2000)


@pytest.fixture
def berths() -> Iterator[Berths]:
    with select.epoll() as epoll:
        made = Berths(epoll)
        yield made
        made.close()


def test_a_socket_goes_on_to_another_client(berths: Berths) -> None:
    first = berths.take(ANN, HOME)
    berths.give_back(first)
    assert berths.take(BOB, HOME) is first
    berths.give_back(first)


def test_never_back_to_the_client_that_had_it_last(berths: Berths) -> None:
    ports = set()
    for _ in range(5):
        berth = berths.take(ANN, HOME)
        ports.add(berth.sock.getsockname())
        berths.give_back(berth)
    assert len(ports) == len(berths) == 5


def test_two_transfers_never_share_one(berths: Berths) -> None:
    first, second = berths.take(ANN, HOME), berths.take(BOB, HOME)
    assert first.sock.getsockname() != second.sock.getsockname()
    berths.give_back(first)
    berths.give_back(second)


def test_nor_two_addresses_of_ours(berths: Berths) -> None:
    berths.give_back(berths.take(ANN, HOME))
    other = berths.take(BOB, "127.0.0.2")
    assert other.sock.getsockname()[0] == "127.0.0.2"
    berths.give_back(other)


def test_a_port_is_given_up_after_so_many_transfers(berths: Berths) -> None:
    used = [berths.take(ANN, HOME)]
    berths.give_back(used[0])
    for number in range(63):
        berth = berths.take((BOB, ANN)[number % 2], HOME)
        assert berth is used[0]
        berths.give_back(berth)
    assert used[0].sock.fileno() == -1
    assert len(berths) == 0


def test_a_spoilt_socket_is_closed(berths: Berths) -> None:
    berth = berths.take(ANN, HOME)
    berth.spoilt = True
    berths.give_back(berth)
    assert berth.sock.fileno() == -1


def test_no_more_wait_than_are_wanted(berths: Berths) -> None:
    for berth in [berths.take(("10.0.0.3", port), HOME) for port in range(2000, 2300)]:
        berths.give_back(berth)
    assert len(berths) == 256


async def test_late_datagrams_on_a_waiting_socket() -> None:
    async with serving(FixedFiles(FILES)) as bench:
        with Phone(bench) as phone, Phone(bench) as stranger, Phone(bench) as next_one:
            phone.ask(SMALL)
            assert await phone.hear() == HELLO
            phone.say(Ack(1))
            await until(lambda: bench.server.active == 0)
            phone.say(Ack(1))  # the client's last word once more: nobody is disturbed by it
            stranger.tid = phone.tid
            stranger.say(Ack(1))
            assert await stranger.hear() == Error(5, "unknown transfer ID")
            assert bench.server.stats.strays == 1
            first = phone.tid
            next_one.ask(SMALL)
            assert await next_one.hear() == HELLO
            assert next_one.tid == first
            phone.say(Ack(1))  # later still, while the socket serves somebody else
            assert await phone.hear() == Error(5, "unknown transfer ID")
            assert bench.server.active == 1
            next_one.say(Ack(1))
            await until(lambda: bench.server.active == 0)
        assert bench.files.delivered == ["small.cfg"] * 2
        assert bench.facts == []
