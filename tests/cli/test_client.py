"""How commands meet a daemon that runs, that does not, and that does not want them."""

import io
import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from provd.app.admin import Admin
from provd.app.firmware.choosing import Images
from provd.app.firmware.rollouts import Rollouts
from provd.app.resync.notes import Notes
from provd.base.facts.daemon import Recovered
from provd.cli.client import NotRunningError, RefusedError, ask, call, page_size, settings_of
from provd.cli.commands import Command, Group, filters_of
from provd.cli.root import COMMANDS, cli
from provd.config.settings import Settings
from tests.app.dialing_kit import Floor
from tests.app.fakes import PHONE
from tests.app.packages.shelf import acme_shelf, shop_of
from tests.cli.conftest import Office, Shell


def test_a_configuration_that_is_not_there_or_not_readable_is_said_in_a_sentence(shell: Shell, tmp_path: Path) -> None:
    shell.config = tmp_path / "none.toml"
    answer = shell("device", "list")
    assert (answer.code, answer.err) == (
        3,
        f"{shell.config}: there is no such file; --config FILE or $PROVD_CONFIG names another one\n",
    )
    shell.config = tmp_path
    assert shell("device", "list").err == f"{tmp_path}: cannot be read: Is a directory\n"
    shell.config = tmp_path / ("x" * 300)
    assert shell("device", "list").err.endswith("cannot be read: File name too long\n")


def test_the_configuration_may_be_named_before_or_behind_the_command(shell: Shell, office: Office) -> None:
    good = str(shell.config)
    shell.config = Path("/nowhere")
    assert shell("device", "list", "--config", good).code == 0
    assert shell("device", "list").code == 3


def test_a_user_who_may_not_use_the_daemon_is_refused(shell: Shell, office: Office) -> None:
    office.permitted = False
    answer = shell("device", "list")
    assert (answer.code, answer.err) == (5, "You may not use this socket\n")
    assert shell("tail").code == 5


@pytest.mark.root
def test_a_user_without_permission_for_the_socket_is_told(shell: Shell, office: Office, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for folder in tmp_path.parents:
        if folder.owner() == "root" and folder.stat().st_mode & 0o55 != 0o55 and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o55)
    settings = settings_of(str(shell.config))
    closed, config = tmp_path / "closed", tmp_path / "closed.toml"
    closed.mkdir(mode=0o700)
    config.write_text(f'[server]\ncontrol = "{closed}/control.sock"\n')
    effective = os.geteuid()
    os.seteuid(65534)
    try:
        with pytest.raises(RefusedError, match=r"no permission for .*control\.sock: be root or the user of the daemon"):
            ask(settings.server.control_path, "device.list", {})
        assert page_size(str(config)) == 1000, "it cannot see whether a daemon runs"
        with pytest.raises(RefusedError, match=r"no permission for .*closed/control\.sock"):
            call(str(config), "device.list")
    finally:
        os.seteuid(effective)


def test_a_defect_of_the_daemon_is_no_traceback_here(shell: Shell, office: Office) -> None:
    with pytest.raises(Exception, match="ZeroDivisionError"):
        call(str(shell.config), "broken")


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{x}", b"nonsense\r\n\r\n"])
def test_a_daemon_that_dies_or_babbles_is_no_traceback(shell: Shell, reply: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(shell.state / "control.sock"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(reply)

        thread = threading.Thread(target=serve)
        thread.start()
        answer = shell("device", "list")
        thread.join()
    assert (answer.code, answer.out) == (1, "")
    assert answer.err.startswith("the daemon did not answer: ")


def test_a_daemon_that_ends_while_a_command_waits_is_a_sentence(shell: Shell) -> None:
    work = {"id": "w1", "kind": "plugin.try", "state": "running", "doing": "", "done": 0, "total": 0, "reason": ""}
    body = json.dumps(work).encode()
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(shell.state / "control.sock"))
    listener.listen()

    def serve() -> None:
        connection, _ = listener.accept()
        listener.close()
        with connection:
            asked = b""
            while not asked.endswith(b"}"):
                asked += connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    thread = threading.Thread(target=serve)
    thread.start()
    answer = shell("operation", "wait", "w1")
    thread.join()
    assert (answer.code, answer.out) == (1, "")
    assert answer.err == "no daemon runs any more; w1 goes on with the next one: provd operation wait w1\n"
    assert not (shell.state / "provd.db").exists(), "the database is left to the next one"


def test_without_a_daemon_the_database_is_used_and_a_person_is_told(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    with pytest.raises(NotRunningError):
        ask(settings_of(str(shell.config)).server.control_path, "tenant.list", {})
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert call(str(shell.config), "tenant.list")["items"][0]["id"] == "master"
    assert sys.stderr.getvalue() == "no daemon runs: working on the database\n"


def test_the_tail_tells_facts_until_the_daemon_stops(shell: Shell, office: Office) -> None:
    def talk() -> None:
        while not office.tail._watchers:
            threading.Event().wait(0.01)
        fact = Recovered(at=1_700_000_000.0, mac=PHONE, part="dhcp")
        office.on_loop(lambda: office.tail([fact]))
        office.on_loop(office._ended.set)

    thread = threading.Thread(target=talk)
    thread.start()
    answer = shell("tail", PHONE)
    thread.join()
    assert answer.out.endswith("INFO    RECOVERED mac=02:aa:aa:00:00:01 part=dhcp\n")
    assert (answer.code, answer.err) == (1, "the daemon has stopped\n")


def test_the_tail_needs_a_daemon_and_a_mac(shell: Shell, office: Office) -> None:
    assert shell("tail", "nonsense").err == "not a MAC address: 'nonsense'\n"
    office.stop()
    answer = shell("tail", "--json")
    assert (answer.code, answer.err) == (
        1,
        f"no daemon listens on {shell.state}/control.sock: start it (systemctl start provd)\n",
    )


_OPERATIONS_OF = {"model": "site_model"}


def test_the_filters_of_every_list_are_those_of_its_operation(tmp_path: Path) -> None:
    floor = Floor()
    world = floor.world
    admin = Admin(
        fleet=world.fleet,
        boot=world.boot,
        clock=world.clock,
        emit=world.facts.append,
        zone=lambda _: None,
        codes=floor.office,
        tasks=world.tasks,
        shop=shop_of(world, acme_shelf()),
        rollouts=Rollouts(
            world.fleet,
            Images(world.depot),
            Notes(world.fleet, world.boot.station.knowledge, world.clock),
            world.clock,
            world.facts.append,
        ),
    )
    offered = {name: {p.name for p in operation.params} for name, operation in admin.operations.items()}
    ctx = click.Context(cli)
    seen = 0
    for name in COMMANDS:
        group = cli.get_command(ctx, name)
        if isinstance(group, click.Group) and "list" in group.commands:
            if not any(parameter.name == "wanted" for parameter in group.commands["list"].params):
                continue  # serials are listed of one model, which is named
            seen += 1
            known = offered[f"{_OPERATIONS_OF.get(name, name)}.list"] - {"limit", "after"}
            text = group.commands["list"].help or ""
            assert all(word in text for word in known), name
            assert bool(known) == ("Filters are" in text), name
    assert seen == 16


def test_every_command_takes_the_configuration_that_needs_one() -> None:
    ctx = click.Context(cli)
    without = {"build", "demo", "explain", "index", "key", "new", "sign", "version"}
    for name in COMMANDS:
        found = cli.get_command(ctx, name)
        assert found is not None
        for command in found.commands.values() if isinstance(found, Group) else [found]:
            if not isinstance(command, Group):
                assert isinstance(command, Command) != (command.name in without), command.name


def test_filters_may_hold_spaces_and_equal_signs() -> None:
    assert filters_of([" query = a=b ", "free=no"], ["query"], ["free"]) == {"query": "a=b", "free": False}


def test_a_closed_pipe_is_no_traceback(shell: Shell, office: Office) -> None:
    command = f"{sys.executable} -m provd --config {shell.config} explain --json | true"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.stderr == ""


def test_the_settings_of_the_default_are_those_of_an_empty_file(shell: Shell) -> None:
    assert settings_of(str(shell.config)).dhcp == Settings().dhcp


@pytest.mark.root
def test_a_configuration_that_only_others_may_read(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "etc"
    folder.mkdir(mode=0o700)
    shell.config = folder / "provd.toml"
    shell.config.write_text("")
    monkeypatch.setenv("PROVD_CONFIG", str(shell.config))
    for parent in tmp_path.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o5)
    os.seteuid(65534)
    try:
        refused = shell("device", "list")
        identified = CliRunner().invoke(cli, ["identify", "--path", "spa504G.cfg"])
    finally:
        os.seteuid(0)
    assert (refused.code, refused.err) == (3, f"{shell.config}: cannot be read: Permission denied\n")
    # Who has no configuration asks the plugins that came with provd.
    assert identified.exit_code == 0


def test_a_list_is_asked_for_in_small_pages_of_a_daemon_and_in_large_ones_of_the_database(
    shell: Shell, office: Office
) -> None:
    assert page_size(str(shell.config)) == 1000
    office.stop()
    assert page_size(str(shell.config)) == 10_000
