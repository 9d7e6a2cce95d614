"""Thirty broken configuration files: each is refused in words that name the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from provd.cli.root import cli

HEAD = """[server]
state_dir = "/nowhere"
[dhcp]
mode = "full"
interfaces = ["eth0"]
"""
SUBNET = '[[dhcp.subnet]]\nnetwork = "10.1.0.0/16"\n'

BROKEN = [
    ("[server\n", 1, "not TOML"),
    ('[server]\nstate_dir = "a\n', 2, "not TOML"),
    ("[server]\nstate_dir = 1\n[server]\n", 3, "not TOML"),
    ("[server]\nstate_dir = [1]\n", 2, "state_dir"),
    ("[server]\nlog_level = 'loud'\n", 2, "log_level"),
    ("[server]\nlog_format = 'xml'\n", 2, "log_format"),
    ("[server]\n\n\nstate_dri = 'x'\n", 4, "did you mean state_dir"),
    ("[serve]\nstate_dir = 'x'\n", 1, "did you mean server"),
    ("server = 3\n", 1, "server"),
    ("[database]\nurl = 'mysql://x'\n", 2, "url must be"),
    (HEAD, 3, "needs at least one"),
    ("[dhcp]\nmode = 'on'\n", 2, "mode"),
    (f"[dhcp]\nmode = 'observe'\n{SUBNET}", 1, "needs interfaces"),
    (HEAD + '[[dhcp.subnet]]\nnetwork = "10.1.0.1/16"\n', 7, "did you mean 10.1.0.0/16"),
    (HEAD + '[[dhcp.subnet]]\nnetwork = "fd00::/64"\n', 7, "not an IPv4 network"),
    (HEAD + '[[dhcp.subnet]]\npools = ["10.1.0.1-10.1.0.2"]\n', 6, "network is missing"),
    (HEAD + SUBNET + 'pools = ["10.2.0.1-10.2.0.2"]\n', 8, "not inside"),
    (HEAD + SUBNET + 'pools = ["10.1.0.9-10.1.0.2"]\n', 8, "not a range"),
    (HEAD + SUBNET + 'pools = ["10.1.0.1-10.1.0.9", "10.1.0.9"]\n', 8, "overlap"),
    (HEAD + SUBNET + 'routers = ["10.1.0.256"]\n', 8, "not an IPv4 address"),
    (HEAD + SUBNET + 'dns = "10.1.0.1"\n', 8, "dns"),
    (HEAD + SUBNET + 'lease = "soon"\n', 8, "write a duration"),
    (HEAD + SUBNET + 'lease = "0s"\n', 8, "lease"),
    (HEAD + SUBNET + 'lease = "9999999w"\n', 8, "lease"),
    (HEAD + SUBNET + 'options = { "300" = "hex:00" }\n', 8, "1 to 254"),
    (HEAD + SUBNET + 'options = { "53" = "hex:05" }\n', 8, "option 53"),
    (HEAD + SUBNET + 'options = { "44" = "hex:0" }\n', 8, "option value"),
    (HEAD + SUBNET + '[[dhcp.subnet]]\nnetwork = "10.1.2.0/24"\n', 3, "overlap"),
    ('[tftp]\nlisten = ["0.0.0.0"]\n', 2, "address:port"),
    ('[tftp]\nlisten = ["phones:69"]\n', 2, "not an IP address"),
    ('[tftp]\nnetworks = ["fd00::/64"]\n', 2, "not an IPv4 network"),
    ("[tftp]\ntransfers_per_client = 0\n", 2, "transfers_per_client"),
    ('[phones]\ntls_listen = ["0.0.0.0:443"]\n', 1, "tls_certificate"),
    ('[phones]\ntrusted_proxies = ["10.0.0.0/33"]\n', 2, "not a network"),
    ('[policy]\nsecrets = "certificate"\n', 1, "not available"),
    ("[policy]\nmax_new_devices = -1\n", 2, "max_new_devices"),
    ("[policy]\nauto_add = 'perhaps'\n", 2, "auto_add"),
]


NO_TEXT = [b"\xff\xfe", b"[server]\n\0", b"a" * 100_000, b"[" * 10_000, b"a=" + b"[" * 5_000, b"a=" + b"{a=" * 5_000]


def check(path: Path) -> tuple[int, str]:
    result = CliRunner().invoke(cli, ["--config", str(path), "check-config"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stderr


@pytest.mark.parametrize(("text", "line", "words"), BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_is_refused_with_its_line(text: str, line: int, words: str, tmp_path: Path) -> None:
    path = tmp_path / "provd.toml"
    path.write_text(text)
    code, said = check(path)
    assert code == 3
    assert said.startswith(f"{path}:{line}: "), said
    assert words in said


@pytest.mark.parametrize("octets", NO_TEXT, ids=range(len(NO_TEXT)))
def test_what_is_no_text_at_all_is_refused(octets: bytes, tmp_path: Path) -> None:
    path = tmp_path / "provd.toml"
    path.write_bytes(octets)
    code, said = check(path)
    assert code == 3
    assert said.startswith(str(path))
    assert len(said) < 1000


def test_every_error_is_told_at_once_also_of_the_files_beside(tmp_path: Path) -> None:
    path = tmp_path / "provd.toml"
    path.write_text("[server]\nlog_level = 1\n[policy]\nauto_add = 3\n")
    (tmp_path / "conf.d").mkdir()
    other = tmp_path / "conf.d" / "10-tftp.toml"
    other.write_text("\n[tftp]\nport = 69\n")
    code, said = check(path)
    assert code == 3
    assert [line.partition(": ")[0] for line in said.splitlines()] == sorted([f"{path}:2", f"{path}:4", f"{other}:3"])


def test_a_folder_and_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    code, said = check(tmp_path)
    assert (code, said.startswith(str(tmp_path))) == (3, True)
