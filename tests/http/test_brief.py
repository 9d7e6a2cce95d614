import pytest

from provd.app.files import FileReply
from provd.http.brief import Brief, headers_of, read, read_form
from tests.http.kit import DictFiles, phone_bed

HEAD = "GET /p/805ec0112233.cfg HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("text", "brief"),
    [
        (f"{HEAD}\r\n", Brief("/p/805ec0112233.cfg", "", keep=True)),
        (f"{HEAD}User-Agent: Acme P1 80:5e \r\n\r\n", Brief("/p/805ec0112233.cfg", "Acme P1 80:5e", keep=True)),
        (f"{HEAD}connection: Close\r\nACCEPT: */*\r\n\r\n", Brief("/p/805ec0112233.cfg", "", keep=False)),
        (f"{HEAD}Connection: Keep-Alive\r\nAccept-Encoding:gzip\r\n\r\n", Brief("/p/805ec0112233.cfg", "", keep=True)),
    ],
)
def test_what_phones_send_is_read(text, brief):
    assert read(text.encode()) == brief


@pytest.mark.parametrize(
    "text",
    [
        "",
        "GET",
        HEAD,
        f"{HEAD}\r\nGET /",
        f"{HEAD}\r\n{HEAD}\r\n",
        f"{HEAD}Host: y\r\n\r\n",
        "GET /a HTTP/1.1\r\n\r\n",
        "GET /a HTTP/1.0\r\nHost: x\r\n\r\n",
        "HEAD /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET  /a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a  HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET //a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /x/../a HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /%41 HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://x/a HTTP/1.1\r\nHost: x\r\n\r\n",
        f"{HEAD}Content-Length: 0\r\n\r\n",
        f"{HEAD}Transfer-Encoding: chunked\r\n\r\n",
        f"{HEAD}Expect: 100-continue\r\n\r\n",
        f"{HEAD}Range: bytes=0-1\r\n\r\n",
        f"{HEAD}If-None-Match: *\r\n\r\n",
        f"{HEAD}X-Forwarded-For: 10.0.0.1\r\n\r\n",
        f"{HEAD}Connection: upgrade\r\n\r\n",
        f"{HEAD}Accept : x\r\n\r\n",
        f"{HEAD} folded\r\n\r\n",
        f"{HEAD}User-Agent: a\rX: b\r\n\r\n",
        f"{HEAD}User-Agent: a\nX: b\r\n\r\n",
        f"{HEAD}User-Agent: a\0b\r\n\r\n",
        f"{HEAD}User-Agent: a\tb\r\n\r\n",
        f"{HEAD}User-Agent: \xe4\r\n\r\n",
        f"{HEAD}no colon\r\n\r\n",
    ],
)
def test_everything_else_is_left_to_the_long_way(text):
    assert read(text.encode("latin-1")) is None


@pytest.mark.parametrize("etag", ['a"b', "a b", "a\r\nX: y", "ä"])
def test_an_etag_that_could_be_misread_is_left_to_the_long_way(etag):
    assert headers_of(FileReply(found=True, etag=etag)) is None


@pytest.mark.parametrize("content_type", ["text/plain\r\nX: y", "text/plain\n", "text/plaïn"])
def test_so_is_such_a_content_type(content_type):
    assert headers_of(FileReply(found=True, content_type=content_type)) is None


@pytest.mark.parametrize("name", ["a.cfg", "b.cfg", "plain.cfg", "none.cfg"])
@pytest.mark.parametrize("option", ["keep-alive", "close"])
async def test_both_ways_give_the_same_octets(name, option):
    files = DictFiles(
        {
            "a.cfg": FileReply(found=True, body=b"own\n", etag="s1"),
            "b.cfg": FileReply(found=True, body=b"common\n", etag="s2", private=False, content_type="text/xml"),
            "plain.cfg": FileReply(found=True, body=b""),
        }
    )
    async with phone_bed(files) as bed:
        briefly = await (await bed.client()).ask(f"GET /{name}", f"Connection: {option}")
        at_length = await (await bed.client()).ask(f"GET /{name}", f"Connection: {option}", "X-Any: thing")
        assert briefly == at_length
        assert [asked.user_agent for asked in files.asked] == ["", ""]
        assert files.asked[0] == files.asked[1]


FORM = b"POST /provision/activate HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\na=1"


def test_a_whole_plain_form_is_read():
    form = read_form(FORM)
    assert form is not None
    assert (form.path, form.body, form.keep) == ("/provision/activate", b"a=1", True)
    assert form.headers == {"host": "x", "content-type": "text/plain", "content-length": "3"}
    closing = read_form(FORM.replace(b"Host: x", b"Connection: Close \r\nhost:x"))
    assert closing is not None
    assert not closing.keep


@pytest.mark.parametrize(
    "octets",
    [
        FORM[:-1],
        FORM + b"\r\n",
        FORM.replace(b"Length: 3", b"Length: +3"),
        FORM.replace(b"Length: 3", b"Length: 03"),
        FORM.replace(b"Host: x", b"Content-Length: 3"),
        FORM.replace(b"Host: x", b"Host: x\r\nTransfer-Encoding: chunked"),
        FORM.replace(b"Host: x", b"Host: x\r\nExpect: 100-continue"),
        FORM.replace(b"Host: x", b"Host: x\r\nContent-Encoding: gzip"),
        FORM.replace(b"Host: x", b"Host: x\r\nX-Forwarded-For: 10.0.0.1"),
        FORM.replace(b"Host: x", b"Host: x\r\n folded"),
        FORM.replace(b"Host: x\r\n", b""),
        FORM.replace(b"Content-Length: 3\r\n", b""),
        FORM.replace(b"Host: x\r\n", b"Host: x\n"),
        FORM.replace(b"HTTP/1.1", b"HTTP/1.0"),
        FORM.replace(b"/activate", b"/activate?a"),
        FORM.replace(b"/activate", b"//activate"),
        FORM.replace(b"/activate", b"/%61ctivate"),
        FORM.replace(b"POST", b"PUT"),
        FORM.replace(b"x\r", b"\xff\r"),
        b"POST /",
        b"",
    ],
)
def test_any_other_form_goes_the_long_way(octets):
    assert read_form(octets) is None
