import asyncio

from provd.app.files import FileReply
from provd.http.connection import Limits, Phase, _readable
from tests.http.kit import Bed, DictFiles, phone_bed, until
from tests.kit.patience import PATIENCE

SMALL = FileReply(found=True, body=b"small\n", etag="s1")
LARGE = FileReply(found=True, body=bytes(32 << 20), etag="l1", large=True)


def later(bed: Bed, seconds: float) -> float:
    """The time of the loop so long after something last happened to a connection: however long ago that is by now."""
    return max(each.since for each in bed.server._connections._open) + seconds


async def test_a_header_has_ten_seconds():
    async with phone_bed() as bed:
        phone = await bed.client()
        phone.send("GET /a HTTP/1.1\r\n")
        await asyncio.sleep(0.03)
        bed.server.sweep(later(bed, 9.5))
        assert bed.server.stats.open == 1
        bed.server.sweep(later(bed, 10.1))
        assert await phone.closed()
        assert bed.server.stats.cut == {"header": 1}
        assert [(fact.ID, fact.count, fact.peer, fact.phase) for fact in bed.facts] == [
            ("HTTP-SLOW", 1, "127.0.0.1", "header")
        ]


async def test_who_connects_and_says_nothing_has_ten_seconds_too():
    async with phone_bed() as bed:
        phone = await bed.client()
        await until(lambda: bed.server.stats.open)
        bed.server.sweep(later(bed, 10.1))
        assert await phone.closed()
        assert bed.server.stats.cut == {"new": 1}
        assert bed.facts == []


async def test_dribbling_octets_do_not_buy_time():
    async with phone_bed() as bed:
        phone = await bed.client()
        await phone.ask("GET /a")
        [connection] = bed.server._connections._open
        phone.send("GET /a HT")
        await until(lambda: connection.phase is Phase.HEADER)
        began = connection.since
        await asyncio.sleep(0.02)
        phone.send("TP/1.1\r\nX:")
        await asyncio.sleep(0.02)
        bed.server.sweep(began + 10.001)
        assert await phone.closed()


async def test_an_idle_connection_is_closed_after_fifteen_seconds_without_a_fact():
    async with phone_bed() as bed:
        phone = await bed.client()
        await phone.ask("GET /a")
        bed.server.sweep(later(bed, 14))
        assert (await phone.ask("GET /a")).status == 404
        bed.server.sweep(later(bed, 15.1))
        assert await phone.closed()
        assert bed.server.stats.cut == {"idle": 1}
        assert bed.facts == []


async def test_a_body_has_thirty_seconds():
    async with phone_bed() as bed:
        phone = await bed.client()
        phone.send("PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        await asyncio.sleep(0.03)
        bed.server.sweep(later(bed, 29))
        assert bed.server.stats.open == 1
        bed.server.sweep(later(bed, 30.1))
        assert await phone.closed()
        assert bed.server.stats.cut == {"body": 1}


async def test_who_stops_reading_is_cut_and_has_not_got_the_file():
    files = DictFiles({"fw.rom": LARGE})
    async with phone_bed(files) as bed:
        phone = await bed.client()
        phone.send("GET /fw.rom HTTP/1.1\r\nHost: x\r\n\r\n")
        await phone.reader.readexactly(1 << 20)
        await asyncio.sleep(0.05)
        bed.server.sweep(later(bed, 59))
        assert bed.server.stats.open == 1
        bed.server.sweep(later(bed, 60.1))
        await until(lambda: not bed.server.stats.open)
        assert files.delivered == []
        assert bed.server.stats.cut == {"answer": 1}
        assert [fact.ID for fact in bed.facts] == ["HTTP-SLOW"]


async def test_a_slow_reader_that_reads_is_served_to_the_end():
    files = DictFiles({"fw.rom": LARGE})
    async with phone_bed(files) as bed:
        phone = await bed.client()
        phone.send("GET /fw.rom HTTP/1.1\r\nHost: x\r\n\r\n")
        await phone.reader.readuntil(b"\r\n\r\n")
        [connection] = bed.server._connections._open
        left = len(LARGE.body)
        while left:
            before = connection.since
            left -= len(await phone.reader.readexactly(min(left, 4 << 20)))
            # What was read makes room for more, unless all of it is on its way.
            await until(lambda before=before: connection.since > before or connection.phase is Phase.IDLE)
            if connection.phase is Phase.ANSWER:
                connection.since -= 50
                bed.server.sweep(asyncio.get_running_loop().time())
        await until(lambda: files.delivered)
        assert files.delivered == [("/fw.rom", False)]


async def test_work_of_ours_is_not_held_against_the_phone():
    files = DictFiles({"a.cfg": SMALL}, slow={"a.cfg"}, gate=asyncio.Event())
    async with phone_bed(files) as bed:
        phone = await bed.client()
        asking = asyncio.ensure_future(phone.ask("GET /a.cfg"))
        await until(lambda: files.asked)
        bed.server.sweep(later(bed, 100))
        files.gate.set()
        assert (await asking).body == SMALL.body


async def test_one_address_has_a_limit_of_connections():
    async with phone_bed(limits=Limits(per_address=3, sweep=3600)) as bed:
        phones = [await bed.client() for _ in range(3)]
        await until(lambda: bed.server.stats.open == 3)
        assert await (await bed.client()).closed()
        assert await (await bed.client()).closed()
        assert [(fact.ID, fact.peer, fact.limit) for fact in bed.facts] == [("HTTP-CONNECTIONS", "127.0.0.1", 3)]
        assert (await phones[0].ask("GET /a")).status == 404
        phones[1].close()
        await until(lambda: bed.server.stats.open == 2)
        assert (await (await bed.client()).ask("GET /a")).status == 404
        assert bed.server.stats.refused_connections == 2
        bed.clock.time += 61
        await until(lambda: bed.server.stats.open == 3)
        assert await (await bed.client()).closed()
        assert len(bed.facts) == 2


async def test_a_trusted_proxy_has_no_limit_but_the_total_has():
    limits = Limits(per_address=1, total=2, sweep=3600)
    async with phone_bed(limits=limits, trusted=("127.0.0.1/32",)) as bed:
        assert (await (await bed.client()).ask("GET /a")).status == 404
        assert (await (await bed.client()).ask("GET /a")).status == 404
        assert await (await bed.client()).closed()
        assert bed.facts[0].limit == 2


async def test_the_sweep_runs_by_itself():
    async with phone_bed(limits=Limits(header=0.03, sweep=0.01)) as bed:
        phone = await bed.client()
        phone.send("GET")
        assert await asyncio.wait_for(phone.closed(), PATIENCE)


async def test_answers_are_counted():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        await phone.ask("GET /a.cfg")
        await phone.ask("GET /b.cfg")
        await phone.ask("POST /b.cfg")
        await until(lambda: sum(bed.server.stats.answers.values()) == 3)
        assert bed.server.stats.answers == {200: 1, 404: 1, 405: 1}
        assert bed.server.stats.connections == 1


async def test_a_complete_upload_with_a_closed_sending_side_is_answered_and_a_cut_one_is_not_waited_for():
    async with phone_bed() as bed:
        for body in (b"whole", b"half"):
            phone = await bed.client()
            phone.send(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n" + body)
            phone.writer.write_eof()
            answer = await asyncio.wait_for(phone.reader.read(), PATIENCE)
            assert answer == b"" or answer.startswith(b"HTTP/1.1 405 ")


async def test_a_user_agent_with_octets_that_are_no_text_is_read():
    files = DictFiles({"a.cfg": SMALL})
    async with phone_bed(files) as bed:
        phone = await bed.client()
        for agent in ("AVAYA/SIP12x0\x16/04.00", "\x7fA\x01B", "ordinary"):
            answer = await phone.ask("GET /a.cfg", f"User-Agent: {agent}")
            assert answer.body == SMALL.body
    assert [request.user_agent for request in files.asked] == ["AVAYA/SIP12x0?/04.00", "?A?B", "ordinary"]


async def test_control_characters_elsewhere_are_refused_and_no_body_is_touched():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        assert (await phone.ask("GET /a.cfg", "Accept: a\x16b")).status == 400
    upload = b"PUT /a HTTP/1.1\r\n\r\n\r\nUser-Agent: a\x16"
    assert _readable(upload) == upload
