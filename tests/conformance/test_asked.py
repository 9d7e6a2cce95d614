"""No look of a template at its context is missed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.asked import concerns, differences, rendered

CONTEXT = {"settings": {"keys": {1: {"type": "blf", "value": "101"}}, "sip": {"port": 5060}, "ntp": {"server": None}}}
KEY = ("settings", "keys", 1)


@pytest.mark.parametrize(
    ("text", "place", "seen"),
    [
        ("{{ settings.sip.port }}", ("settings", "sip", "port"), True),
        ("{{ settings['sip']['port'] }}", ("settings", "sip", "port"), True),
        ("{% set sip = settings.sip %}{{ sip.get('port') }}", ("settings", "sip", "port"), True),
        ("{{ settings.sip.port }}", ("settings", "ntp", "server"), False),
        ("{{ 1 if 1 in settings['keys'] else 0 }}", KEY, True),
        ("{{ 1 if 2 in settings['keys'] else 0 }}", KEY, False),
        ("{{ 1 if 2 in settings['keys'] else 0 }}", ("settings", "keys", 2), True),
        ("{{ (settings['keys'][2] | default({})).type | default('none') }}", ("settings", "keys", 2), True),
        ("{{ settings['keys'].get(2, {}).type | default('none') }}", ("settings", "keys", 2), True),
        ("{% for k in settings['keys'] %}{{ k }}{% endfor %}", ("settings", "keys", 2), True),
        ("{% for k in settings['keys'] %}{{ k }}{% endfor %}", (*KEY, "type"), False),
        ("{% for k, key in settings['keys'].items() %}{{ key.type }}{% endfor %}", (*KEY, "type"), True),
        ("{% for k, key in settings['keys'] | dictsort %}{{ key.type }}{% endfor %}", (*KEY, "type"), True),
        ("{% for k, key in settings['keys'] | items %}{{ key.type }}{% endfor %}", (*KEY, "value"), False),
        ("{{ settings['keys'] | length }}", ("settings", "keys", 2), True),
        ("{{ 1 if settings['keys'] else 0 }}", ("settings", "keys", 2), True),
        ("{{ 1 if settings['keys'][1] == {} else 0 }}", (*KEY, "type"), True),
        ("{{ dict(settings['keys'][1]).type }}", (*KEY, "value"), True),
        ("{{ settings['keys'][1].values() | join }}", (*KEY, "value"), True),
        ("{{ settings['keys'].values() | map(attribute='type') | join }}", (*KEY, "type"), True),
        ("{{ settings['keys'].values() | map(attribute='type') | join }}", (*KEY, "value"), False),
    ],
)
def test_a_look(tmp_path: Path, text: str, place: tuple[object, ...], seen: bool) -> None:
    (tmp_path / "a.j2").write_text(f"= {text}")
    _, asked = rendered(str(tmp_path), "a.j2", "keyvalue", CONTEXT, ["settings"])
    assert concerns(asked, [place]) is seen


def test_what_lies_in_no_mapping_is_always_looked_at() -> None:
    assert concerns(set(), [("zone",)])


def test_where_two_contexts_differ() -> None:
    one = {"a": {"b": 0, "c": {"d": 1}}, "e": [1]}
    other = {"a": {"b": False, "c": {"d": 1}, "f": 2}, "e": [2]}
    assert set(differences(one, other)) == {("a", "b"), ("a", "f"), ("e",)}
