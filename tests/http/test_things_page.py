"""The page about devices that are not phones, and the one thing that can be done there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession, CookieJar

from provd.app.admin import Caller, Scope
from provd.base.errors import ConflictError
from provd.http.api.guard import ATTEMPTS, Guard
from provd.http.page import PageServer
from provd.http.signin import LASTS, Sessions
from provd.http.things_page import ThingsPage
from provd.http.views import SilentRow, ThingModelRow, ThingsView
from tests.http.kit import FixedClock, port_of
from tests.http.show import Site

TOKENS = {
    "writer": Caller(name="token w (ann)", tenant="blue", scopes=frozenset({Scope.WRITE})),
    "reader": Caller(name="token r", tenant="blue", scopes=frozenset({Scope.READ})),
    "other": Caller(name="token o", tenant="green", scopes=frozenset({Scope.ADMIN})),
}


class Views:
    """One model of the blue tenant's, with a silent device that has an odd serial."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, str, str]] = []
        self.fault = ""

    async def things(self) -> ThingsView:
        row = ThingModelRow(vendor="acme", model="s2", tenant="blue", window=7200, in_ranges=256, counts=(5, 1, 3, 0))
        silent = SilentRow("acme", "s2", "<b>S&1", "blue", 990.0)
        states = ("unclaimed", "pending", "activated", "expired")
        return ThingsView((row,), states, (silent,), 1, 995.0, self.fault)

    async def reenable(self, vendor: str, model: str, sn: str, caller: Caller) -> None:
        if sn == "U1":
            raise ConflictError("U1 belongs to nobody yet")
        self.done.append((vendor, model, sn, caller.name))


@dataclass
class Browser:
    session: ClientSession
    base: str
    views: Views
    clock: FixedClock
    tokens: dict[str, Caller]
    facts: list[object] = field(default_factory=list)

    async def get(self, path: str = "/activation") -> str:
        async with self.session.get(self.base + path) as answer:
            assert answer.status == 200
            return await answer.text()

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        async with self.session.post(self.base + path, data=form, allow_redirects=False) as answer:
            return answer.status, answer.headers.get("Location") or await answer.text()

    async def sign_in(self, token: str) -> tuple[int, str]:
        return await self.post("/activation/sign-in", token=token)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    clock, views, tokens, facts = FixedClock(), Views(), dict(TOKENS), []

    def known(token: str, _peer: str) -> Caller | None:
        return tokens.get(token)

    sessions = Sessions(known, Guard(known, facts.append, clock), clock)
    page = PageServer(Site(1, 1.0), lambda: b"", emit=facts.append, clock=clock, parts=(ThingsPage(views, sessions),))
    port = await port_of(page)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Browser(session, f"http://127.0.0.1:{port}", views, clock, tokens, facts)
    await page.close()


def word_in(html: str) -> str:
    found = re.search(r'name="word" value="([^"]+)"', html)
    assert found is not None
    return found[1]


async def test_it_shows_models_with_their_counts_and_who_never_showed_a_key(browser: Browser) -> None:
    html = await browser.get()
    for text in ("acme", "s2", "2 h", "256", "<th>activated</th>", "&lt;b&gt;S&amp;1", "Activated, key never used"):
        assert text in html
    assert "<b>S&1" not in html
    assert "Re-enable</button>" not in html
    assert 'href="/activation" aria-current="page"' in html
    assert "<script" not in html
    browser.views.fault = "the database does not answer"
    assert "the database does not answer" in await browser.get()


async def test_one_click_for_who_has_signed_in(browser: Browser) -> None:
    assert await browser.sign_in("writer") == (303, "/activation")
    (cookie,) = browser.session.cookie_jar
    assert (cookie["httponly"], cookie["samesite"], "writer" in cookie.value) == (True, "Strict", False)
    html = await browser.get()
    assert html.count("Re-enable</button>") == 1
    assert "token w (ann)" in html
    wanted = {"vendor": "acme", "model": "s2", "sn": "<b>S&1"}
    status, where = await browser.post("/activation/reenable", word=word_in(html), **wanted)
    assert status == 303
    assert browser.views.done == [("acme", "s2", "<b>S&1", "token w (ann)")]
    assert where == "/activation"
    assert "acme/s2/&lt;b&gt;S&amp;1 has a full window again" in await browser.get()
    assert "has a full window again" not in await browser.get(), "it is said once"
    status, text = await browser.post("/activation/reenable", word=word_in(html), vendor="a", model="m", sn="U1")
    assert (status, "U1 belongs to nobody yet" in text) == (409, True)
    assert (await browser.post("/activation/sign-out", word=word_in(html)))[0] == 303
    assert "Re-enable</button>" not in await browser.get()


async def test_nobody_else_can(browser: Browser) -> None:
    wanted = {"vendor": "acme", "model": "s2", "sn": "S1"}
    assert (await browser.post("/activation/reenable", word="", **wanted))[0] == 403
    await browser.sign_in("writer")
    # A page of somebody else does not know the word.
    for word in ("", "guessed", "é"):
        assert (await browser.post("/activation/reenable", word=word, **wanted))[0] == 403
    html = await browser.get()
    browser.tokens.pop("writer")
    assert (await browser.post("/activation/reenable", word=word_in(html), **wanted))[0] == 403
    assert browser.views.done == []


@pytest.mark.parametrize("token", ["reader", "other"])
async def test_no_button_for_what_one_may_not(browser: Browser, token: str) -> None:
    await browser.sign_in(token)
    html = await browser.get()
    assert "Re-enable</button>" not in html
    if token == "reader":
        status, _ = await browser.post("/activation/reenable", word=word_in(html), vendor="acme", model="s2", sn="S1")
        assert (status, browser.views.done) == (403, [])


async def test_a_session_ends(browser: Browser) -> None:
    await browser.sign_in("writer")
    browser.clock.time += LASTS
    assert "Re-enable</button>" not in await browser.get()


async def test_guessing_tokens_is_slowed_down(browser: Browser) -> None:
    for _ in range(ATTEMPTS):
        assert (await browser.sign_in("nonsense"))[0] == 401
    assert (await browser.sign_in("nonsense"))[0] == 429
    assert (await browser.sign_in("writer"))[0] == 303
