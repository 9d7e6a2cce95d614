"""``provd plugin check|new``."""

from pathlib import Path

from provd.plugins.skeleton import new
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


def test_an_endless_template_is_refused_before_it_is_given_away(shell: Shell, tmp_path: Path) -> None:
    made = new(tmp_path, "acme", "Acme")
    template = made / "templates/device.cfg.j2"
    template.write_text("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    for command in (("check", str(made)), ("build", str(made), "-o", str(tmp_path / "public"))):
        answer = shell("plugin", *command)
        assert answer.code == 1
        assert "file {mac}.cfg: takes more than 2 s of processor time" in answer.err
    assert not (tmp_path / "public").exists()
    template.write_text("{{ 'x' * 2000000000 }}")
    assert shell("plugin", "check", str(made)).code == 1


def test_a_plugin_of_ones_own_is_not_removed_but_one_is_told_how(shell: Shell) -> None:
    place = shell.state / "plugins"
    shell("plugin", "new", "acme", "--vendor", "Acme", "--folder", str(place))
    assert [row["origin"] for row in shell("plugin", "list", "--json").json if row["id"] == "acme"] == ["folder"]
    answer = shell("plugin", "remove", "acme")
    assert answer.code == 5
    assert f"it is your folder {place / 'acme'}, which provd leaves alone; move it somewhere else and" in answer.err
    (place / "acme").rename(shell.state / "acme")
    assert "there is no plugin 'acme'" in shell("plugin", "remove", "acme").err
    assert "came with provd" in shell("plugin", "remove", "yealink").err
