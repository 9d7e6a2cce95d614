"""Every shipped template: a file that is filled in is the file that would be rendered, whatever the texts are."""

from collections.abc import Iterator, Mapping
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provd.app.context import SHARED
from provd.domain.ambiguity import clashes
from provd.domain.site_models import SiteModel
from provd.plugin import FileRule, Manifest
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.loader import load
from provd.plugins.pattern import LEAF, Needs, Path, pattern_of, shape_of, tree
from provd.plugins.render_trace import Tracer
from provd.plugins.render_wire import Request
from provd.plugins.sample import contexts
from tests.conformance.phones import ENGINE, MANIFESTS, of_model

TRACER = Tracer()
Traced = tuple[set[Path], list[str | int]]
TEXTS = st.text(min_size=1, max_size=20) | st.text(alphabet="=;%#<>&\"'[]{}$|\\ ab1@.", min_size=1, max_size=20)
ODD = ("<&>\"'", "%s%d%%", "0", "a;b=c", "@", "Zoë ☎", "%NULL%", " x ")


def rules() -> Iterator[tuple[Manifest, FileRule, str]]:
    for folder in sorted(bundled_plugins().glob("[a-z]*/")):
        manifest = load(folder)
        for rule in manifest.files:
            if rule.template and rule.format in ("keyvalue", "xml") and (folder / "templates" / rule.template).exists():
                yield manifest, rule, str(folder / "templates")


RULES = list(rules())


def changed(value: object, needs: Needs, texts: Iterator[str], told: dict[str, str]) -> object:
    """The context with other texts in the gaps: equal ones stay equal, different ones different, empty ones empty."""
    if isinstance(value, str):
        if not value or LEAF in needs:
            return value
        if value not in told:
            told[value] = next(text for text in texts if text not in told.values())
        return told[value]
    if isinstance(value, dict):
        return {name: changed(item, needs.get(name, {}), texts, told) for name, item in value.items()}
    if isinstance(value, list):
        return [changed(item, needs.get("*", {}), texts, told) for item in value]
    return value


def endless(words: list[str]) -> Iterator[str]:
    yield from words
    number = 0
    while True:
        yield f"{ODD[number % len(ODD)]}{number}"
        number += 1


def compare(request: Request, words: list[str], traced: Traced | None) -> bool:
    """Whether there is a pattern; it has been compared with a rendering by then."""
    if traced is None:
        return False
    needs, parts = traced
    known = tree(needs)
    marks, texts = shape_of(request.context, known)
    pattern = pattern_of(parts, len(texts), request.format)
    for own in (request.context, changed(request.context, known, endless(words), {})):
        assert isinstance(own, Mapping)
        found, texts = shape_of(own, known)
        assert found == marks
        rendered = ENGINE.render(request.folders, request.template, request.format, own, request.shared)
        assert pattern.filled(texts) == rendered
    return True


def request_of(folder: str, rule: FileRule, context: Mapping[str, object]) -> Request:
    own = {name: value for name, value in context.items() if name not in SHARED}
    shared = {name: value for name, value in context.items() if name in SHARED}
    return Request([folder], rule.template, rule.format, 0, own, shared, ())


@pytest.mark.parametrize(("manifest", "rule", "folder"), RULES, ids=[f"{rule[0].id}-{rule[1].name}" for rule in RULES])
def test_every_model_has_a_pattern(manifest, rule, folder):
    for words, context in contexts(manifest, rule):
        request = request_of(folder, rule, context)
        assert compare(request, [], TRACER.trace(request)), f"{manifest.id} {rule.name}: {words}"


@cache
def example(model: str, case: str) -> tuple[Request, Traced | None]:
    """A phone's file and its pattern, which is made once whatever texts are filled in later."""
    phone = of_model(model)
    job = phone.job(case)
    request = request_of(str(bundled_plugins() / phone.vendor / "templates"), job.rule, job.context)
    return request, TRACER.trace(request)


@pytest.mark.parametrize("case", ["unclaimed", "claimed"])
@pytest.mark.parametrize("model", ["SPA502G", "SPA514G", "SPA112", "T21P_E2"])
@settings(max_examples=25, deadline=None)
@given(words=st.lists(TEXTS.filter(lambda text: text.isprintable()), max_size=12))
def test_any_texts(model: str, case: str, words: list[str]):
    request, traced = example(model, case)
    assert compare(request, words, traced)


@pytest.mark.parametrize("name", ["{mac}.cfg", "{mac}.xml", "cfg{mac}.xml", "{mac}.txt", "{mac}", "{mac}-phone.cfg"])
def test_a_model_of_ones_own_may_call_its_files_as_phones_mostly_do(name: str):
    """With every bundled plugin there: one of them has a file of all its phones under a MAC of zeros."""
    own = SiteModel(id="x1", vendor="Zeta", model="Z-One", specific=(name,), generic=("zeta-one.cfg",))
    assert clashes(own, (), MANIFESTS.values()) == []
