"""``provd doctor``: what it looks at, and what it says when something is not as it should be."""

from __future__ import annotations

import datetime as dt
import json
import os
import socket
import subprocess
from pathlib import Path

import pytest

from provd.cli.doctor import doctor as command
from provd.cli.servers import Server, _offer
from provd.net.frame import udp_frame
from tests.cli.conftest import Answer, Shell
from tests.kit.certificates import self_signed
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import Lan, leases_of, phone_bed
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

QUIET = """
[tftp]
listen = []
[phones]
listen = []
[api]
listen = []
[sip]
listen = []
"""


def examined(folder: Path, text: str = QUIET, *, code: int = 0) -> tuple[Answer, dict[str, list[str]]]:
    """What it says by check: ``level text``."""
    answer = Shell(folder, text)("doctor", "--no-probe", "--json")
    assert answer.code == code, answer.out
    by_check: dict[str, list[str]] = {}
    for finding in answer.json["findings"]:
        by_check.setdefault(finding["check"], []).append(f"{finding['level']} {finding['text']}")
    return answer, by_check


def test_a_fresh_install_has_no_problem(tmp_path: Path) -> None:
    answer, found = examined(tmp_path)
    assert answer.json["ok"]
    assert found["daemon"] == ["note no daemon runs"]
    assert "goes on" in found["clock"][0]
    assert "not there yet" in found["database"][0]
    assert found["plugins"][0].startswith("ok ")
    text = Shell(tmp_path, QUIET)("doctor", "--no-probe").out
    assert "ok       clock" in text


def test_who_has_a_port_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        ports = tcp.getsockname()[1], udp.getsockname()[1]
        text = QUIET.replace("[phones]\nlisten = []", f'[phones]\nlisten = ["127.0.0.1:{ports[0]}"]')
        text = text.replace("[tftp]\nlisten = []", f'[tftp]\nlisten = ["127.0.0.1:{ports[1]}"]')
        _, found = examined(tmp_path, text, code=1)
    assert len(found["ports"]) == 2
    for line in found["ports"]:
        assert line.startswith("problem ")
        assert f"(process {os.getpid()})" in line
    _, found = examined(tmp_path, text)
    assert [line.split()[0] for line in found["ports"]] == ["ok", "ok"]


def test_interfaces_that_cannot_serve(tmp_path: Path) -> None:
    dhcp = '[dhcp]\nmode = "full"\ninterfaces = ["nowhere0"]\n[[dhcp.subnet]]\nnetwork = "10.9.0.0/24"\n'
    _, found = examined(tmp_path, QUIET + dhcp, code=1)
    assert "problem there is no interface nowhere0" in found["interfaces"][0]
    _, found = examined(tmp_path, QUIET + dhcp.replace("nowhere0", "lo"))
    assert "warning lo is up with 127.0.0.1/8, which no [[dhcp.subnet]] has" in found["interfaces"][0]
    _, found = examined(tmp_path, QUIET + dhcp.replace("nowhere0", "lo").replace("10.9.0.0/24", "127.0.0.0/8"))
    assert found["interfaces"] == ["ok lo is up with 127.0.0.1/8"]


@pytest.mark.parametrize(
    ("days", "level", "words"),
    [(400, "ok", "400 days"), (20, "warning", "20 days"), (-3, "problem", "ended 3 days ago")],
)
def test_certificates_and_their_end(days: int, level: str, words: str, tmp_path: Path) -> None:
    now = dt.datetime.now(dt.UTC)  # noqa: TID251 - the doctor's clock is real
    pair = self_signed(tmp_path, times=(now - dt.timedelta(days=900), now + dt.timedelta(days=days, hours=1)))
    tls = f'tls_listen = ["127.0.0.1:0"]\ntls_certificate = "{pair[0]}"\ntls_key = "{pair[1]}"\n'
    text = QUIET.replace("[phones]\n", f"[phones]\n{tls}").replace("127.0.0.1:0", "127.0.0.1:18443")
    _, found = examined(tmp_path, text, code=int(level == "problem"))
    assert found["certificates"][0].startswith(level)
    assert words in found["certificates"][0]


def test_a_clock_that_is_behind_the_last_run(tmp_path: Path) -> None:
    Shell(tmp_path)
    (tmp_path / "state" / "clock").write_text("4000000000\n")
    _, found = examined(tmp_path, code=1)
    assert "behind the last run" in found["clock"][0]


def test_rights_and_rubbish_in_the_state_folder(tmp_path: Path) -> None:
    Shell(tmp_path, QUIET)("db", "upgrade")
    state = tmp_path / "state"
    (state / "master.key").write_text("k\n")
    (state / "master.key").chmod(0o644)
    state.chmod(0o755)
    octets = bytearray((state / "provd.db").read_bytes())
    octets[4096:9000] = b"\xff" * 4904
    (state / "provd.db").write_bytes(octets)
    broken = state / "plugins" / "acme"
    broken.mkdir(parents=True)
    (broken / "plugin.toml").write_text("id = 3\n")
    _, found = examined(tmp_path, code=1)
    assert any("others can read the key" in line for line in found["state"])
    assert any("open to other users" in line for line in found["state"])
    assert any("is damaged" in line for line in found["database"])
    assert any("acme" in line for line in found["plugins"])


def test_a_folder_that_cannot_be_looked_into_is_told_in_words(tmp_path: Path) -> None:
    nowhere = tmp_path / ("x" * 300)
    shell = Shell(tmp_path, QUIET)
    shell.config.write_text(f'[server]\nstate_dir = "{nowhere}"\ncontrol = "{tmp_path}/c"\n{QUIET}')
    shown = shell("doctor", "--no-probe").out
    assert f"{nowhere}/plugins: File name too long" in shown
    assert "Errno" not in shown


def test_a_database_of_a_newer_version(tmp_path: Path) -> None:
    import sqlite3

    shell = Shell(tmp_path, QUIET)
    shell("db", "upgrade")
    database = sqlite3.connect(tmp_path / "state" / "provd.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    _, found = examined(tmp_path, code=1)
    assert "problem schema 9999 is of a newer provd; this one knows" in found["database"][1]


def test_a_configuration_that_is_invalid_is_said_first(tmp_path: Path) -> None:
    assert Shell(tmp_path, "[dhpc]\n")("doctor").code == 3


def test_an_offer_is_read_with_its_boot_options() -> None:
    import struct

    head = struct.pack("!BBBBIHHIIII16s", 2, 1, 6, 0, 7, 0, 0, 0, 0x0A000007, 0, 0, b"\x02\0\0\0\0\1")
    options = b"\x63\x82\x53\x63\x35\1\2\x36\4\x0a\0\0\1\x42\x0bhttp://x/y/\x96\x08\x0a\0\0\2\x0a\0\0\3\xff"
    frame = udp_frame(b"\xaa" * 6, b"\xff" * 6, 0x0A000001, 0xFFFFFFFF, 67, 68, head + bytes(192) + options)
    server = Server("10.0.0.1", "aa:aa:aa:aa:aa:aa", "10.0.0.7", "http://x/y/", "10.0.0.2 10.0.0.3")
    assert list(_offer(frame, 7)) == [server]
    assert list(_offer(frame, 8)) == [], "an answer to somebody else"
    assert list(_offer(frame[:100], 7)) == []


PING = 3.0
"""Seconds for which a server may ping an address before it offers it (dnsmasq does)."""


def test_it_listens_for_longer_than_servers_ping() -> None:
    (seconds,) = (option for option in command.params if option.name == "seconds")
    assert seconds.default > PING + 1.0, "its first question may be lost, and the second comes a second later"


@pytest.mark.root
def test_another_server_on_the_wire_is_found_and_nothing_is_taken_from_it(tmp_path: Path) -> None:
    with phone_bed() as bed, Lan(bed), Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        config = elsewhere / "provd.toml"
        config.write_text(
            lan_config(bed, elsewhere / "state").replace(bed.server_interface, bed.client_interface) + QUIET
        )
        output = doctor(bed, bed.client, config, "--seconds", "6")
        found = [one for one in output if one["check"] == "dhcp"]
        assert [one["level"] for one in found] == ["warning"]
        assert f"another DHCP server answers: {bed.server_ip}" in found[0]["text"]
        assert leases_of(daemon) == {}
        own = doctor(bed, bed.server, daemon.config, "--seconds", "1")
        assert {"check": "daemon", "level": "ok"}.items() <= own[0].items()
        assert not [one for one in own if one["check"] == "ports"]
        assert [one["text"] for one in own if one["check"] == "dhcp"] == [
            f"{bed.server_interface}: no other DHCP server answers"
        ]


def doctor(bed: Bed, namespace: str, config: Path, *arguments: str) -> list[dict[str, str]]:
    """What it finds on one side of the network."""
    process = bed.python(
        namespace,
        *["-m", "provd", "--config", str(config), "doctor", *arguments, "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    output, _ = process.communicate(timeout=PATIENCE)
    found: list[dict[str, str]] = json.loads(output)["findings"]
    return found
