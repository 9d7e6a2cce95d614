"""A step that a plugin brings along, in the real daemon: as the example has it, and when its templates misbehave."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from provd.plugins.package.minisign import SecretKey, new_key
from provd.plugins.package.publish import build
from tests.daemon.test_tasks import COLONS, activated, seen
from tests.daemon.test_thing_files import EXAMPLE
from tests.kit import acme
from tests.kit.acme import PHONE
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.odd_peer import odd_peer, reply

ENROL = """
[tasks]
allow = ["127.0.0.0/8"]
[[tasks.server]]
name = "maker"
url = "http://127.0.0.1:{port}/api"
secret_file = "{folder}/maker.secret"
[[tasks.template]]
id = "enrol"
begins = "seen"
devices = ["Example/*"]
[[tasks.template.step]]
id = "maker"
do = "plugin"
plugin = "gateway"
step = "enrol"
server = "maker"
with = {{ site = "attic" }}
[[tasks.template.step]]
id = "note"
do = "set"
metadata = {{ account = "{{maker.account}}" }}
"""


def test_a_gateway_is_entered_at_its_makers_service(tmp_path: Path) -> None:
    (tmp_path / "maker.secret").write_text("s3cret\n")
    shutil.copytree(EXAMPLE, tmp_path / "state/plugins/gateway")
    with odd_peer() as peer:
        config, port = loopback_config(tmp_path / "state", sections=ENROL.format(port=peer.port, folder=tmp_path))
        peer.acts["gateways"] = reply({"state": "checking"})
        with Daemon(config, tmp_path) as daemon:
            assert daemon.provd("check-config", "--deep").stdout == "OK\n"
            daemon.provd("activation", "model", "add", "Example", "gw-1")
            daemon.provd("activation", "serial", "add", "Example", "gw-1", "S0001")
            daemon.provd("activation", "enable", "Example", "gw-1", "S0001")
            activated(port, "Example", "gw-1", "S0001")
            assert "its maker's approval" in daemon.wait_for("TASK-WAITING")
            (waiting,) = daemon.json("task", "list")
            peer.acts["gateways"] = reply({"site": "attic", "account": "A-17"}, 409)
            daemon.provd("task", "retry", waiting["id"])
            daemon.wait_for("TASK-DONE")
            assert daemon.json("device", "show", "Example/gw-1/S0001")["metadata"] == {"account": "A-17"}
            steps = daemon.json("task", "show", waiting["id"])["steps"]
            assert steps[0]["result"] == {"account": "A-17"}
    first, second = peer.asked
    assert first.line == "PUT /api/v1/gateways/S0001 HTTP/1.1"
    assert first.document == {"model": "gw-1", "channels": 4, "site": "attic"}
    assert first.headers["authorization"] == "Bearer s3cret"
    assert first.headers["idempotency-key"] == second.headers["idempotency-key"] == f"{waiting['id']}:maker"


STEPS = {
    "raises": "{{ device.nothing }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "huge": '{"done": {"x": {{ "y" * 3000000 }}}}',
    "vague": '{"done": ',
    "outside": '{"path": ["..", "admin"]}',
    "private": '{"path": ["a"]}',
}
SAID = {
    "raises": "raises.json.j2:1: 'dict object' has no attribute 'nothing'",
    "loops": "more than 2 s of processor time",
    "huge": "octets of output",
    "vague": "not JSON",
    "outside": "neither empty nor dots",
    "private": "127.0.0.1 is not permitted",
}
MEND = '{"done": {"mac": {{ device.mac }}}}'


@pytest.mark.fault
def test_a_step_that_misbehaves_fails_alone_and_keeps_no_phone_from_its_file(tmp_path: Path) -> None:
    folder = acme.install(tmp_path / "state")
    manifest, sections = (folder / "plugin.toml").read_text(), ""
    for name, template in STEPS.items():
        (folder / f"templates/{name}.json.j2").write_text(template)
        manifest += f'[[step]]\nname = "{name}"\ntemplate = "{name}.json.j2"\n'
        sections += f'[[tasks.template]]\nid = "{name}"\n[[tasks.template.step]]\nid = "own"\ndo = "plugin"\n'
        sections += f'step = "{name}"\nserver = "web"\n'
    (folder / "plugin.toml").write_text(manifest)
    # No network is listed: a plugin cannot reach into the site either.
    sections += '[[tasks.server]]\nname = "web"\nurl = "http://127.0.0.1:9"\n'
    config, port = loopback_config(tmp_path / "state", sections=sections)
    with Daemon(config, tmp_path) as daemon:
        seen(port)
        failed = {}
        while len(failed) < len(STEPS):
            line = daemon.wait_for("TASK-FAILED")
            failed[next(name for name in STEPS if f"run={name}:" in line)] = line
            seen(port)
        assert {name for name, said in SAID.items() if said not in failed[name]} == set()
        # A third one that exceeds a limit is the last: but what ends are the plugin's steps, not its files.
        daemon.provd("task", "retry", f"huge:1:{PHONE}:1")
        assert 'plugin="acme (steps of tasks)"' in daemon.wait_for("PLUGIN-QUARANTINED")
        daemon.wait_for("TASK-FAILED")
        daemon.provd("task", "retry", f"raises:1:{PHONE}:1")
        assert "in quarantine until the next reload" in daemon.wait_for("TASK-FAILED")
        assert daemon.json("device", "show", PHONE)["plugin"] == "acme"
        assert COLONS.replace(":", "") in daemon.provd("render", PHONE).stdout
        for name in STEPS:
            (folder / f"templates/{name}.json.j2").write_text(MEND)
        daemon.reload()
        daemon.wait_for("RELOADED")
        for name in STEPS:
            daemon.provd("task", "retry", f"{name}:1:{PHONE}:1")
            daemon.wait_for("TASK-DONE")
        (step,) = daemon.json("task", "show", f"loops:1:{PHONE}:1")["steps"]
        assert step["result"] == {"mac": COLONS}


OWN = """
[plugins]
keys = ["{key}"]
[[tasks.template]]
id = "own"
[[tasks.template.step]]
id = "own"
do = "plugin"
step = "own"
"""


def version_of(folder: Path, key: SecretKey, version: str) -> str:
    """A package whose step says which version it is of."""
    source = acme.install(folder / version, version=version, rom=b"rom")
    (source / "README.md").write_text("Acme phones.\n")
    (source / "templates/own.json.j2").write_text(f'{{"done": {{"of": "{version}"}}}}')
    with (source / "plugin.toml").open("a") as manifest:
        manifest.write('[[step]]\nname = "own"\ntemplate = "own.json.j2"\n')
    return str(build(source, folder / "public", key).path)


def test_a_step_is_of_the_version_in_force(tmp_path: Path) -> None:
    key = new_key()
    first, second = (version_of(tmp_path, key, version) for version in ("1.0.0", "1.1.0"))
    config, port = loopback_config(tmp_path / "state", sections=OWN.format(key=key.public))
    with Daemon(config, tmp_path) as daemon:

        def said() -> str:
            daemon.wait_for("TASK-DONE")
            newest = max(daemon.json("task", "list"), key=lambda run: run["generation"])
            (step,) = daemon.json("task", "show", newest["id"])["steps"]
            return step["result"]["of"]

        daemon.provd("plugin", "install", first)
        seen(port)
        assert said() == "1.0.0"
        for command, version in ((("install", second), "1.1.0"), (("rollback", "acme"), "1.0.0")):
            daemon.provd("plugin", *command, "--yes")
            daemon.provd("task", "run", PHONE, "own")
            assert said() == version
