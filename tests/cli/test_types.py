"""``provd type`` and ``provd constraint``."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import BELL, Shell

TASKS = """
[[template]]
id = "greet"
[[template.step]]
id = "rest"
do = "wait"
for = "1m"
"""
ATTRIBUTES = """
[[attributes]]
name = "asset"
required = true
"""


def test_a_type_with_a_constraint_and_a_task_is_made_shown_changed_and_removed(shell: Shell, tmp_path: Path) -> None:
    tasks, attributes = tmp_path / "tasks.toml", tmp_path / "asset.toml"
    tasks.write_text(TASKS)
    attributes.write_text(ATTRIBUTES)
    made = shell("constraint", "add", "asset", "--attributes", str(attributes))
    assert made.out.splitlines()[-1].split() == ["asset", "string", "yes", "-", "-", "-"]
    made = shell(
        "type", "add", "all", "--devices", "*", "--constraint", "asset", "--tasks", str(tasks), "--set", "ntp.server=n"
    )
    assert made.out.splitlines()[-1].split() == ["greet", "1", "onetime", "rest"]
    assert shell("device", "add", BELL, "--json").json["type"] == "all"
    assert shell("type", "show", "all", "--json").json["settings"] == {"ntp.server": "n"}
    assert "ntp.server" in shell("type", "show", "all").out
    (row,) = shell("type", "list").rows
    assert row[:2] == ["all", "-"]
    assert shell("constraint", "show", "asset", "--json").json["states"]["applying"] >= 1
    assert "applying" in shell("constraint", "show", "asset").out
    assert shell("constraint", "list").rows[0][:3] == ["asset", "-", "api"]

    assert "say what takes its place" in shell("constraint", "delete", "asset").err
    assert shell("constraint", "set", "asset", "--attributes", str(attributes), "--json").code == 0
    assert shell("constraint", "delete", "asset", "--to", "-").out == "asset is deleted\n"
    refused = shell("type", "delete", "all")
    assert (refused.code, "say where they go" in refused.err) == (5, True)
    assert shell("type", "set", "all", "--devices", "", "--to", "-", "--description", "none").code == 0
    assert shell("type", "delete", "all", "--json").json == {"deleted": "all"}
    assert shell("type", "list").code == 4


def test_a_file_that_makes_no_sense_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    file, other = tmp_path / "tasks.toml", tmp_path / "tasks.json"
    for text, reason in (("[[", "Invalid"), ("[[task]]\nid=1", "holds [[template]]"), ("x = 1", "holds [[template]]")):
        file.write_text(text)
        refused = shell("type", "add", "a", "--tasks", str(file))
        assert (refused.code, reason in refused.err) == (2, True), refused.err
    other.write_text('[{"id": "greet", "step": []}]')
    refused = shell("type", "add", "a", "--tasks", str(other))
    assert "tasks.greet.step" in refused.err
    assert shell("type", "list").code == 4
