"""``provd serve|check-config|status|version``, and ``check-config --deep``."""

import shutil
from pathlib import Path

from provd import __version__
from tests.cli.conftest import Office, Shell
from tests.kit.daemon import ROOT


def test_the_status_of_a_running_daemon(shell: Shell, office: Office) -> None:
    answer = shell("status")
    assert answer.code == 0
    assert "running       yes" in answer.out
    assert shell("status", "--json").json["devices"] == 2


def test_the_status_without_a_daemon_is_that_of_the_database_and_a_failure(shell: Shell) -> None:
    answer = shell("status", "--json")
    assert (answer.code, answer.json["running"], answer.json["tenants"]) == (1, False, 1)
    assert answer.err == f"no daemon listens on {shell.state}/control.sock: start it (systemctl start provd)\n"


def test_serve_says_in_a_sentence_why_it_does_not_start(shell: Shell, tmp_path: Path) -> None:
    good = shell.config
    shell.config = tmp_path / "none.toml"
    assert shell("serve").code == 3
    shell.config = good
    shell.config.write_text('[dhcp]\nmode = "full"\n')
    answer = shell("serve")
    assert answer.code == 3
    assert 'dhcp: mode = "full" needs at least one [[dhcp.subnet]]' in answer.err


def test_a_deep_check_opens_what_the_configuration_names(tmp_path: Path) -> None:
    broken = tmp_path / "plugins" / "acme"
    broken.mkdir(parents=True)
    (broken / "plugin.toml").write_text("id = 3\n")
    shell = Shell(
        tmp_path,
        f"""
[dhcp]
mode = "full"
interfaces = ["nowhere0", "127.0.0.1"]
[[dhcp.subnet]]
network = "127.20.0.0/16"
[phones]
tls_listen = ["127.0.0.1:8668"]
tls_certificate = "{tmp_path}/none.pem"
tls_key = "{tmp_path}/none.key"
[database]
url = "postgresql://127.0.0.1:1/provd"
[plugins]
paths = ["{tmp_path}/plugins"]
""",
    )
    assert shell("check-config").out == "OK\n"
    answer = shell("check-config", "--deep", "--json")
    errors = answer.json["errors"]
    assert (answer.code, answer.json["ok"]) == (3, False)
    for text in ("dhcp.interfaces: there is no interface nowhere0", "none.pem", "database.url", "acme"):
        assert any(text in error for error in errors), text


def test_a_deep_check_misses_steps_that_no_plugin_brings_along(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "etc/examples/gateway", tmp_path / "plugins/gateway")
    task = '[[tasks.template]]\nid = "t"\n'
    step = '[[tasks.template.step]]\nid = "{id}"\ndo = "plugin"\nstep = "{step}"\n{more}\n'
    steps = [
        step.format(id="a", step="enrol", more='with = { site = "x" }'),
        step.format(id="b", step="enrol", more='plugin = "gateway"'),
        step.format(id="c", step="enrol", more='plugin = "yealink"'),
        step.format(id="d", step="dance", more=""),
    ]
    shell = Shell(tmp_path, f'[plugins]\npaths = ["{tmp_path}/plugins"]\n{task}{"".join(steps)}')
    assert shell("check-config", "--deep", "--json").json["errors"] == [
        "tasks.template 't', step 'b': with.site is needed",
        "tasks.template 't', step 'c': plugin 'yealink' has no step 'enrol'",
        "tasks.template 't', step 'd': no plugin has a step 'dance'",
    ]


def test_a_deep_check_of_what_is_there_is_ok(shell: Shell) -> None:
    assert shell("check-config", "--deep").out == "OK\n"


def test_version(shell: Shell) -> None:
    assert shell("--version").out == f"provd, version {__version__}\n"
    assert shell("version").out == f"provd {__version__}\n"
    shown = shell("version", "--json").json
    assert shown["sqlalchemy"]
    assert "uvloop" in shown


def test_a_check_sees_what_the_dhcp_server_would_refuse(shell: Shell) -> None:
    subnet = '[[dhcp.subnet]]\nnetwork = "10.0.0.0/24"\noptions = { "42" = "ip:10.0.0.1" }\n'
    shell.config.write_text(f'[dhcp]\nmode = "full"\ninterfaces = ["lo"]\n{subnet}')
    assert "option 42 is decided by provd or has a setting of its own" in shell("check-config").err
