"""Pages on which something is done: operations that were asked for, and a browser that signs in."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import ClientSession, CookieJar

from provd.app.admin import Caller, Scope
from provd.http.api.guard import Guard
from provd.http.page import PageServer, Part
from provd.http.signin import Sessions
from tests.http.kit import FixedClock, port_of
from tests.http.show import Site

TOKENS = {
    "root": Caller(name="token r (root)"),
    "reader": Caller(name="token l (lea)", scopes=frozenset({Scope.READ})),
    "blue": Caller(name="token b (blue)", tenant="blue"),
}


class Operations:
    """Answers as it was told, or raises it; keeps what was asked."""

    def __init__(self, **answers: Any) -> None:
        self.answers: dict[str, Any] = {name.replace("_", ".", 1): answer for name, answer in answers.items()}
        self.asked: list[tuple[str, dict[str, object], str]] = []

    async def call(self, name: str, params: Mapping[str, object], caller: Caller) -> object:
        self.asked.append((name, dict(params), caller.name))
        answer = self.answers[name]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def of(self, name: str) -> list[dict[str, object]]:
        return [params for asked, params, _ in self.asked if asked == name]


@dataclass
class Visitor:
    session: ClientSession
    base: str
    facts: list[object] = field(default_factory=list)
    word: str = ""

    async def get(self, path: str, status: int = 200) -> str:
        async with self.session.get(self.base + path) as answer:
            text = await answer.text()
            assert answer.status == status, (answer.status, text)
            assert self.facts == []
        found = re.search(r'name="word" value="([^"]+)"', text)
        self.word = found[1] if found else self.word
        return text

    async def post(self, path: str, **form: str) -> tuple[int, str]:
        """The status, and where it leads to or what it says."""
        data = {"word": self.word, **{name.rstrip("_"): value for name, value in form.items()}}
        async with self.session.post(self.base + path, data=data, allow_redirects=False) as answer:
            text = answer.headers.get("Location") or await answer.text()
            assert self.facts == []
            return answer.status, text

    async def sign_in(self, here: str, token: str) -> None:
        assert (await self.post(f"{here}/sign-in", token=token)) == (303, here)
        await self.get(here)


@asynccontextmanager
async def visited(make: Callable[[Sessions], Part]) -> AsyncIterator[Visitor]:
    """A page with this part of it, and somebody who has not signed in."""
    clock, facts = FixedClock(), list[object]()

    def known(token: str, _peer: str) -> Caller | None:
        return TOKENS.get(token)

    sessions = Sessions(known, Guard(known, facts.append, clock), clock)
    page = PageServer(Site(1, 1.0), lambda: b"", emit=facts.append, clock=clock, parts=(make(sessions),))
    port = await port_of(page)
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        yield Visitor(session, f"http://127.0.0.1:{port}", facts)
    await page.close()
