"""The page about templates of one's own."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from provd.base.errors import FaultsError, ForbiddenError, NotFoundError, StaleError
from provd.domain.overrides import sha256
from provd.http.templates_page import ONE, TemplatesPage
from tests.http.pages_kit import Operations, Visitor, visited

ROW = {
    "id": "acme/a.j2@model:a1",
    "plugin": "acme",
    "template": "a.j2",
    "place": "model",
    "applies_to": "A1",
    "state": "default changed",
    "devices": 3,
    "changed": "2026-01-01T00:00:00Z",
    "by": "<b>ann",
    "base_version": "1",
}
TEXT = "<script>x</script> & 1\n"
SHOWN = {**ROW, "version": "2", "text": TEXT, "default": "new\n", "base": "old\n", "some": ["02:aa:aa:00:00:01"]}
COMPARED = {
    "state": "default changed",
    "diff": "-a\n+b\n",
    "mine": "-old\n+<i>mine\n",
    "default": "-old\n+new\n",
    "merged": "<<<<<<< yours\n",
    "conflicts": 1,
}
PREVIEW = {
    "device": "02aaaa000001",
    "model": "A1",
    "devices": 3,
    "some": ["02:aa:aa:00:00:01"],
    "files": [{"name": "a.cfg", "plugin": "acme", "before": "a\n", "text": "b\n", "diff": "-a\n+<b>\n"}],
}
WHERE = {"model": "acme:A1", "name": "a.j2", "for_": "model", "whom": ""}
QUERY = "?model=acme:A1&name=a.j2&for=model&whom="


def operations(**more: Any) -> Operations:
    known = {"template_list": {"items": [ROW], "templates": ["a.j2"]}, "template_show": SHOWN}
    return Operations(**{**known, "template_diff": COMPARED, "template_preview": PREVIEW, **more})


@asynccontextmanager
async def at(made: Operations, token: str = "root") -> AsyncIterator[Visitor]:
    async with visited(lambda sessions: TemplatesPage(made, sessions)) as visitor:
        if token:
            await visitor.sign_in("/templates", token)
        yield visitor


async def test_nobody_sees_a_template_without_signing_in() -> None:
    made = operations()
    async with at(made, "") as visitor:
        html = await visitor.get("/templates")
        assert "a.j2" not in html
        assert "Sign in" in html
        assert "Sign in first." in await visitor.get(ONE + QUERY, 403)
        assert (await visitor.post(ONE, do="save", text="x", **WHERE))[0] == 403
    assert made.asked == []


async def test_overrides_are_listed_and_lead_to_their_editor() -> None:
    made = operations()
    async with at(made) as visitor:
        html = await visitor.get("/templates?of=A1")
        assert 'href="/templates/one?model=acme:A1&amp;name=a.j2&amp;for=model&amp;whom=A1"' in html
        assert "&lt;b&gt;ann" in html
        assert "default changed" in html
        assert "<option>a.j2</option>" in html
        assert 'href="/templates" aria-current="page"' in html
    assert made.of("template.list")[-1] == {"model": "A1"}


async def test_a_changed_default_is_shown_three_ways_and_merged_on_demand() -> None:
    async with at(operations()) as visitor:
        html = await visitor.get(ONE + QUERY)
        for text in ("+new", "+&lt;i&gt;mine", "the same lines in 1 place", "&lt;script&gt;x&lt;/script&gt; &amp; 1"):
            assert text in html, text
        assert "<script" not in html
        assert f'name="was" value="{sha256(TEXT)}"' in html
        assert "&lt;&lt;&lt;&lt;&lt;&lt;&lt; yours" in await visitor.get(f"{ONE}{QUERY}&merged=1")


@pytest.mark.parametrize(
    ("chosen", "meant"),
    [
        ({"for_": "model"}, {"model": "acme:A1"}),
        ({"for_": "site"}, {"model": "acme:A1", "site": True}),
        ({"for_": "tenant", "whom": "blue"}, {"model": "acme:A1", "tenant": "blue"}),
        ({"for_": "device", "whom": "02aaaa000001"}, {"device": "02aaaa000001"}),
    ],
)
async def test_whom_it_is_for(chosen: dict[str, str], meant: dict[str, object]) -> None:
    made = operations(template_set={"id": ROW["id"]}, template_restore={"restored": "x"})
    async with at(made) as visitor:
        status, where = await visitor.post(ONE, **{**WHERE, **chosen}, do="save", text="a\r\nb\r\n", was="w")
        assert (status, where.startswith("/templates/one?model=")) == (303, True)
        assert made.of("template.set") == [{"name": "a.j2", "text": "a\nb\n", "expect": "w", **meant}]
        assert "acme/a.j2@model:a1 is in force." in await visitor.get(where)
        assert await visitor.post(ONE, **{**WHERE, **chosen}, do="restore", was="w") == (303, "/templates")
        assert made.of("template.restore") == [{"name": "a.j2", "expect": "w", **meant}]
        assert "x is gone" in await visitor.get("/templates")
        for page in ("/templates", where):
            assert 'role="status"' not in await visitor.get(page), "it is said once"


async def test_a_preview_keeps_what_was_written() -> None:
    made = operations()
    async with at(made) as visitor:
        status, html = await visitor.post(ONE, do="preview", text="fresh\n", was="w", on="02aaaa000001", **WHERE)
        assert status == 200
        for text in ("+&lt;b&gt;", "02:aa:aa:00:00:01", "fresh\n</textarea>", 'name="was" value="w"', "3 devices"):
            assert text in html, text
        status, html = await visitor.post(ONE, do="restored", text="fresh\n", was="w", **WHERE)
        assert "Without yours" in html
    wanted = {"name": "a.j2", "model": "acme:A1"}
    assert made.of("template.preview") == [
        {**wanted, "text": "fresh\n", "on": "02aaaa000001"}, {**wanted, "restored": True},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (FaultsError([("text", "a.j2:2: no <end>")]), 400),
        (StaleError("a.j2 was changed by bob meanwhile"), 412),
        (ForbiddenError("this concerns all tenants"), 403),
    ],
)
async def test_what_is_refused_is_said_and_the_text_is_still_there(error: Exception, status: int) -> None:
    async with at(operations(template_set=error)) as visitor:
        got, html = await visitor.post(ONE, do="save", text="written for an hour\n", was="w", **WHERE)
        assert got == status
        assert 'role="alert"' in html
        assert "written for an hour" in html
        assert "<end>" not in html


async def test_what_is_not_there_and_what_makes_no_sense() -> None:
    async with at(operations(template_show=NotFoundError("plugin acme has no template 'b.j2'"))) as visitor:
        assert "has no template" in await visitor.get(ONE + QUERY, 404)
        assert "for: is none of" in await visitor.get(f"{ONE}?model=a&name=b&for=x", 400)
        assert "is too long" in await visitor.get(f"{ONE}?name={'x' * 999}", 400)
        assert (await visitor.post(ONE, do="dance", **WHERE))[0] in (400, 404)


async def test_somebody_elses_page_changes_nothing_and_who_may_only_read_has_no_buttons() -> None:
    made = operations(template_set={})
    async with at(made, "reader") as visitor:
        html = await visitor.get(ONE + QUERY)
        assert "readonly" in html
        assert "Put it in force" not in html
        visitor.word = "guessed"
        assert (await visitor.post(ONE, do="save", text="x", **WHERE))[0] == 403
    assert made.of("template.set") == []


async def test_a_large_template_comes_through_and_a_larger_form_does_not() -> None:
    made = operations(template_set={"id": ROW["id"]})
    async with at(made) as visitor:
        text = "é" * 120_000
        assert (await visitor.post(ONE, do="save", text=text, was="", **WHERE))[0] == 303
        assert made.of("template.set")[0]["text"] == text
        body = io.BytesIO(f"word={visitor.word}&do=save&text=".encode() + b"x" * (1 << 20))
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        async with visitor.session.post(visitor.base + ONE, data=body, headers=form) as answer:
            assert answer.status == 413
    async with at(made, "") as visitor:
        assert (await visitor.post(ONE, do="save", text="x" * 4000, **WHERE))[0] == 403
