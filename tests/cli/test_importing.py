"""``provd import``."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Shell

MAC = "02aaaa000077"
DEVICE = {"mac": MAC, "vendor": "Acme", "model": "A1", "config": "c1"}
CONFIG = {"raw_config": {"locale": "fr_FR", "sip_lines": {"1": {"username": "u1", "password": "p1"}}, "X_more": 1}}


def database(root: Path) -> Path:
    for kind, name, document in (("devices", "d1", DEVICE), ("configs", "c1", CONFIG)):
        (root / kind).mkdir(parents=True)
        (root / kind / name).write_text(json.dumps(document))
    (root / "devices/.hidden").write_text("an editor's copy")
    return root


def test_a_database_is_looked_at_and_taken_over(shell: Shell, tmp_path: Path) -> None:
    source = str(database(tmp_path / "jsondb"))
    answer = shell("import", "wazo", source, "--dry-run")
    assert answer.out == "1 devices, 1 lines, 0 profiles, 0 tenants would be taken over\n"
    assert "X_more: there is nothing like it here" in answer.err
    assert shell("device", "show", MAC).code == 4
    assert shell("import", "wazo", source, "--json").json["lines"] == 1
    assert shell("device", "show", MAC, "--json").json["lines"] == ["u1"]
    again = shell("import", "wazo", source)
    assert (again.code, "here already: line u1" in again.err) == (5, True)


def test_what_the_rest_interface_lists(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"devices": [DEVICE], "configs": [{"id": "c1", **CONFIG}]}))
    answer = shell("import", "wazo", str(file), "--tenant", "some-uuid=acme", "--json")
    assert (answer.json["devices"], answer.json["tenants"]) == (1, [])


def test_what_is_no_database(shell: Shell, tmp_path: Path) -> None:
    for name, content in (("list.json", "[]"), ("broken.json", "{")):
        (tmp_path / name).write_text(content)
        assert shell("import", "wazo", str(tmp_path / name)).code == 2
    assert "has no folder devices" in shell("import", "wazo", str(tmp_path)).err
    folder = database(tmp_path / "jsondb")
    for half in ("", '{"raw_config": {"loc', "[]"):
        (folder / "configs/c2").write_text(half)
        answer = shell("import", "wazo", str(folder))
        assert (answer.code, f"{folder}/configs/c2 is no whole document" in answer.err) == (2, True)


def test_what_is_the_same_for_many_is_said_once(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "all.json"
    many = [{**DEVICE, "mac": f"02aaaa0001{number:02x}", "config": f"c{number}"} for number in range(50)]
    lines = [{"1": {"username": f"u{number}", "password": "p"}} for number in range(50)]
    configs = [
        {"id": f"c{number}", "raw_config": {"sip_lines": lines[number], "X_xivo_user_uuid": "x", "X_b": 1}}
        for number in range(50)
    ]
    file.write_text(json.dumps({"devices": many, "configs": configs}))
    answer = shell("import", "wazo", str(file), "--dry-run")
    some = "02aaaa000100, 02aaaa000101, 02aaaa000102 and 47 more"
    assert answer.err.splitlines()[-3:] == [
        *(f"{some} (--json has all): {name}: there is nothing like it here" for name in ("X_xivo_user_uuid", "X_b")),
        f"not taken over as they were: {100 + 50 * ('no plugin here' in answer.err)}",
    ]
