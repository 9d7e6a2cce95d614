"""What all pages have in common on which something can be done."""

from __future__ import annotations

import pytest

from provd.base.facts.daemon import InternalError
from provd.http.templates_page import TemplatesPage
from tests.http.pages_kit import Operations, visited

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
