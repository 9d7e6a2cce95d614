import json
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from provd import __version__
from provd.cli.root import COMMANDS, cli


def run(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def test_every_command_of_the_table_can_be_imported_and_has_help() -> None:
    for name in COMMANDS:
        code, out, _ = run(name, "--help")
        assert code == 0, name
        assert "Usage:" in out


LIGHT = """
import json, sys
from provd.cli.root import cli
try:
    cli(["--version"])
except SystemExit:
    print(json.dumps(sorted(sys.modules)))
"""


def test_the_version_is_light() -> None:
    shown = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    loaded = set(json.loads(shown.stdout.splitlines()[-1]))
    assert not loaded & {"aiohttp", "sqlalchemy", "pydantic", "jinja2", "alembic", "asyncio", "netaddr", "cryptography"}


def test_version_answers_with_text_and_json() -> None:
    assert run("version")[1] == f"provd {__version__}\n"
    assert json.loads(run("version", "--json")[1])["provd"] == __version__


def test_check_config_says_ok_or_every_error_and_exits_with_3(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.toml", tmp_path / "bad.toml"
    good.write_text("")
    bad.write_text('[dhcp]\nmod = "full"\n[policy]\nsecrets = "x"\n')
    assert run("check-config", "--config", str(good)) == (0, "OK\n", "")
    code, out, err = run("check-config", "--config", str(bad))
    assert (code, out) == (3, "")
    assert [line.rpartition("bad.toml:")[2].split(":")[0] for line in err.splitlines()] == ["2", "4"]
    code, out, _ = run("check-config", "--config", str(bad), "--json")
    assert code == 3
    assert len(json.loads(out)["errors"]) == 2


def test_an_unknown_command_is_a_usage_error() -> None:
    assert run("provision")[0] == 2


def test_explain_tells_what_a_fact_means() -> None:
    code, out, _ = run("explain", "file-refused")
    assert code == 0
    assert "Do:" in out
    assert run("explain", "NO-SUCH")[0] == 4


def test_a_command_that_was_mistyped_is_guessed() -> None:
    answer = CliRunner().invoke(cli, ["devise", "list"])
    assert answer.exit_code == 2
    assert "No such command 'devise'. Did you mean 'device'?" in answer.output
    assert CliRunner().invoke(cli, ["xyzzy"]).output.endswith("Error: No such command 'xyzzy'.\n")
