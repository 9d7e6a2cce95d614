"""The page about plugins."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from provd.base.errors import ConflictError, NotFoundError, PluginError
from provd.http.plugins_page import PluginsPage
from tests.http.pages_kit import Operations, Visitor, visited

ROW = {
    "id": "acme",
    "vendor": "<b>Acme",
    "version": "1.0.0",
    "models": [{}, {}],
    "license": "x",
    "origin": "package",
    "versions": ["1.0.0", "1.1.0"],
    "before": "",
}
OUTCOME = {
    "plugin": "acme",
    "before": "1.0.0",
    "after": "1.1.0",
    "devices": 420,
    "files": 840,
    "same": 823,
    "changed": 17,
    "appear": 0,
    "vanish": 0,
    "failed": 0,
    "unknown": {},
    "reasons": [],
    "harmful": False,
    "diffs": [{"device": "02:aa:aa:00:00:01", "name": "a.cfg", "diff": "-old\n+<i>new"}],
    "templates": [
        {"template": "a.j2", "place": "site", "applies_to": "", "state": "conflicts", "default": "+d\n", "mine": "+m\n"}
    ],
}
OFFER = {
    "plugin": "acme",
    "version": "2.0.0",
    "vendor": "Acme",
    "description": "phones",
    "size": 4096,
    "fits": True,
    "source": "https://plugins.example",
    "in_force": "1.0.0",
}


def work(state: str = "done", **more: Any) -> dict[str, Any]:
    result = {"plugin": "acme", "choice": "1.1.0", "expect": "1.0.0", "outcome": {**OUTCOME, **more}}
    return {
        "id": "w1",
        "kind": "plugin.try",
        "args": {"plugin": "acme", "choice": "1.1.0"},
        "state": state,
        "doing": "rendering",
        "done": 400,
        "total": 840,
        "reason": "",
        "result": result if state == "done" else None,
    }


def operations(**more: Any) -> Operations:
    known = {"plugin_list": {"items": [ROW]}, "plugin_try": work(), "operation_show": work()}
    done = {"id": "acme", "version": "1.1.0"}
    return Operations(**{**known, "plugin_switch": done, "plugin_rollback": done, **more})


@asynccontextmanager
async def at(made: Operations, token: str = "root") -> AsyncIterator[Visitor]:
    async with visited(lambda sessions: PluginsPage(made, sessions, lambda: {"acme": 420})) as visitor:
        if token:
            await visitor.sign_in("/plugins", token)
        yield visitor


async def test_everybody_sees_what_is_in_force_and_only_a_sites_administrator_has_buttons() -> None:
    for token in ("", "reader", "blue"):
        async with at(operations(), token) as visitor:
            html = await visitor.get("/plugins?offered=1")
            assert "&lt;b&gt;Acme" in html
            assert "420" in html
            assert "<button>Try" not in html
            assert "publishers" not in html
    async with at(operations()) as visitor:
        html = await visitor.get("/plugins")
        assert html.count("<button>Try</button>") == 1
        assert "<option>1.1.0</option>" in html
        assert "<option>1.0.0</option>" not in html, "it is in force"


async def test_a_version_is_tried_looked_at_and_put_in_force() -> None:
    made = operations()
    async with at(made) as visitor:
        assert await visitor.post("/plugins/try", id="acme", version="1.1.0") == (303, "/plugins/operation/w1")
        assert made.of("plugin.try") == [{"id": "acme", "version": "1.1.0"}]
        html = await visitor.get("/plugins/operation/w1")
        for text in (
            "1.0.0 → 1.1.0",
            "<b>17</b> changed",
            "+&lt;i&gt;new",
            "waits for you under Templates",
            "+d",
            "+m",
        ):
            assert text in html, text
        assert "refresh" not in html
        assert "and 16 more" in html
        assert (await visitor.post("/plugins/switch", work="w1")) == (303, "/plugins")
        assert made.of("plugin.switch") == [{"id": "acme", "version": "1.1.0", "expect": "1.0.0"}]
        assert "acme 1.1.0 is in force" in await visitor.get("/plugins")
        assert "is in force;" not in await visitor.get("/plugins"), "it is said once"


async def test_reasons_that_are_not_shown_are_counted() -> None:
    failed = work(failed=417, reasons=["one"] * 20, untold=397)
    async with at(operations(operation_show=failed)) as visitor:
        assert "and 397 more" in await visitor.get("/plugins/operation/w1")


async def test_the_way_back_leads_to_what_was_looked_at() -> None:
    made = operations()
    async with at(made) as visitor:
        assert await visitor.post("/plugins/try", id="acme", back="1") == (303, "/plugins/operation/w1?back=1")
        assert made.of("plugin.try") == [{"id": "acme", "previous": True}]
        assert "Go back to it" in await visitor.get("/plugins/operation/w1?back=1")
        assert (await visitor.post("/plugins/switch", work="w1", back="1"))[0] == 303
        assert made.of("plugin.rollback") == [{"id": "acme", "expect": "1.1.0"}]


async def test_templates_that_were_kept_when_it_was_tried_are_kept() -> None:
    made = operations(operation_show={**work(), "args": {"plugin": "acme", "choice": "1.1.0", "keep_templates": True}})
    async with at(made) as visitor:
        assert (await visitor.post("/plugins/switch", work="w1"))[0] == 303
        assert (await visitor.post("/plugins/switch", work="w1", back="1"))[0] == 303
    assert [made.of(name)[0]["keep_templates"] for name in ("plugin.switch", "plugin.rollback")] == [True, True]


async def test_work_under_way_shows_how_far_it_is_and_can_be_called_off() -> None:
    made = operations(operation_show=work("running"), operation_cancel=work("cancelled"))
    async with at(made) as visitor:
        html = await visitor.get("/plugins/operation/w1")
        assert '<meta http-equiv="refresh" content="2">' in html
        assert '<progress max="840" value="400"' in html
        assert (await visitor.post("/plugins/switch", work="w1"))[0] == 409, "nobody has seen what it would change"
        assert await visitor.post("/plugins/cancel", work="w1") == (303, "/plugins/operation/w1")
    assert made.of("plugin.switch") == []
    failed = {**work("failed"), "reason": "acme: <b>bad"}
    async with at(operations(operation_show=failed)) as visitor:
        assert "acme: &lt;b&gt;bad Nothing was changed." in await visitor.get("/plugins/operation/w1")


async def test_what_harms_a_device_has_to_be_said_twice() -> None:
    made = operations(operation_show=work(harmful=True, failed=1, reasons=["02:aa: <x>"], unknown={"A9": 3}))
    async with at(made) as visitor:
        html = await visitor.get("/plugins/operation/w1")
        assert "02:aa: &lt;x&gt;" in html
        assert "3 of A9" in html
        assert (await visitor.post("/plugins/switch", work="w1"))[0] == 409
        assert made.of("plugin.switch") == []
        assert (await visitor.post("/plugins/switch", work="w1", force="1"))[0] == 303


async def test_publishers_are_asked_on_demand_only() -> None:
    available = {"items": [OFFER], "failed": ["http://b.example/: the connection broke off"]}
    made = operations(plugin_available=available, plugin_prepare=work())
    async with at(made) as visitor:
        await visitor.get("/plugins")
        assert made.of("plugin.available") == []
        html = await visitor.get("/plugins?offered=1")
        assert "2.0.0" in html
        assert "http://b.example/: the connection broke off" in html
        assert await visitor.post("/plugins/fetch", id="acme", version="2.0.0") == (303, "/plugins/operation/w1")
        assert made.of("plugin.prepare") == [{"plugin": "acme", "version": "2.0.0"}]
    async with at(operations(plugin_available=PluginError("nobody answers"))) as visitor:
        assert "nobody answers" in await visitor.get("/plugins?offered=1", 422)


@pytest.mark.parametrize("verb", ["try", "fetch", "switch", "cancel"])
async def test_somebody_elses_page_does_nothing(verb: str) -> None:
    made = operations()
    async with at(made) as visitor:
        visitor.word = "guessed"
        status, text = await visitor.post(f"/plugins/{verb}", id="acme", version="1.1.0", work="w1")
        assert (status, "Sign in first." in text) == (403, True)
    assert {name for name, *_ in made.asked} == {"plugin.list"}


async def test_what_is_refused_is_said() -> None:
    made = operations(plugin_switch=ConflictError("1.2.0 is in force by now; look again"))
    async with at(made) as visitor:
        status, text = await visitor.post("/plugins/switch", work="w1")
        assert (status, "look again" in text) == (409, True)
    async with at(operations(operation_show=NotFoundError("there is no operation 'x'"))) as visitor:
        assert "there is no operation" in await visitor.get("/plugins/operation/x", 404)
    async with at(operations(), "") as visitor:
        assert "Sign in first." in await visitor.get("/plugins/operation/w1", 403)
