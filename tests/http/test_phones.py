import asyncio
import contextlib
import random
import re
import ssl

import pytest

from provd.app.files import FileReply
from provd.base.errors import ConfigError
from provd.http.phones import PhoneServer
from provd.http.tls import Pair, Tls
from tests.http.kit import DictFiles, FixedClock, phone_bed, until
from tests.kit.patience import PATIENCE

CONFIG = FileReply(found=True, body=b"account.1.enable = 1\n", etag="c1")
COMMON = FileReply(found=True, body=b"common\n", etag="k1", private=False)
IMAGE = FileReply(
    found=True,
    body=memoryview(bytes(range(256)) * 4000),
    content_type="application/octet-stream",
    etag="f1",
    private=False,
    large=True,
)


def shelf() -> DictFiles:
    return DictFiles({"805ec0112233.cfg": CONFIG, "y28.cfg": COMMON, "fw.rom": IMAGE}, slow={"805ec0112233.cfg"})


async def test_a_phone_fetches_its_file():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        answer = await phone.ask("GET /provision/805ec0112233.cfg", "User-Agent: Acme P1 1.2.3 80:5e:c0:11:22:33")
        assert (answer.status, answer.body) == (200, CONFIG.body)
        assert answer.headers["Content-Length"] == str(len(CONFIG.body))
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["ETag"] == '"c1"'
        assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
        assert not {"Transfer-Encoding", "Content-Encoding"} & set(answer.headers)
        asked = bed.files.asked[0]
        assert (asked.path, asked.peer, asked.local) == ("/provision/805ec0112233.cfg", "127.0.0.1", "127.0.0.1")
        assert asked.user_agent == "Acme P1 1.2.3 80:5e:c0:11:22:33"
        assert asked.direct
        assert not asked.secure
        assert bed.files.delivered == [("/provision/805ec0112233.cfg", False)]


async def test_a_coded_file_says_so():
    coded = FileReply(found=True, body=b"\0\1\2", etag="e1", coding="aes128gcm")
    async with phone_bed(DictFiles({"a.enc": coded})) as bed:
        phone = await bed.client()
        answer = await phone.ask("GET /a.enc")
        assert (answer.status, answer.body, answer.headers["Content-Encoding"]) == (200, coded.body, "aes128gcm")
        assert "Content-Encoding" not in (await phone.ask("GET /a.enc", 'If-None-Match: "e1"')).headers


async def test_common_content_may_be_kept_but_is_asked_for_again():
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /y28.cfg")
        assert answer.headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("name", ["805ec0112233.cfg", "y28.cfg", "fw.rom", "unknown.cfg"])
async def test_head_is_get_without_the_body(name):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        got = await phone.ask(f"GET /{name}")
        delivered = list(bed.files.delivered)
        head = await phone.ask(f"HEAD /{name}")
        assert (head.status, head.headers | {"Date": ""}) == (got.status, got.headers | {"Date": ""})
        assert bed.files.delivered == delivered


@pytest.mark.parametrize("coding", ["gzip, deflate, br", "identity"])
async def test_nothing_is_coded_or_chunked(coding):
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /fw.rom", f"Accept-Encoding: {coding}", "TE: chunked")
        assert answer.body == bytes(IMAGE.body)
        assert not {"Transfer-Encoding", "Content-Encoding"} & set(answer.headers)


async def test_an_unchanged_file_is_not_sent_again():
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /805ec0112233.cfg", 'If-None-Match: "c1"')
        assert (answer.status, answer.body) == (304, b"")
        assert answer.headers["ETag"] == '"c1"'
        assert answer.headers["Cache-Control"] == "no-store"
        assert bed.files.delivered == [("/805ec0112233.cfg", True)]


async def test_firmware_is_resumed():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        part = await phone.ask("GET /fw.rom", "Range: bytes=0-99")
        assert (part.status, part.headers["Content-Range"]) == (206, "bytes 0-99/1024000")
        assert part.headers["Accept-Ranges"] == "bytes"
        assert bed.files.delivered == []
        rest = await phone.ask("GET /fw.rom", "Range: bytes=100-", 'If-Range: "f1"')
        assert part.body + rest.body == bytes(IMAGE.body)
        assert bed.files.delivered == [("/fw.rom", False)]
        tail = await phone.ask("GET /fw.rom", "Range: bytes=-5")
        assert tail.body == bytes(IMAGE.body[-5:])
        beyond = await phone.ask("GET /fw.rom", "Range: bytes=99999999-")
        assert (beyond.status, beyond.headers["Content-Range"], beyond.body) == (416, "bytes */1024000", b"")


async def test_a_resume_after_the_image_was_changed_gets_the_whole_new_one():
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /fw.rom", "Range: bytes=100-", 'If-Range: "older"')
        assert (answer.status, answer.body) == (200, bytes(IMAGE.body))


async def test_overlapping_ranges_do_not_multiply_the_output():
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /fw.rom", "Range: bytes=" + ",".join(["0-"] * 500))
        assert (answer.status, len(answer.body)) == (200, len(IMAGE.body))


async def test_a_stale_precondition_fails():
    async with phone_bed(shelf()) as bed:
        answer = await (await bed.client()).ask("GET /fw.rom", 'If-Match: "older"')
        assert (answer.status, answer.body) == (412, b"")


@pytest.mark.parametrize(
    "target",
    [
        "/unknown.cfg",
        "/",
        "/../805ec0112233.cfg",
        "/x/%2e%2e/805ec0112233.cfg",
        "/x%2f805ec0112233.cfg",
        "/x\\805ec0112233.cfg",
        "/805ec0112233.cfg%00",
        "/%ff",
    ],
)
async def test_unknown_and_tricky_names_get_the_same_404(target):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        unknown = await phone.ask("GET /nobody-has-this")
        answer = await phone.ask(f"GET {target}")
        assert answer.status == 404
        assert len(answer.head) == len(unknown.head)
        assert answer.headers | {"Date": ""} == unknown.headers | {"Date": ""}
        assert answer.headers["Content-Length"] == "0"
        assert len(bed.files.asked) == 2
        assert bed.files.delivered == []


async def test_a_tricky_name_that_the_service_would_give_out_is_still_404():
    async with phone_bed(DictFiles({"..%2Fa": CONFIG, "%2Fx%252fa": CONFIG})) as bed:
        assert (await (await bed.client()).ask("GET /x%2fa")).status == 404


@pytest.mark.parametrize("target", ["http://elsewhere.example/p/y28.cfg", "//p//y28.cfg", "/y28.cfg?a=b", "/%7928.cfg"])
async def test_other_spellings_of_a_path_are_understood(target):
    async with phone_bed(shelf()) as bed:
        assert (await (await bed.client()).ask(f"GET {target}")).status == 200


async def test_the_host_header_does_not_matter():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        for host in ("evil.example", "", "a:b:c", "169.254.169.254"):
            phone.send(f"GET /y28.cfg HTTP/1.1\r\nHost: {host}\r\n\r\n")
            assert (await phone.answer()).body == COMMON.body


async def test_http_1_0_is_answered_and_closed():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send("GET /y28.cfg HTTP/1.0\r\n\r\n")
        assert (await phone.answer()).body == COMMON.body
        assert await phone.closed()


async def test_pipelined_requests_are_answered_in_order():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send("GET /805ec0112233.cfg HTTP/1.1\r\nHost: x\r\n\r\nGET /y28.cfg HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await phone.answer()).body == CONFIG.body
        assert (await phone.answer()).body == COMMON.body


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "PATCH", "PROPFIND"])
async def test_other_methods_are_not_allowed(method):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        answer = await phone.ask(f"{method} /y28.cfg")
        assert (answer.status, answer.headers["Allow"], answer.body) == (405, "GET, HEAD", b"")
        assert (await phone.ask("GET /y28.cfg")).status == 200
        assert [asked.path for asked in bed.files.asked] == ["/y28.cfg"]


@pytest.mark.parametrize(
    "content_type",
    ["application/octet-stream", "multipart/form-data", "text/plain; charset=nonsense", "application/json", "\x80"],
)
async def test_the_upload_of_local_settings_is_refused_whatever_its_type(content_type):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        answer = await phone.ask(
            "PUT /805ec0112233-local.cfg", f"Content-Type: {content_type}", "Content-Length: 9000", body=b"x" * 9000
        )
        assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
        assert (await phone.ask("GET /y28.cfg")).status == 200
        assert bed.facts == []


async def test_an_upload_that_asks_first_is_answered_before_it_is_sent():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        answer = await phone.ask("PUT /x", "Expect: 100-continue", "Content-Length: 100000000")
        assert answer.status == 405
        assert await phone.closed()


async def test_a_body_without_end_is_not_read_to_its_end():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send("PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 100000000\r\n\r\n")
        phone.send(b"x" * (2 << 20))
        assert (await phone.answer()).status == 405


@pytest.mark.parametrize(
    "request_text",
    [
        "GET /y28.cfg HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /y28.cfg HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "GET /y28.cfg HTTP/1.1\r\nHost: x\r\nX-Folded: a\r\n b\r\n\r\n",
        "GET /y28.cfg HTTP/1.1\r\nHost : x\r\n\r\n",
        "GET /y28.cfg HTTP/9.9\r\nHost: x\r\n\r\n",
        "G\x00T /y28.cfg HTTP/1.1\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        "GET /" + "a" * 20_000 + " HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\n" + "".join(f"X-{i}: y\r\n" for i in range(500)) + "\r\n",
    ],
)
async def test_what_is_not_http_is_a_bad_request_and_the_end(request_text):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send(request_text)
        answer = await phone.answer()
        assert (answer.status, answer.body) == (400, b"")
        assert await phone.closed()
        assert bed.facts == []


@pytest.mark.parametrize("name", ["y28.cfg", "fw.rom"])
async def test_who_claims_another_version_is_answered_in_ours(name):
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send(f"GET /{name} HTTP/2.0\r\nHost: x\r\n\r\n")
        answer = await phone.answer()
        assert answer.head.startswith(b"HTTP/1.1 505 ")
        assert answer.body == b""
        assert await phone.closed()


async def test_a_bad_chunk_ends_the_connection():
    async with phone_bed(shelf()) as bed:
        phone = await bed.client()
        phone.send("PUT /x HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n")
        assert (await phone.answer()).status in {400, 405}
        assert bed.facts == []


async def test_a_stranger_cannot_upset_the_url_type():
    async with phone_bed(shelf()) as bed:
        for target in ("http://[::1/y28.cfg", "http://:99999999/y28.cfg", "x://", "http://a b/y28.cfg", "////", "?"):
            phone = await bed.client()
            phone.send(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await phone.answer()).status in {200, 400, 404}
        assert bed.facts == []


@pytest.mark.parametrize("seed", range(4))
async def test_mutilated_requests_get_an_answer_or_the_end_and_nothing_breaks(seed):
    rng = random.Random(seed)
    original = (
        b'GET /provision//805ec0112233.cfg?x=%41 HTTP/1.1\r\nHost: x\r\nRange: bytes=0-9\r\nIf-Range: "a"\r\n'
        b'If-None-Match: W/"b"\r\nX-Forwarded-For: 1.2.3.4, ::1\r\nContent-Length: 3\r\nExpect: x\r\n\r\nabc'
    )
    async with phone_bed(shelf(), trusted=("127.0.0.1/32",)) as bed:
        for _ in range(60):
            octets = bytearray(original)
            for _ in range(rng.randint(1, 6)):
                at = rng.randrange(len(octets))
                octets[at : at + rng.randint(0, 3)] = rng.randbytes(rng.randint(0, 3))
            phone = await bed.client()
            phone.send(bytes(octets))
            phone.writer.write_eof()
            with contextlib.suppress(ConnectionResetError):
                answer = await asyncio.wait_for(phone.reader.read(), PATIENCE)
                assert answer == b"" or re.match(rb"HTTP/1\.[01] [2345]\d\d ", answer)
                assert b" 500 " not in answer[:20]
            phone.close()
        assert bed.facts == []


async def test_behind_a_trusted_proxy_the_forwarded_address_counts_and_proves_less():
    async with phone_bed(shelf(), trusted=("127.0.0.0/8",)) as bed:
        await (await bed.client()).ask("GET /y28.cfg", "X-Forwarded-For: 203.0.113.9, 192.0.2.7")
        assert (bed.files.asked[0].peer, bed.files.asked[0].direct) == ("192.0.2.7", False)


async def test_without_trust_a_forwarded_address_is_ignored():
    async with phone_bed(shelf()) as bed:
        await (await bed.client()).ask("GET /y28.cfg", "X-Forwarded-For: 192.0.2.7")
        assert (bed.files.asked[0].peer, bed.files.asked[0].direct) == ("127.0.0.1", True)


async def test_a_fault_of_ours_is_a_fact_and_one_500():
    class Broken(DictFiles):
        def ready(self, request):
            raise RuntimeError("out of cheese")

    async with phone_bed(Broken()) as bed:
        phone = await bed.client()
        answer = await phone.ask("GET /y28.cfg")
        assert (answer.status, answer.body) == (500, b"")
        assert [(fact.ID, fact.where, fact.reason) for fact in bed.facts] == [
            ("INTERNAL-ERROR", "http", "RuntimeError: out of cheese")
        ]


async def test_a_busy_address_is_a_configuration_error():
    async with phone_bed() as bed:
        other = PhoneServer(DictFiles(), emit=bed.facts.append, clock=FixedClock())
        with pytest.raises(ConfigError, match=f"127.0.0.1:{bed.port}"):
            await other.listen("127.0.0.1", bed.port)
        await other.close()


async def test_several_addresses_and_tls(certificate):
    async with phone_bed(shelf()) as bed:
        _, port = await bed.server.listen("127.0.0.1", 0, Tls(Pair(*certificate)).context)
        trust = ssl.create_default_context(cafile=certificate[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="provd.test")
        writer.write(b"GET /fw.rom HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = await reader.read()
        assert answer.endswith(bytes(IMAGE.body))
        assert bed.files.asked[0].secure
        writer.close()
        await writer.wait_closed()
        assert (await (await bed.client()).ask("GET /y28.cfg")).status == 200


async def test_closing_lets_an_answer_in_hand_finish():
    files = shelf()
    files.gate = asyncio.Event()
    async with phone_bed(files) as bed:
        phone, idle = await bed.client(), await bed.client()
        await idle.ask("GET /y28.cfg")
        asking = asyncio.ensure_future(phone.ask("GET /805ec0112233.cfg"))
        await until(lambda: len(files.asked) == 2)
        closing = asyncio.ensure_future(bed.server.close(grace=PATIENCE))
        assert await idle.closed()
        files.gate.set()
        assert (await asking).body == CONFIG.body
        await closing
