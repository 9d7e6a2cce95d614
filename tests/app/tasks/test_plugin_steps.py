"""Steps that plugins bring along: what a template may say, and what becomes of it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import replace

import pytest

from provd.app.ports import RenderJob
from provd.app.tasks.plugin_steps import LARGEST, PluginSteps
from provd.app.tasks.ports import HttpCall, PluginCall
from provd.base.errors import PluginError, RendererError
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Conflict, Done, Failed, NotYet, Outcome, PluginStep, Retry
from provd.plugin import Manifest, Model, StepRule
from tests.app.fakes import ACME, PHONE
from tests.app.tasks.kit import FIRST_BOOT, Shop

RULE = StepRule("enrol", "enrol.j2", reply="enrolled.j2", needs=("site",), accepts=(409,))
MANIFEST = replace(ACME, steps=(RULE, replace(RULE, name="take", reply="", take={"no": "/no"}, needs=(), accepts=())))
CALL = PluginCall(
    plugin="acme",
    step="enrol",
    server="cloud",
    key="run:step",
    context={"device": {"model": "A1", "serial": "S/1"}, "given": {"site": "attic"}},
    what="the approval",
)
PUT = {"method": "PUT", "path": ["v1", "S/1", 7], "query": {"q": "a&b"}, "body": {"n": 1}}


class Bench:
    """A plugin whose templates ``say`` these things in order, and a server that gives these ``answers``."""

    def __init__(self, *said: object, answers: tuple[Outcome, ...] = ()) -> None:
        self.said = deque(said)
        self.answers = deque(answers)
        self.jobs: list[RenderJob] = []
        self.asked: list[HttpCall] = []

    async def render(self, job: RenderJob) -> bytes:
        self.jobs.append(job)
        said = self.said.popleft()
        if isinstance(said, Exception):
            raise said
        return said if isinstance(said, bytes) else json.dumps(said).encode()

    async def ask(self, call: HttpCall) -> Outcome:
        self.asked.append(call)
        return self.answers.popleft()

    async def do(self, call: PluginCall = CALL) -> Outcome:
        known: Mapping[str, Manifest] = {"acme": MANIFEST}
        return await PluginSteps(known.get, lambda _plugin, name: Model(name, lines=2), self, self.ask).perform(call)


async def test_a_template_says_what_is_asked_and_another_what_the_reply_means():
    bench = Bench(PUT, {"done": {"account": "A-1"}}, answers=(Done({"status": 409, "reply": {"x": 1}}),))
    assert await bench.do() == Done({"account": "A-1"})
    assert bench.asked == [
        HttpCall(
            server="cloud",
            method="PUT",
            path="v1/S%2F1/7?q=a%26b",
            key="run:step",
            body={"n": 1},
            whole=True,
            accepts=(409,),
            what="the approval",
        )
    ]
    first, second = bench.jobs
    assert (first.rule.template, first.rule.format, second.rule.template) == ("enrol.j2", "json", "enrolled.j2")
    assert (first.context["model"]["lines"], first.context["given"]) == (2, {"site": "attic"})
    assert "reply" not in first.context
    assert (second.context["status"], second.context["reply"]) == (409, {"x": 1})


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ({"done": {"a": 1}}, Done({"a": 1})),
        ({"wait": "the moon"}, NotYet("the moon")),
        ({"wait": ""}, NotYet("the approval")),
        ({"retry": "busy"}, Retry("busy")),
        ({"fail": "no"}, Failed("no")),
        ({"conflict": "another's"}, Conflict("another's")),
    ],
)
async def test_each_way_in_which_a_step_ends(said, outcome):
    assert await Bench(PUT, said, answers=(Done({"status": 200, "reply": None}),)).do() == outcome
    bench = Bench(said)
    assert await bench.do() == outcome, "also without asking anybody"
    assert bench.asked == []


async def test_what_the_server_says_badly_is_the_steps_outcome():
    for outcome in (NotYet("the approval"), Retry("it answers 500"), Failed("it answers 400")):
        assert await Bench(PUT, answers=(outcome,)).do() == outcome
    take = replace(CALL, step="take")
    bench = Bench(PUT, answers=(Done({"no": 7}),))
    assert await bench.do(take) == Done({"no": 7})
    assert (bench.asked[0].take, bench.asked[0].whole) == ({"no": "/no"}, False)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"done": {"x": NaN}}', "NaN is no number"),
        (b"[" * 40_000, "not JSON"),
        (b'"text"', "no JSON object"),
        (b" " * (LARGEST + 1), "at most 64 KiB"),
        ({}, "a step ends with one of"),
        ({"done": 1}, "a step ends with one of"),
        ({"done": {}, "wait": "x"}, "a step ends with one of"),
        ({"path": ["a"], "url": "http://evil"}, "a request has no 'url'"),
        ({"path": "a/b"}, "a list of its segments"),
        ({"path": []}, "a list of its segments"),
        ({"path": ["a", ".."]}, "neither empty nor dots"),
        ({"path": ["a", ""]}, "neither empty nor dots"),
        ({"path": [None]}, "a text or a number"),
        ({"path": ["a"], "method": "CONNECT"}, "method is one of"),
        ({"path": ["a"], "method": ["GET"]}, "method is one of"),
        ({"path": ["a"], "body": "x"}, "body is an object"),
        ({"path": ["a"], "query": [1]}, "query is an object"),
        ({"path": ["a"], "query": {"a": {}}}, "query is an object"),
        (PluginError("enrol.j2:3: 'nope' is undefined"), "'nope' is undefined"),
    ],
)
async def test_what_a_template_may_not_say_fails_the_step_and_asks_nobody(said, reason):
    bench = Bench(said)
    outcome = await bench.do()
    assert isinstance(outcome, Failed)
    assert reason in outcome.reason
    assert bench.asked == []
    if isinstance(said, dict) and "path" in said:
        return
    again = await Bench(PUT, said, answers=(Done({"status": 200, "reply": {}}),)).do()
    assert isinstance(again, Failed)
    assert reason in again.reason


async def test_a_renderer_that_is_lost_ends_no_step_for_good():
    lost = RendererError("the renderer process died")
    again = Retry("acme: the renderer process died")
    answer = Done({"status": 200, "reply": {}})
    bench = Bench(lost, PUT, lost, PUT, {"done": {"account": "A-1"}}, answers=(answer, answer))
    assert await bench.do() == again
    assert bench.asked == []
    assert await bench.do() == again
    assert await bench.do() == Done({"account": "A-1"})
    assert [call.key for call in bench.asked] == ["run:step"] * 2, "for its server one and the same request"


async def test_who_has_no_such_step_and_what_is_not_given():
    assert await Bench().do(replace(CALL, plugin="bell")) == Failed("plugin 'bell' has no step 'enrol'")
    assert await Bench().do(replace(CALL, plugin="")) == Failed("a device without a plugin has no step 'enrol'")
    assert await Bench().do(replace(CALL, step="x")) == Failed("plugin 'acme' has no step 'x'")
    lacking = replace(CALL, context={**CALL.context, "given": {}})
    assert await Bench().do(lacking) == Failed("step 'enrol' of acme needs with.site")
    alone = await Bench(PUT).do(replace(CALL, server=""))
    assert alone == Failed("step 'enrol' of acme asks a server: name one in the task")


async def test_a_task_gives_such_a_step_its_values_and_keeps_what_it_gives():
    step = PluginStep(id="cloud", step="enrol", server="cloud", given={"who": "{device.name}"})
    shop = Shop(Done({"account": "A-1"}), rules=Rulebook((replace(FIRST_BOOT, steps=(step,)),)))
    shop.seen()
    await shop.work()
    (call,) = shop.outside.calls
    assert (call.plugin, call.step, call.server) == ("acme", "enrol", "cloud"), "the device's own plugin"
    assert call.key == f"boot:1:{PHONE}:1:cloud"
    assert call.context["given"] == {"who": "02:aa:aa:00:00:01"}
    assert {"device", "run", "meta"} < set(call.context)
    (kept,) = shop.world.fleet.tables.steps_of(shop.run.id)
    assert kept.result == {"account": "A-1"}
