"""One template to one file: what may be written, what is refused and how the refusal reads."""

import json
from pathlib import Path

import pytest

from provd.app.ports import RenderJob
from provd.base.errors import PluginError
from provd.plugin import FileRule
from provd.plugins.render_engine import Engine, LimitError
from provd.plugins.render_once import render_once


@pytest.fixture
def render(tmp_path):
    def write_and_render(template: str, file_format: str = "keyvalue", **context: object) -> str:
        (tmp_path / "file.j2").write_text(template, encoding="utf-8")
        rule = FileRule(name="file", kind="device", template="file.j2", format=file_format)
        return render_once(tmp_path, RenderJob("maker", rule, context)).decode()

    return write_and_render


def test_block_tags_leave_no_blank_and_no_line(render):
    assert render(
        "{# why #}\n{% if on %}\na = 1\n  {% for n in [2, 3] %}\nb = {{ n }}\n  {% endfor %}\n{% endif %}\n", on=1
    ) == ("a = 1\nb = 2\nb = 3\n")


def test_line_ends_of_a_template_are_made_one_kind(render, tmp_path):
    (tmp_path / "crlf.j2").write_bytes(b"a = 1\r\nb = 2\r\n")
    assert render('{% include "crlf.j2" %}') == "a = 1\nb = 2\n"


@pytest.mark.parametrize("template", ["", "\na = 1\n", " a = 1\n", "{{ nothing }}"])
def test_a_file_begins_with_its_first_octet(render, template):
    with pytest.raises(PluginError, match="empty or begins with a blank"):
        render(template, nothing="")


def test_a_byte_order_mark_is_refused(render):
    with pytest.raises(PluginError, match="byte order mark"):
        render("\ufeffa = 1\n")


def test_xml_uses_the_five_named_entities(render):
    assert render("<a>{{ text }}</a>", "xml", text='<Tom & "Jerry\'s">') == (
        "<a>&lt;Tom &amp; &quot;Jerry&apos;s&quot;&gt;</a>"
    )


def test_xml_that_a_macro_wrote_is_not_escaped_again(render):
    template = (
        "{% macro element(name, value) %}<{{ name }}>{{ value }}</{{ name }}>{% endmacro %}{{ element('a', text) }}"
    )
    assert render(template, "xml", text="&") == "<a>&amp;</a>"


def test_the_other_formats_escape_nothing(render):
    assert render("a = {{ text }}\n", text="<&>\"'") == "a = <&>\"'\n"
    assert render("a {{ text }}\n", "text", text="<\t&>\n") == "a <\t&>\n\n"


@pytest.mark.parametrize("char", ["\n", "\r", "\x00", "\t", "\x1b", "\x7f", "\x85", "\u2028", "\ud800", "\uffff"])
@pytest.mark.parametrize("file_format", ["xml", "keyvalue"])
def test_a_control_character_is_refused_by_the_name_of_its_variable(render, file_format, char):
    with pytest.raises(PluginError) as caught:
        render("a = {{ lines[0].password }}", file_format, lines=[{"password": f"secr{char}et"}])
    assert str(caught.value) == f"file.j2:1: lines[0].password contains the character U+{ord(char):04X}"


@pytest.mark.parametrize(
    "use",
    [
        "name ~ 'x'",
        "name|upper",
        "name.upper()",
        "'x' if name == 'y'",
        "'x' if name",
        "[name]|join",
        "name|length",
        "'%s'|format(name)",
        "name[0]",
        "'x' if 'y' in name",
    ],
)
def test_there_is_no_way_round_the_refusal(render, use):
    with pytest.raises(PluginError, match=r"name contains the character U\+000A"):
        render(f"a = {{{{ {use} }}}}", name="a\nb")


def test_a_bad_value_that_nobody_uses_harms_nobody(render):
    assert render("a = {{ good }}", good="x", bad="a\nb") == "a = x"


@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, ["x"]])
def test_only_texts_and_whole_numbers_are_written(render, value):
    with pytest.raises(PluginError, match="only texts and whole numbers are"):
        render("a = {{ value }}", value=value)


def test_an_unknown_variable_is_named_with_its_line(render):
    with pytest.raises(PluginError) as caught:
        render("a = 1\nb = {{ device.nmae }}", device={"name": "x"})
    assert str(caught.value) == "file.j2:2: 'dict object' has no attribute 'nmae'"


def test_a_mistake_in_the_template_is_named_with_its_line(render):
    with pytest.raises(PluginError, match=r"^file\.j2:2: Unexpected end of template"):
        render("a = 1\n{% if x %}")


def test_any_exception_of_a_template_is_translated(render):
    with pytest.raises(PluginError, match=r"^file\.j2:1: ZeroDivisionError: "):
        render("a = {{ 1 // zero }}", zero=0)


def test_a_password_is_not_in_the_error(render):
    with pytest.raises(PluginError) as caught:
        render("a = {{ table[line.password] }}", table={}, line={"password": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "***" in str(caught.value)


def test_an_entry_of_a_mapping_comes_before_its_methods(render):
    assert render("a = {{ model.keys }} {{ model.items()|length }}", model={"keys": 4, "lines": 2}) == "a = 4 2"


@pytest.mark.parametrize(
    "template",
    [
        "{{ text.__class__ }}",
        "{{ text.format.__globals__ }}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ [].append(1) }}",
        "{{ {}.update({}) }}",
        "{{ ''.join.__self__ }}",
        "{{ text.format_map({}).__class__ }}",
        "{% set s = namespace(a=1) %}{{ s.__class__ }}",
        "{% set s = namespace(a=1) %}{{ s._Namespace__attrs }}",
        "{% set s = namespace(a='{0.__class__}'.format) %}{{ s.a(text) }}",
        "{{ range.__init__ }}",
        "{{ '{0.__class__}'.format(text) }}",
        "{{ range(10000000)|length }}",
    ],
)
def test_the_sandbox_holds(render, template):
    with pytest.raises(PluginError):
        render(template, text="x")


@pytest.mark.parametrize("name", ["random", "safe", "attr", "escape", "tojson", "pprint", "xmlattr"])
def test_filters_that_draw_lots_or_lift_the_escaping_are_gone(render, name):
    with pytest.raises(PluginError, match=f"No filter named '{name}'"):
        render(f"a = {{{{ text|{name} }}}}", "xml", text="x")


@pytest.mark.parametrize("name", ["lipsum", "cycler", "joiner", "now", "self.x"])
def test_there_are_no_other_globals(render, name):
    with pytest.raises(PluginError):
        render(f"a = {{{{ {name}() }}}}")


def test_too_much_output_is_a_limit(render):
    with pytest.raises(LimitError, match="more than 1048576 octets"):
        render("{% for n in range(100000) %}0123456789abcdef{% endfor %}")


def test_octets_count_not_characters(render):
    with pytest.raises(LimitError, match="more than 1048576 octets"):
        render("{{ text }}", text="é" * 600_000)


def test_endless_recursion_is_a_limit(render):
    with pytest.raises(LimitError, match="RecursionError"):
        render("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}")


def job(name: str = "file.j2") -> RenderJob:
    return RenderJob("maker", FileRule(name="file", kind="device", template=name, format="text"), {})


def test_an_override_wins_and_may_extend_what_it_does_not_override(tmp_path):
    shipped, own = tmp_path / "shipped", tmp_path / "own"
    shipped.mkdir()
    own.mkdir()
    (shipped / "base.j2").write_text("base {% block b %}{% endblock %}")
    (shipped / "file.j2").write_text("shipped")
    (own / "file.j2").write_text('{% extends "base.j2" %}{% block b %}own{% endblock %}')
    assert render_once(shipped, job()) == b"shipped"
    assert render_once(shipped, job(), overrides=own) == b"base own"


@pytest.mark.parametrize(
    "use",
    [
        "{% import 'm.j2' as m %}a = {{ m.seen(name) }}\n",
        "{% from 'm.j2' import seen %}a = {{ seen(name) }}\n",
        "{% import 'between.j2' as between %}a = {{ between.seen(name) }}\n",
    ],
)
def test_an_imported_module_takes_nothing_from_one_file_to_the_next(tmp_path, use):
    (tmp_path / "m.j2").write_text(
        "{% set box = namespace(last='nobody') %}"
        "{% macro seen(x) %}{{ box.last }}{% set box.last = x %}{{ box.last }}{% endmacro %}"
    )
    (tmp_path / "between.j2").write_text("{% import 'm.j2' as m %}{% macro seen(x) %}{{ m.seen(x) }}{% endmacro %}")
    (tmp_path / "file.j2").write_text(use)
    engine = Engine()
    for name in ("Ana", "Bob"):
        assert engine.render([str(tmp_path)], "file.j2", "keyvalue", {"name": name}) == f"a = nobody{name}\n".encode()


def test_what_is_imported_in_a_file_stays_one_within_it(tmp_path):
    (tmp_path / "m.j2").write_text(
        "{% set box = namespace(n=0) %}{% macro count() %}{% set box.n = box.n + 1 %}{{ box.n }}{% endmacro %}"
    )
    (tmp_path / "file.j2").write_text("{% import 'm.j2' as m %}a = {{ m.count() }}{{ m.count() }}\n")
    engine = Engine()
    for _ in range(2):
        assert engine.render([str(tmp_path)], "file.j2", "keyvalue", {}) == b"a = 12\n"


def test_nothing_outside_the_folders_is_a_template(tmp_path):
    folder = tmp_path / "templates"
    folder.mkdir()
    (tmp_path / "secret.j2").write_text("secret")
    (folder / "link.j2").symlink_to(tmp_path / "secret.j2")
    with pytest.raises(PluginError, match="leads out of its folder"):
        render_once(folder, job("link.j2"))
    for name in ("../secret.j2", str(tmp_path / "secret.j2"), "missing.j2", ""):
        with pytest.raises(PluginError, match="there is no template"):
            render_once(folder, job(name))


def test_templates_are_read_again_after_forgetting(tmp_path):
    engine = Engine()
    template = tmp_path / "file.j2"
    template.write_text("old")
    assert render_once(tmp_path, job(), engine=engine) == b"old"
    template.write_text("new")
    assert render_once(tmp_path, job(), engine=engine) == b"old"
    engine.forget()
    assert render_once(tmp_path, job(), engine=engine) == b"new"


def test_the_sample_templates_of_a_new_plugin_render():
    folder = Path(__file__).resolve().parents[2] / "plugins/_skeleton/templates"
    context = {
        "urls": {"files": "http://10.0.0.1"},
        "settings": {"resync": {"minutes": 60, "unclaimed_minutes": 1}},
        "model": {"lines": 2, "keys": 0},
        "claimed": False,
        "account": {
            "username": "ap1",
            "auth_username": "ap1",
            "password": "x",
            "display_name": "d",
            "server": "s",
            "port": 1,
        },
        "lines": [],
    }
    for name in ("common.cfg.j2", "device.cfg.j2"):
        rule = FileRule(name="file", kind="device", template=name, format="keyvalue")
        assert render_once(folder, RenderJob("new", rule, context)).startswith(b"# ")


def test_json_writes_each_value_as_json_has_it(render):
    text = 'a "quoted"\nline \u2028 \x07'
    values = {"text": text, "list": [1, None, True], "deep": {"b": 0.5}}
    rendered = render(
        "{% if text %}\n{{ text }}, {{ list }}, {{ deep }}, {{ text ~ '!' }}\n{% endif %}", "json", **values
    )
    assert json.loads(f"[{rendered}]") == [text, [1, None, True], {"b": 0.5}, f"{text}!"]
    with pytest.raises(PluginError, match="'nope' is undefined"):
        render("{{ nope }}", "json")
    with pytest.raises(PluginError, match="was to be written as JSON"):
        render("{{ much }}", "json", much=float("inf"))
    with pytest.raises(PluginError, match="was to be written as JSON"):
        render("{{ range }}", "json")
