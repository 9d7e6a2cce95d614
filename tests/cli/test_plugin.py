"""``provd plugin check|new``."""

from pathlib import Path

from tests.cli.conftest import Shell


def test_a_new_plugin_passes_its_check_at_once(shell: Shell, tmp_path: Path) -> None:
    made = tmp_path / "acme"
    answer = shell("plugin", "new", "acme", "--vendor", "Acme", "--folder", str(tmp_path))
    assert answer.out.startswith(f"{made} is begun")
    answer = shell("plugin", "check", str(made))
    assert answer.code == 0
    assert "acme 0.1.0: bronze (" in answer.out
    report = shell("plugin", "check", str(made), "--json").json
    assert (report["ok"], report["plugin"], report["problems"]) == (True, "acme", [])
    assert shell("plugin", "new", "acme", "--vendor", "Acme", "--folder", str(tmp_path)).code == 5
    assert shell("plugin", "new", "Not Good", "--vendor", "Acme", "--folder", str(tmp_path)).code == 2


def test_a_faulty_plugin_is_told_everything_and_fails(shell: Shell, tmp_path: Path) -> None:
    shell("plugin", "new", "acme", "--vendor", "Acme", "--folder", str(tmp_path))
    template = tmp_path / "acme" / "templates" / "device.cfg.j2"
    template.write_text("{{ nonsense }}\n")
    answer = shell("plugin", "check", str(tmp_path / "acme"))
    assert answer.code == 1
    assert "nonsense" in answer.err
    assert shell("plugin", "check", str(tmp_path / "nothing")).code == 2
