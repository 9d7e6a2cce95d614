import re
from contextlib import asynccontextmanager
from html.parser import HTMLParser

import pytest
from aiohttp import ClientSession

from provd.base.errors import ConfigError
from provd.http.listening import page_socket
from provd.http.page import PageServer
from tests.http.kit import FixedClock, port_of
from tests.http.show import Site

PAGES = ["/", "/device/805ec0000000", "/device/805ec0000002", "/leases", "/refused", "/status"]


@asynccontextmanager
async def browser(site=None, **options):
    """A running page and ``get(path, **headers)`` that gives the response and its text."""
    clock, facts = FixedClock(), []
    site = site or Site(100, clock.now())
    page = PageServer(site, lambda: b"provd_info 1\n", emit=facts.append, clock=clock, **options)
    port = await port_of(page)
    async with ClientSession() as session:

        async def get(path, method="GET", **headers):
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            async with session.request(method, f"http://127.0.0.1:{port}{path}", headers=named) as answer:
                return answer, await answer.text()

        get.facts = facts
        get.page = page
        get.port = port
        yield get
    await page.close()


class Outline(HTMLParser):
    """Collects tags, attributes and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


async def test_the_overview_shows_every_device_with_the_steps_of_its_boot():
    async with browser() as get:
        answer, html = await get("/")
        assert answer.status == 200
        text = text_of(html)
        assert "80:5e:c0:00:00:00 Reception Acme P21 E2 52.84.0.15 provisioned acme 10.20.16.1 37 s ago" in text
        assert "discover offer +520 ms ack +20 ms y28.cfg +2.1 s $MAC file +300 ms" in text
        assert "all 100" in text
        assert '<span title="2027-01-15T07:59:23Z">37 s ago</span>' in html
        assert '<span class="state provisioned">' in html


async def test_a_hundred_devices_weigh_less_than_sixty_kilobytes():
    async with browser() as get:
        assert len((await get("/"))[1].encode()) + len((await get("/style.css"))[1]) < 60_000


@pytest.mark.parametrize("path", PAGES)
async def test_pages_need_no_script_and_nothing_from_elsewhere(path):
    async with browser() as get:
        answer, html = await get(path)
        assert answer.status == 200
        outline = Outline(html)
        assert not {"script", "iframe", "object", "embed", "img", "style"} & set(outline.tags)
        assert not [name for name, _ in outline.attributes if name.startswith("on") or name == "style"]
        links = [value for name, value in outline.attributes if name in {"href", "src", "action"}]
        assert all(link.startswith(("/", "?")) and not link.startswith("//") for link in links)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/device/805ec0000003", "/?q=%3Cscript%3Ealert(1)%3C/script%3E"])
async def test_names_from_outside_are_escaped(path):
    async with browser() as get:
        _, html = await get(path)
        assert "<script" not in html
        assert "<b>Door" not in html
        assert "&lt;script&gt;" in html


async def test_search_filter_and_paging_go_by_query_string():
    async with browser(Site(240, FixedClock().now())) as get:
        _, html = await get("/")
        assert "page 1 of 3" in text_of(html)
        assert 'href="?page=2"' in html
        _, html = await get("/?page=3&refresh=5")
        assert html.count('class="mac"') == 40
        assert "refresh=5&amp;page=2" in html
        assert '<meta http-equiv="refresh" content="5">' in html
        _, html = await get("/?q=W56&state=unclaimed")
        assert html.count('class="mac"') == 27
        assert 'value="W56"' in html
        _, html = await get("/?tenant=aurora&state=unclaimed")
        assert "of aurora" in html
        assert 'href="?state=unclaimed" aria-current="true"' in html, "the way back to everybody's"
        _, html = await get("/?q=nobody")
        assert "No device matches" in html


@pytest.mark.parametrize("page", ["0", "-1", "x", "9" * 400, "", "٣", "99999"])
async def test_a_page_number_that_is_none_harms_nobody(page):
    async with browser() as get:
        answer, _ = await get(f"/?page={page}&refresh={page}")
        assert answer.status == 200
        assert get.facts == []


async def test_an_empty_site_says_what_to_do():
    async with browser(Site(0, FixedClock().now())) as get:
        assert "No device has been seen yet" in (await get("/"))[1]
        assert "No address has been leased" in (await get("/leases"))[1]
        assert "Nothing was refused" in (await get("/refused"))[1]


async def test_what_phones_have_to_get_from_somebody_else_is_said_where_one_waits_for_them():
    site = Site(0, FixedClock().now())
    async with browser(site) as get:
        assert 'class="note"' not in (await get("/"))[1]
        site.left_out = ("Nobody is answered over DHCP",)
        assert "Nobody is answered over DHCP" in text_of((await get("/"))[1])
        assert "Nobody is answered over DHCP" in text_of((await get("/status"))[1])


async def test_one_device_says_first_what_is_wrong_with_it_and_what_to_do():
    async with browser() as get:
        _, html = await get("/device/805ec0000000")
        assert html.index("give it its URL") < html.index("Identity")
        assert 'class="finding problem"' in html
        assert "&lt;i&gt;805ec0.cfg" in html


async def test_a_mac_that_nobody_knows_is_given_advice_too():
    async with browser() as get:
        answer, html = await get("/device/0c0c0c0c0c0c")
        assert answer.status == 404
        assert "0c:0c:0c:0c:0c:0c is no device here" in html
        assert "nothing was ever heard from it" in html
        _, html = await get("/?q=0C-0C-0C-0C-0C-0C")
        assert '<a href="/device/0c0c0c0c0c0c">what may be wrong with 0c:0c:0c:0c:0c:0c</a>' in html
        _, html = await get("/?q=nothing-like-it")
        assert "what may be wrong" not in html


async def test_one_device_tells_who_it_is_why_and_what_happened():
    async with browser() as get:
        _, html = await get("/device/80-5E-C0-00-00-00")
        text = text_of(html)
        assert "names model and version" in text
        assert "2.6 s +2.1 s FILE-SERVED y28.cfg, 1.1 kB over http" in text
        assert "Anna Berg 201 a201@sip.acme.test udp" in text
        assert "805ec0000000.cfg device 35 s ago 4.2 kB http" in text
        assert "admin.password *** tenant acme" in text
        _, html = await get("/device/805ec0000002")
        assert "Nobody has claimed this device" in html


@pytest.mark.parametrize("path", ["/device/ffffffffffff", "/device/nonsense", "/nothing", "/templates/base.html"])
async def test_what_is_not_there_is_404(path):
    async with browser() as get:
        answer, html = await get(path)
        assert (answer.status, answer.content_type) == (404, "text/html")
        assert "Not Found" in html


async def test_leases_refusals_and_status():
    async with browser() as get:
        text = text_of((await get("/leases"))[1])
        assert "10.20.16.1 80:5e:c0:00:00:00 active for ever phone-0 acme 10.20.0.0/16" in text
        assert "in 59 min" in text
        text = text_of((await get("/refused"))[1])
        assert "FILE-REFUSED 10.20.99.1 805ec0000000.cfg no lease of ours for 10.20.99.1" in text
        text = text_of((await get("/status"))[1])
        assert "provd 0.1.0 degraded" in text
        assert "tftp 0.0.0.0:69: address in use 10 min ago" in text
        assert "acme 1.2.0 14 88" in text


async def test_machines_ask_how_it_is():
    site = Site(1, FixedClock().now())
    async with browser(site) as get:
        answer, text = await get("/healthz")
        assert (answer.status, text) == (200, "ok\n")
        answer, text = await get("/readyz")
        assert (answer.status, text) == (200, "ready\n")
        site.reasons = ("dhcp: eth1 is down", "store: not open yet")
        answer, text = await get("/readyz")
        assert (answer.status, text, answer.content_type) == (
            503,
            "dhcp: eth1 is down\nstore: not open yet\n",
            "text/plain",
        )
        assert "not ready" in text_of((await get("/status"))[1])
        answer, text = await get("/metrics")
        assert (answer.headers["Content-Type"], text) == ("text/plain; version=0.0.4; charset=utf-8", "provd_info 1\n")
        answer, _ = await get("/favicon.ico")
        assert answer.content_type == "image/svg+xml"


@pytest.mark.parametrize(
    "host",
    ["localhost:8666", "LOCALHOST", "127.0.0.1", "192.0.2.1:80", "[::1]:8666", "provd.example.", "provd.example:1"],
)
async def test_our_own_names_and_addresses_are_answered(host):
    async with browser(hosts=["Provd.example"]) as get:
        assert (await get("/", Host=host))[0].status == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[x]", ":80"])
async def test_a_rebound_name_gets_nothing(host):
    async with browser() as get:
        for path in ("/", "/metrics", "/healthz"):
            answer, text = await get(path, Host=host)
            assert answer.status == 421
            assert "80:5e" not in text


async def test_it_only_shows():
    async with browser() as get:
        answer, _ = await get("/", method="POST")
        assert answer.status == 405
        assert "GET" in answer.headers["Allow"]


async def test_a_defect_of_one_page_is_told_and_leaks_nothing():
    class Broken(Site):
        def states(self):
            raise KeyError("a secret detail")

    async with browser(Broken(1, 1.0)) as get:
        answer, text = await get("/")
        assert answer.status == 500
        assert "secret" not in text
        assert [(fact.ID, fact.where) for fact in get.facts] == [("INTERNAL-ERROR", "page /")]
        assert (await get("/leases"))[0].status == 200


async def test_a_busy_address_is_a_configuration_error_and_more_listeners_are_possible():
    async with browser() as get:
        with pytest.raises(ConfigError, match="cannot listen"):
            page_socket("127.0.0.1", get.port)
        assert await port_of(get.page) != get.port
