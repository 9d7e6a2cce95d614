"""Patterns: what is filled in is, octet for octet, what rendering would give; what is looked at has no gap."""

from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provd.base.errors import PeerError, PluginError
from provd.plugins.pattern import Pattern, pattern_of, shape_of, tree
from provd.plugins.render_engine import Engine
from provd.plugins.render_trace import Tracer
from provd.plugins.render_wire import MAX_OUTPUT, Request, decode_pattern

OWN = {"name": "Ana", "other": "Bob", "same": "Ana", "empty": "", "kind": "udp", "list": ["x", "y"], "port": 5060}
TEXTS = ("Zoë", "<&>\"'", "%s %d %", "0", "12", "%NULL%", "a;b=c", "{{ 1 }}", "udp", "  ", "\\", "@", "Ring1.wav", "٣")


class Templates:
    """One template after the other, traced and rendered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def needs(self, template: str, file_format: str = "keyvalue", **more: object) -> list[str] | None:
        """The paths that the template looks at; the pattern has been compared with renderings by then."""
        (self.folder / "file.j2").write_text(template, encoding="utf-8")
        traced = Tracer().trace(self.request({**OWN, **more}, file_format))
        if traced is None:
            return None
        needs, parts = traced
        marks, texts = shape_of({**OWN, **more}, tree(needs))
        pattern = pattern_of(parts, len(texts), file_format)
        for shift in range(len(TEXTS)):
            other = changed({**OWN, **more}, shift)
            found, texts = shape_of(other, tree(needs))
            if found == marks:
                assert pattern.filled(texts) == self.rendered(other, file_format)
        return sorted(".".join(path) for path in needs)

    def request(self, own: Mapping[str, object], file_format: str) -> Request:
        return Request([str(self.folder)], "file.j2", file_format, 0, own, {"settings": {"a": {"b": "c"}}}, ())

    def rendered(self, own: Mapping[str, object], file_format: str) -> bytes:
        return Engine().render([str(self.folder)], "file.j2", file_format, own, {"settings": {"a": {"b": "c"}}})


def changed(value: object, shift: int) -> object:
    """The value with other texts: equal ones stay equal, empty ones empty."""
    if isinstance(value, str):
        return value and TEXTS[(len(value) * 5 + ord(value[0]) + shift) % len(TEXTS)]
    if isinstance(value, dict):
        return {key: changed(item, shift) for key, item in value.items()}
    return [changed(item, shift) for item in value] if isinstance(value, list) else value


@pytest.fixture
def templates(tmp_path) -> Templates:
    return Templates(tmp_path)


@pytest.mark.parametrize("file_format", ["keyvalue", "xml"])
@pytest.mark.parametrize(
    ("template", "needs"),
    [
        ("a = {{ name }} {{ other }} {{ settings.a.b }}\n", []),
        ("a = {{ name or other }} {{ empty or other }} {{ empty and other }}\n", []),
        ("a = {{ 'x' if name else 'y' }}{% if not empty %}z{% endif %}\n", []),
        ("a = {{ name ~ '<' ~ other ~ port }}\n", []),
        ("a = {{ name == other }}\n", None),
        ("a = {{ 1 if name == other else 2 }}{{ 1 if name != same else 2 }}{{ 1 if empty == '' else 2 }}\n", []),
        ("a = {{ 1 if name == 'Ana' else 2 }}{{ other }}\n", ["name"]),
        ("a = {{ {'udp': 0, 'tcp': 1}[kind]|default(9) }} {{ name }}\n", ["kind"]),
        ("a = {{ settings.a[kind]|default(9) }}\n", ["kind"]),
        ("a = {{ kind|upper }}{{ name|length }}{{ empty|length }}\n", ["empty", "kind", "name"]),
        ("a = {{ name[1:] }} {{ name[0] }} {{ other.startswith('B') and 1 }}\n", ["name", "other"]),
        ("a = {% for char in name %}{{ char }}{% endfor %}{{ other }}\n", ["name"]),
        ("a = {{ list|join(',') }}{{ name }}\n", ["list.*"]),
        ("a = {% for each in list %}{{ each }};{% endfor %}{{ list|length }}{{ list[1] }}\n", []),
        ("a = {{ 1 if 'x' in list else 2 }}\n", ["list.*"]),
        ("a = {{ list|first }}{{ list|last }}{{ list|select|list|length }}\n", []),
        ("a = {{ 1 if name is none else 2 }}{{ 1 if name is string else 2 }}\n", ["name"]),
        ("a = {{ name|default('x') }}{{ empty|default('x', true) }}\n", []),
        ("a = {{ '%s:%d %% %s'|format(name, port, 'x') }}\n", []),
        ("a = {{ '%5s'|format(name) }}\n", ["name"]),
        ("a = {{ '%d'|format(name|int) }}{{ '%s' % other }}\n", ["name", "other"]),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}a = {{ m(name) }}{{ m('<') }}{{ m(m(other)) }}\n", []),
        ("{% set x %}({{ name }}){% endset %}a = {{ x }}{{ 1 if x else 2 }}\n", []),
        ("{% set x %}({{ name }}){% endset %}a = {{ x|replace('(', '[') }}{{ other }}\n", ["name"]),
        ("{% set x %}(<@>){% endset %}a = {{ x|replace('@', '<') }}{{ x ~ '<' }}{{ name }}\n", []),
        ("a = {% filter upper %}{{ name }}{% endfilter %}{{ other }}\n", ["name"]),
        ("{% set ns = namespace(x=name) %}{% set ns.x = ns.x ~ other %}a = {{ ns.x }}\n", []),
        ("a = {% for n in [1, 2] %}{{ loop.changed(name) and 1 or 2 }}{{ loop.cycle(name, other) }}{% endfor %}\n", []),
        ("a = {{ dict(x=name).x }}{{ {'x': other}['x'] }}{{ [name, other]|reverse|first }}\n", []),
        ("a = {{ [{'n': name, 'p': 1}]|selectattr('p', 'equalto', 1)|map(attribute='n')|first }}\n", []),
        ("a = {{ [{'n': name}]|selectattr('n', 'equalto', 'Ana')|list|length }}\n", ["name"]),
        ("a = {{ [name, other]|sort|first }}{{ kind }}\n", ["name", "other"]),
        ("a = {{ name.nothing|default('x') }}{{ other }}\n", ["name"]),
        ("a = {{ name|trim }}{{ name|string }}{{ name + 'x' }}{{ 'x' + other }}\n", ["name", "other"]),
        ("a = {{ kind * 2 }}{{ 1 if name < other else 2 }}\n", ["kind", "name", "other"]),
        ("a = {{ range(9)[name|length] }}\n", ["name"]),
        ("a = {{ nothing }}{{ name }}\n", None),
        ("{{ name }} = 1\n", None),
        ("a = {% if name in ['Ana', other] %}1{% endif %}\n", ["name"]),
    ],
)  # fmt: skip
def test_what_is_only_written_is_a_gap(templates, template, needs, file_format):
    assert templates.needs(template, file_format) == needs


def test_a_macro_s_markup_joined_with_a_text_is_looked_at(templates):
    template = "{% macro m(x) %}<{{ x }}>{% endmacro %}<a>{{ m(name) ~ other }}</a>\n"
    assert templates.needs(template, "xml") == ["name", "other"]
    assert templates.needs(template) == []


@pytest.mark.parametrize(
    "template",
    [
        "{% macro m(x) %}<b>{{ x }}</b>{% endmacro %}a = {{ '%s'|format(m(name)) }}{{ other }}\n",
        "{% set x %}<b>{{ name }}</b>{% endset %}a = {{ '%d%s'|format(port, x) }}{{ other }}\n",
    ],
)
def test_markup_in_the_filter_format_is_looked_at_where_it_is_escaped_again(templates, template):
    assert templates.needs(template, "xml", name="A&B") == ["name"]
    assert templates.needs(template, name="A&B") == []


ESCAPING = (
    "{% autoescape false %}{% set x %}<{{ name }}>{% endset %}{{ x }}{% endautoescape %}\n",
    "{% autoescape true %}{% set x %}<{{ name }}>{% endset %}{{ x }}{{ x ~ name }}{% endautoescape %}\n",
    "{% autoescape true %}{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m(name) ~ other }}{% endautoescape %}\n",
)


@pytest.mark.parametrize("file_format", ["keyvalue", "xml"])
@pytest.mark.parametrize("part", ESCAPING)
def test_no_pattern_where_a_part_has_an_escaping_of_its_own(templates, part, file_format):
    (templates.folder / "part.j2").write_text("{% macro n() %}1{% endmacro %}b = " + part)
    (templates.folder / "base.j2").write_text("a = {% block own %}{% endblock %}" + part)
    for template in (
        f"a = {part}",
        "a = {% include 'part.j2' %}",
        "a = {% include 'part.j2' ignore missing %}",
        "{% import 'part.j2' as p with context %}a = {{ p.n() }}{{ name }}\n",
        "{% extends 'base.j2' %}",
    ):
        assert templates.needs(template, file_format) is None


@pytest.mark.parametrize("template", ["a = {{ 'abc' % name }}\n", "a = {{ 'abc'|upper % name }}\n"])
def test_a_text_that_has_no_place_for_the_other_one_fails_as_in_rendering(templates, template):
    assert templates.needs(template) is None
    with pytest.raises(PluginError, match="not all arguments converted"):
        templates.rendered(OWN, "keyvalue")


@pytest.mark.parametrize("operator", ["+", "-", "*", "/", "//", "%", "**", "<", "<=", ">", ">=", "in", "not in"])
@pytest.mark.parametrize("left", ["'abc'", "'%s'", "5", "none", "[1]", "other"])
def test_operators_with_a_gap_on_the_right_give_what_they_give_a_text(templates, left, operator):
    template = f"a = {{{{ 1 if ({left} {operator} name) else 2 }}}}{{{{ kind }}}}\n"
    (templates.folder / "file.j2").write_text(template)
    try:
        templates.rendered(OWN, "keyvalue")
    except PluginError:
        assert templates.needs(template) is None
    else:
        needs = templates.needs(template)
        assert needs is None or "name" in needs


def test_inherited_and_included_templates(templates):
    (templates.folder / "base.j2").write_text("a = {{ name }}\n{% block own %}{% endblock %}")
    (templates.folder / "part.j2").write_text("{% macro m(x) %}{{ x }}{{ name }}{% endmacro %}p = {{ other }}\n")
    template = (
        "{% extends 'base.j2' %}{% set mine = name ~ kind %}{% block own %}{% include 'part.j2' %}"
        "{% from 'part.j2' import m with context %}m = {{ m(mine) }}\n{% endblock %}"
    )
    assert templates.needs(template) == []


def test_an_imported_module_keeps_no_gap_for_the_next_file(templates):
    (templates.folder / "m.j2").write_text(
        "{% set box = namespace(last='nobody') %}{% macro seen(x) %}{{ box.last }}{% set box.last = x %}{% endmacro %}"
    )
    (templates.folder / "file.j2").write_text("{% import 'm.j2' as m %}a = {{ m.seen(other) }}{{ name }}\n")
    tracer = Tracer()
    for _ in range(2):
        assert tracer.trace(templates.request({"name": "Ana", "other": "Bob"}, "keyvalue")) == (
            set(),
            ["a = nobody", 0, "\n"],
        )


def test_a_text_that_may_not_be_written_has_no_pattern(templates):
    assert templates.needs("a = {{ name }}\n", name="a\nb") is None


def test_what_goes_on_for_ever_is_no_pattern(templates):
    template = "{% for a in range(99999) %}{{ '0123456789abcdef' }}{% endfor %}"
    assert templates.needs(template) is None


@given(st.text(), st.text())
@settings(max_examples=300, deadline=None)
def test_texts_are_escaped_or_refused_as_in_rendering(one, two):
    folder = Path(__file__).parent / "templates"
    own = {"one": one or "x", "two": two or "y"}
    pattern = pattern_of(["<a>", 0, "</a><b>", 1, "", 0, "</b>\n"], 2, "xml")
    engine = Engine()
    try:
        rendered: bytes | None = engine.render([str(folder)], "two.xml.j2", "xml", own)
    except PluginError:
        rendered = None
    texts = shape_of(own, {})[1]
    if rendered is None:
        with pytest.raises(PluginError):
            pattern.filled(texts)
    else:
        assert pattern.filled(texts) == rendered


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ({"a": 1}, {"a": True}),
        ({"a": 1}, {"a": 1.0}),
        ({"a": None}, {"a": ""}),
        ({"a": None}, {"a": False}),
        ({"a": ""}, {"a": "x"}),
        ({"a": "x", "b": "x"}, {"a": "x", "b": "y"}),
        ({"a": "x"}, {"b": "x"}),
        ({"a": ["x"]}, {"a": ["x", "y"]}),
        ({"a": ["x"]}, {"a": {"0": "x"}}),
        ({"a": {"b": "x"}, "c": "y"}, {"a": {"b": "x", "c": "y"}}),
        ({"a": []}, {"a": {}}),
        ({"a": 0, "b": "x"}, {"a": "x", "b": 0}),
        ({"need": "x"}, {"need": "y"}),
        ({"need": "x", "b": "y"}, {"need": "x", "b": ""}),
        ({"need": ["x"]}, {"need": "x"}),
    ],
)
def test_other_contexts_have_another_shape(one, two):
    needs = tree([("need",)])
    assert shape_of(one, needs)[0] != shape_of(two, needs)[0]


def test_a_shape_is_of_plain_data():
    assert shape_of({"a": ("x", "y")}, {}) == shape_of({"a": ["x", "y"]}, {})
    for odd in ({"a": object()}, {5: "x"}, {"a": [{1}]}):
        with pytest.raises(TypeError):
            shape_of(odd, {})


@pytest.mark.parametrize(
    "parts",
    [None, [], [0], ["a", 2], ["a", -1], ["a", True], ["a", None], {"a": 1}, ["a", [1]], ["\ud800"], ["a", "b\udfff"]],
)
def test_a_renderer_may_say_anything(parts):
    with pytest.raises(PeerError):
        pattern_of(parts, 2, "keyvalue")


NESTED = [b"[" * 200_000, b'{"a":' * 200_000, b"[[[" + b"[" * 900 + b"]" * 900 + b"]],1]"]


@pytest.mark.parametrize("body", [b"", b"1", b"[]", b"[[]]", b"[1,[]]", b"[[1],[]]", b"\xff", b"NaN", *NESTED])
def test_a_renderer_may_send_anything(body):
    with pytest.raises(PeerError, match="renderer described"):
        pattern_of(decode_pattern(body)[1], 1, "keyvalue")


def test_a_filled_file_has_its_limit():
    pattern = Pattern((b"a", b"", b""), ((1, 0), (2, 0)), "keyvalue", 1, 1)
    assert pattern.filled(["x"]) == b"axx"
    with pytest.raises(PluginError, match="octets of output"):
        pattern.filled(["x" * (MAX_OUTPUT // 2)])
    with pytest.raises(PluginError, match="do not fit"):
        pattern.filled(["x", "y"])


def test_a_template_that_was_compiled_beforehand_is_read_no_more(tmp_path):
    tracer, request = Tracer(), Request([str(tmp_path)], "file.j2", "keyvalue", 0, {"mac": "02"}, {}, ())
    (tmp_path / "file.j2").write_text("{% broken %}")
    tracer.compile(request)
    assert tracer.trace(request) is None
    (tmp_path / "file.j2").write_text("mac = {{ mac }}\n")
    tracer.compile(request)
    (tmp_path / "file.j2").unlink()
    assert tracer.trace(request) == (set(), ["mac = ", 0, "\n"])
