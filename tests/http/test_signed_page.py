"""What all pages have in common on which something can be done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provd.base.facts.daemon import InternalError
from provd.http.page import Part
from provd.http.plugins_page import PluginsPage
from provd.http.signin import Sessions
from provd.http.templates_page import ONE, TemplatesPage
from provd.http.things_page import ThingsPage
from tests.http.pages_kit import Operations, visited
from tests.http.test_templates_page import QUERY, operations
from tests.http.test_things_page import Views

FORM = "application/x-www-form-urlencoded"
PARTS = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\nroot\r\n--x--\r\n'


@pytest.mark.parametrize("path", ["/templates/sign-in", "/templates/sign-out", "/templates/one"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"token=\xff"),
        (f"{FORM}; charset=unicode_escape", b"token=\\ud800&word=\\ud800"),
        (f"{FORM}; charset=nonsense", b"word=\xed\xa0\x80"),
        (f"{FORM}; charset=nonsense", b"token=%ED%A0%80&word=%ED%A0%80"),
        ("multipart/form-data", b"token=root"),
        ("multipart/form-data; boundary=x", b"token=root"),
        ("multipart/form-data; boundary=x", PARTS),
    ],
)
@pytest.mark.parametrize("signed", [True, False])
async def test_what_is_no_form_of_ours_is_refused(path: str, kind: str, body: bytes, signed: bool) -> None:
    async with visited(lambda sessions: TemplatesPage(Operations(template_list={}), sessions)) as visitor:
        if signed:
            await visitor.sign_in("/templates", "root")
        headers = {"Content-Type": kind}
        async with visitor.session.post(
            visitor.base + path, data=body, headers=headers, allow_redirects=False
        ) as answer:
            assert answer.status in {303, 400, 401, 403}, await answer.text()
            assert "Set-Cookie" not in answer.headers
    assert not [fact for fact in visitor.facts if isinstance(fact, InternalError)]


LIE = "nobody%20has%20a%20password%20any%20more%20and%20all"
PAGES: dict[str, Callable[[Sessions], Part]] = {
    "/templates?": lambda sessions: TemplatesPage(operations(), sessions),
    f"{ONE}{QUERY}&": lambda sessions: TemplatesPage(operations(), sessions),
    "/plugins?": lambda sessions: PluginsPage(Operations(plugin_list={"items": []}), sessions, dict),
    "/activation?": lambda sessions: ThingsPage(Views(), sessions),
}


@pytest.mark.parametrize("path", list(PAGES))
async def test_no_link_has_a_page_say_what_did_not_happen(path: str) -> None:
    async with visited(PAGES[path]) as visitor:
        await visitor.sign_in(f"/{path[1:].partition('?')[0].partition('/')[0]}", "root")
        for field in ("done", "gone", "said", "text"):
            for value in (LIE, "1"):
                html = await visitor.get(f"{path}{field}={value}")
                assert "nobody has a password" not in html
                assert 'role="status"' not in html
                assert "is in force." not in html
