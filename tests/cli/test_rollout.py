"""``provd rollout``, by hand; where no daemon runs it is planned on the database."""

from __future__ import annotations

from tests.cli.conftest import Shell


def test_planned_shown_started_and_ended(shell: Shell, tmp_path) -> None:
    image = tmp_path / "spa50x-30x-7-5-5.bin"
    image.write_bytes(b"\1\2\3" * 1000)
    named = ("--name", "spa50x-30x", "--version", "7.5.5")
    assert shell("firmware", "upload", str(image), *named).code == 0
    assert shell("firmware", "upload", str(image), *named, "--sha256", "0" * 64).code == 1
    shell("device", "add", "001122334455", "--model", "SPA504G")
    add = ("rollout", "add", "spring", "--firmware", "spa50x-30x", "--version", "7.5.5", "--tolerance", "20")
    made = shell(*add, "--ring", "pilot=5", "--ring", "rest=100", "--patience", "30m", "--no-tell", "--json").json
    assert (made["state"], made["of"], made["patience"], made["tell"]) == ("planned", 1, 1800, False)
    assert shell(*add).code == 5
    # Nobody knows what it runs, and what has to be run first is not here.
    assert "it has to run 7.5.2b before, which is not here" in shell("rollout", "start", "spring").err
    assert shell("firmware", "remove", "spa50x-30x").code == 5
    step = ("--name", "spa50x-30x", "--version", "7.5.2b")
    assert shell("firmware", "upload", str(image), *step).code == 0
    assert shell("rollout", "start", "spring").code == 0
    shown = shell("rollout", "show", "spring")
    assert "0 of 1 on 7.5.5 (running, ring pilot)" in shown.out
    assert shell("rollout", "list").rows[0][:6] == ["spring", "spa50x-30x", "7.5.5", "running", "pilot", "0"]
    assert shell("rollout", "set", "spring", "--tolerance", "50", "--json").json["tolerance"] == 50
    for verb, code in (("pause", 0), ("pause", 5), ("resume", 0), ("abort", 0), ("rollback", 0), ("delete", 0)):
        assert shell("rollout", verb, "spring").code == code, verb
    assert shell("rollout", "show", "spring").code == 4
    assert shell("firmware", "remove", "spa50x-30x", "7.5.5").code == 0
