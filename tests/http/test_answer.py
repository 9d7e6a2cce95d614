from provd.app.files import FileReply
from provd.http.answer import DateLine
from tests.http.kit import DictFiles, FixedClock, phone_bed

SMALL = FileReply(found=True, body=b"small\n", etag="s1")


async def test_an_answer_is_one_piece():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        assert (await phone.ask("GET /a.cfg")).head == (
            b"HTTP/1.1 200 OK\r\nServer: provd\r\nCache-Control: no-store\r\n"
            b'ETag: "s1"\r\nContent-Type: text/plain; charset=utf-8\r\n'
            b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Length: 6\r\n\r\n"
        )
        assert (await phone.ask("GET /b.cfg")).head == (
            b"HTTP/1.1 404 Not Found\r\nServer: provd\r\nCache-Control: no-store\r\n"
            b"Date: Fri, 15 Jan 2027 08:00:00 GMT\r\nContent-Length: 0\r\n\r\n"
        )
        assert b"Content-Length" not in (await phone.ask("GET /a.cfg", 'If-None-Match: "s1"')).head


async def test_the_connection_header_follows_the_version():
    async with phone_bed(DictFiles({"a.cfg": SMALL})) as bed:
        phone = await bed.client()
        phone.send("GET /a.cfg HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        answer = await phone.answer()
        assert answer.head.startswith(b"HTTP/1.0 200 OK\r\n")
        assert answer.headers["Connection"] == "keep-alive"
        answer = await phone.ask("GET /a.cfg", "Connection: close")
        assert answer.headers["Connection"] == "close"
        assert await phone.closed()


async def test_a_header_value_cannot_begin_another_line():
    files = DictFiles(
        {
            name: FileReply(found=True, etag="e", content_type=kind)
            for name, kind in {"a": "text/plain\r\nX-Evil: 1", "b": "text/plain\nX-Evil: 1", "c": "text/plaïn"}.items()
        }
    )
    async with phone_bed(files) as bed:
        for name in "abc":
            answer = await (await bed.client()).ask(f"GET /{name}")
            assert (answer.status, "X-Evil" in answer.headers) == (500, False)
        assert {fact.ID for fact in bed.facts} == {"INTERNAL-ERROR"}


async def test_who_closes_its_sending_side_early_is_answered():
    async with phone_bed(DictFiles({"a.cfg": SMALL}, slow={"a.cfg"})) as bed:
        phone = await bed.client()
        phone.send("GET /a.cfg HTTP/1.0\r\n\r\n")
        phone.writer.write_eof()
        assert (await phone.answer()).body == SMALL.body
        assert await phone.closed()


def test_the_date_is_made_once_a_second():
    clock = FixedClock(0.25)
    date = DateLine(clock)
    first = date()
    assert first == b"Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    clock.time = 0.75
    assert date() is first
    clock.time = 1.0
    assert date() == b"Date: Thu, 01 Jan 1970 00:00:01 GMT\r\n"
