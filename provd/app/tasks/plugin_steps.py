"""Steps that plugins bring along.

A plugin has templates and no code here: rendered in the sandbox of all templates, they say as JSON what is asked of a
server, and what its reply means. Which server that is, and its secrets, the operator says; a template sees neither.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import cast
from urllib.parse import quote, urlencode

from provd.app.context import model_values
from provd.app.ports import Renderer, RenderJob
from provd.app.tasks.ports import HttpCall, PluginCall
from provd.base.dataclass import dataclass
from provd.base.errors import PluginError, RendererError
from provd.domain.tasks import Conflict, Done, Failed, NotYet, Outcome, Retry
from provd.plugin import FileRule, Manifest, Model, StepRule

LARGEST = 1 << 16
"""Octets of JSON that a template may say."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_LONGEST = 500
"""Characters of a reason."""
_REQUEST = frozenset({"method", "path", "query", "body"})
_ENDS: Mapping[str, Callable[[str], Outcome]] = {"wait": NotYet, "retry": Retry, "fail": Failed, "conflict": Conflict}

Ask = Callable[[HttpCall], Awaitable[Outcome]]
ModelOf = Callable[[str, str], Model]
"""The model of that plugin and name."""


class PluginSteps:
    """Carries out steps of the plugins in force."""

    def __init__(
        self, manifest: Callable[[str], Manifest | None], model: ModelOf, renderer: Renderer, ask: Ask
    ) -> None:
        self._manifest = manifest
        self._model = model
        self._renderer = renderer
        self._ask = ask

    async def perform(self, call: PluginCall) -> Outcome:
        """Do it and say what came of it. Never raises for anything that a plugin says."""
        manifest = self._manifest(call.plugin)
        rule = None if manifest is None else manifest.step(call.step)
        if rule is None:
            whose = f"plugin {call.plugin!r}" if call.plugin else "a device without a plugin"
            return Failed(f"{whose} has no step {call.step!r}")
        given = cast("Mapping[str, object]", call.context.get("given", {}))
        lacking = next((name for name in rule.needs if name not in given), None)
        if lacking is not None:
            return Failed(f"step {call.step!r} of {call.plugin} needs with.{lacking}")
        device = cast("Mapping[str, object]", call.context["device"])
        context = {**call.context, "model": model_values(self._model(call.plugin, str(device["model"])))}
        try:
            outcome = await self._performed(call, rule, context)
        except RendererError as error:
            # What was asked by then is asked again under the same key.
            return Retry(f"{call.plugin}: {error}"[:_LONGEST])
        except PluginError as error:
            return Failed(f"{call.plugin}: {error}"[:_LONGEST])
        return NotYet(call.what) if outcome == NotYet("") else outcome

    async def _performed(self, call: PluginCall, rule: StepRule, context: Mapping[str, object]) -> Outcome:
        said = begun(await self._renderer.render(job(call.plugin, rule, rule.template, context)))
        if not isinstance(said, Request):
            return said
        if not call.server:
            return Failed(f"step {call.step!r} of {call.plugin} asks a server: name one in the task")
        answer = await self._ask(said.call(call, rule))
        if not isinstance(answer, Done) or not rule.reply:
            return answer
        heard = {**context, "status": answer.result["status"], "reply": answer.result["reply"]}
        return ended(await self._renderer.render(job(call.plugin, rule, rule.reply, heard)))


@dataclass(frozen=True, slots=True)
class Request:
    """What a template wants to be asked: below the server's URL, and nowhere else."""

    method: str
    path: str
    body: Mapping[str, object] | None = None

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Request:
        """The request in what a template says. Raises PluginError."""
        unknown = sorted(set(said) - _REQUEST)
        if unknown:
            raise PluginError(f"a request has no {unknown[0]!r}")
        method, body = said.get("method", "GET"), said.get("body")
        if method not in METHODS:
            raise PluginError(f"method is one of {', '.join(METHODS)}")
        if body is not None and not isinstance(body, dict):
            raise PluginError("body is an object")
        return cls(str(method), _path(said.get("path"), said.get("query", {})), body)

    def call(self, call: PluginCall, rule: StepRule) -> HttpCall:
        """The request itself."""
        return HttpCall(
            server=call.server,
            method=self.method,
            path=self.path,
            key=call.key,
            body=self.body,
            take=rule.take,
            whole=bool(rule.reply),
            accepts=rule.accepts,
            what=call.what,
        )


def _path(segments: object, query: object) -> str:
    """Each segment is one, whatever is in it: a serial with a slash leads nowhere else."""
    if not isinstance(segments, list) or not segments:
        raise PluginError('path is a list of its segments: ["devices", device.serial]')
    texts = [str(each) for each in segments if isinstance(each, str | int)]
    if len(texts) != len(segments) or any(text in {"", ".", ".."} for text in texts):
        raise PluginError("path: a segment is a text or a number, and neither empty nor dots alone")
    path = "/".join(quote(text, safe="") for text in texts)
    if not isinstance(query, dict) or not all(isinstance(value, str | int) for value in query.values()):
        raise PluginError("query is an object of texts and numbers")
    return f"{path}?{urlencode(query)}" if query else path


def begun(octets: bytes) -> Request | Outcome:
    """What the first template says: a request, or how the step ends without one. Raises PluginError."""
    said = _object(octets)
    return Request.of(said) if "path" in said else _end(said)


def ended(octets: bytes) -> Outcome:
    """How a step ends, as a template says it. Raises PluginError."""
    return _end(_object(octets))


def _end(said: Mapping[str, object]) -> Outcome:
    if len(said) == 1:
        ((name, value),) = said.items()
        if name == "done" and isinstance(value, dict):
            return Done(value)
        if name in _ENDS and isinstance(value, str):
            return _ENDS[name](value[:_LONGEST])
    raise PluginError("a step ends with one of done (an object), wait, retry, fail, conflict (a reason)")


def _object(octets: bytes) -> Mapping[str, object]:
    if len(octets) > LARGEST:
        raise PluginError(f"a step says at most {LARGEST >> 10} KiB")
    try:
        said = json.loads(octets, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise PluginError(f"what the template says is not JSON: {error}") from None
    if not isinstance(said, dict):
        raise PluginError("what the template says is no JSON object")
    return said


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def job(plugin: str, rule: StepRule, template: str, context: Mapping[str, object]) -> RenderJob:
    """How a template of a step is rendered."""
    return RenderJob(plugin, FileRule(f"step {rule.name}", "absent", template, "json"), context)
