from pathlib import Path

import pytest

from provd.base.errors import ConfigError
from provd.config.documents import config_path, control_socket
from provd.config.load import load
from provd.config.sample import sample
from provd.config.values import Endpoint

GOOD = """
[server]
state_dir = "/tmp/x"

[dhcp]
mode = "full"
interfaces = ["eth1"]

[[dhcp.subnet]]
network = "10.20.0.0/16"
pools = ["10.20.16.0-10.20.255.254"]
lease = "2h"

[[dhcp.subnet]]
network = "10.21.0.0/16"

[policy]
secrets = "token"
"""


def write(tmp_path: Path, text: str, name: str = "provd.toml") -> Path:
    file = tmp_path / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def errors_of(tmp_path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(write(tmp_path, text), environ)
    return str(caught.value).splitlines()


def test_a_good_file_is_read_with_its_units(tmp_path: Path) -> None:
    settings = load(write(tmp_path, GOOD), {})
    assert settings.dhcp.mode == "full"
    assert [subnet.lease for subnet in settings.dhcp.subnet] == [7200, 3600]
    assert settings.tftp.listen == (Endpoint("0.0.0.0", 69),)
    assert settings.policy.secrets == "token"


def test_an_empty_file_is_a_fresh_install_that_never_answers_dhcp(tmp_path: Path) -> None:
    settings = load(write(tmp_path, ""), {})
    assert settings.dhcp.mode == "off"
    assert settings.policy.secrets == "bound"


def test_a_wrong_shape_is_told_in_the_words_of_the_file(tmp_path: Path) -> None:
    assert errors_of(tmp_path, '[dhcp]\ninterfaces = "eth1"\n') == [
        f'{tmp_path}/provd.toml:2: dhcp.interfaces: write it as a list: interfaces = ["…"]'
    ]
    assert errors_of(tmp_path, '[dhcp.subnet]\nnetwork = "10.20.0.0/16"\n') == [
        f"{tmp_path}/provd.toml:1: dhcp.subnet: write it as a list: [[dhcp.subnet]]"
    ]
    assert errors_of(tmp_path, "dhcp = 5\n") == [f"{tmp_path}/provd.toml:1: dhcp: write it as a table: [dhcp]"]
    assert errors_of(tmp_path, "[server]\nstate_dir = 5\n") == [
        f"{tmp_path}/provd.toml:2: server.state_dir: write a path as text"
    ]


def test_the_mark_of_other_systems_is_passed_over_and_other_codings_are_told(tmp_path: Path) -> None:
    file = tmp_path / "provd.toml"
    file.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("\n", "\r\n").encode())
    assert load(file, {}).dhcp.mode == "full"
    file.write_bytes('[server]\n\nadvertise = "caf\xe9"\n'.encode("latin-1"))
    with pytest.raises(ConfigError, match=r"provd.toml:3: not UTF-8"):
        load(file, {})


@pytest.mark.parametrize(
    "text",
    [
        '[phones]\nlisten = ["0.0.0.0:8666"]\n',
        '[phones]\nlisten = ["127.0.0.1:8666"]\n',
        '[phones]\nlisten = ["10.0.0.1:80", "0.0.0.0:80"]\n',
        '[sip]\nlisten = ["0.0.0.0:8667"]\n',
    ],
)
def test_two_listeners_on_one_port_are_told(tmp_path: Path, text: str) -> None:
    (told,) = errors_of(tmp_path, text)
    assert told.endswith("are the same port")


def test_listeners_of_different_addresses_families_and_transports_share_a_port(tmp_path: Path) -> None:
    text = """
[tftp]
listen = ["0.0.0.0:8667"]
[phones]
listen = ["10.0.0.1:8667", "10.0.0.2:8667", "10.0.0.1:0"]
[api]
listen = ["[::1]:8666", "127.0.0.1:8666", "127.0.0.1:0", "127.0.0.1:0"]
"""
    assert load(write(tmp_path, text.replace("[::1]", "::1")), {}).api.listen


def test_unknown_keys_name_file_line_and_the_likely_key(tmp_path: Path) -> None:
    found = errors_of(tmp_path, '[dhcp]\nmode = "off"\ninterface = ["eth1"]\n[tftpd]\n')
    assert found == [
        f"{tmp_path}/provd.toml:3: unknown key dhcp.interface; did you mean interfaces?",
        f"{tmp_path}/provd.toml:4: unknown key tftpd; did you mean tftp?",
    ]


def test_an_unknown_key_in_the_second_subnet_names_its_line(tmp_path: Path) -> None:
    found = errors_of(tmp_path, GOOD.replace('network = "10.21.0.0/16"', 'network = "10.21.0.0/16"\nrouter = []'))
    assert found == [f"{tmp_path}/provd.toml:16: unknown key dhcp.subnet.1.router; did you mean routers?"]


def test_all_errors_are_told_at_once(tmp_path: Path) -> None:
    found = errors_of(
        tmp_path, '[tftp]\nlisten = ["x"]\n[policy]\nsecrets = "maybe"\n[api]\nlisten = ["1.2.3.4:99999"]\n'
    )
    assert [line.split(": ")[0].rpartition(":")[2] for line in found] == ["2", "4", "6"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ('pools = ["10.21.0.1-10.21.0.9"]', "is not inside 10.20.0.0/16"),
        ('pools = ["10.20.0.9-10.20.0.1"]', "is not a range"),
        ('network = "10.20.0.5/16"', "has host bits set; did you mean 10.20.0.0/16?"),
        ('lease = "1 fortnight"', "write a duration"),
        ('routers = ["10.20.1"]', "IPv4 address"),
        ('routes = ["10.0.0.0/8"]', 'write a route as "10.0.0.0/8 via 10.20.0.254"'),
        ('routes = ["10.0.0.1/8 via 10.20.0.1"]', "host bits"),
        ('routes = ["10.0.0.0/8 via router"]', "not an IPv4 address"),
        ('next_server = "boot"', "not an IPv4 address"),
        ('t1 = "10m"', "t1 < t2 < lease"),
        ('t1 = "10m"\nt2 = "1h"', "t1 < t2 < lease"),
        ("circuit_limit = -1", "greater than or equal to 0"),
        ('options = { "300" = "text:x" }', "not a code"),
        ('options = { "44" = "x" }', "write an option value"),
    ],
)
def test_wrong_subnets_are_refused_with_a_reason(tmp_path: Path, change: str, reason: str) -> None:
    key = change.split(" ", maxsplit=1)[0]
    subnet = {"network": 'network = "10.20.0.0/16"', key: change}
    text = '[dhcp]\nmode = "full"\ninterfaces = ["e"]\n[[dhcp.subnet]]\n' + "\n".join(subnet.values())
    assert reason in "\n".join(errors_of(tmp_path, text))


def test_overlapping_subnets_and_a_mode_without_interfaces_are_refused(tmp_path: Path) -> None:
    twice = '[[dhcp.subnet]]\nnetwork = "10.0.0.0/8"\n[[dhcp.subnet]]\nnetwork = "10.1.0.0/16"\n'
    assert "overlap" in errors_of(tmp_path, twice)[0]
    assert "needs interfaces" in errors_of(tmp_path, '[dhcp]\nmode = "observe"')[0]


def test_conf_d_and_the_environment_outrank_the_file(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    write(tmp_path / "conf.d", '[dhcp]\nmode = "observe"\n[[dhcp.subnet]]\nnetwork = "10.22.0.0/16"\n', "10-more.toml")
    settings = load(file, {"PROVD_POLICY__AUTO_ADD": "false", "PROVD_SERVER__LOG_LEVEL": "debug", "PROVD_CONFIG": "x"})
    assert settings.dhcp.mode == "observe"
    assert [subnet.network for subnet in settings.dhcp.subnet][-1] == "10.22.0.0/16"
    assert settings.policy.auto_add is False
    assert settings.server.log_level == "debug"


def test_errors_from_conf_d_and_the_environment_say_so(tmp_path: Path) -> None:
    write(tmp_path / "conf.d", '\n[[dhcp.subnet]]\nnetwork = "10.22.0.0/16"\nleese = 1\n', "10-more.toml")
    found = errors_of(tmp_path, GOOD, PROVD_API__LISTN="[]")
    assert found == [
        f"{tmp_path}/conf.d/10-more.toml:4: unknown key dhcp.subnet.2.leese; did you mean lease?",
        "environment PROVD_API__LISTN: unknown key api.listn; did you mean listen?",
    ]


def test_what_is_not_toml_or_not_there_is_one_clear_error(tmp_path: Path) -> None:
    assert "not TOML" in errors_of(tmp_path, "[dhcp\n")[0]
    with pytest.raises(ConfigError, match="no such file"):
        load(tmp_path / "none.toml", {})


def test_an_unavailable_policy_is_refused_by_name(tmp_path: Path) -> None:
    assert "not available in this version" in errors_of(tmp_path, '[policy]\nsecrets = "certificate"')[0]


def test_the_path_is_as_given_then_the_environment_then_etc() -> None:
    assert config_path("a.toml", {"PROVD_CONFIG": "b"}) == Path("a.toml")
    assert config_path(None, {"PROVD_CONFIG": "b"}) == Path("b")
    assert config_path(None, {}) == Path("/etc/provd/provd.toml")


def test_the_sample_is_valid_as_it_stands_and_with_every_line_active(tmp_path: Path) -> None:
    assert load(write(tmp_path, sample()), {}) == load(write(tmp_path, ""), {})
    active = "\n".join(
        line.removeprefix("# ") if " = " in line or line.startswith("# [[") else line
        for line in sample().splitlines()
        if not line.startswith("# provd") and not line.startswith("# PROVD") and "the mark" not in line
    )
    settings = load(write(tmp_path, active), {})
    assert settings.dhcp.subnet[0].network == "10.20.0.0/16"


@pytest.mark.parametrize("ports", ["16384", "16384-", "20000-10000", "80-90", "60000-70000", "a-b"])
def test_a_range_of_ports_is_one(tmp_path: Path, ports: str) -> None:
    assert "range of ports" in errors_of(tmp_path, f'[sip]\nrtp_ports = "{ports}"')[0]


def test_the_ports_for_audio(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[sip]\nrtp_ports = "20000 - 20003"\n'), {})
    assert settings.sip.rtp_range == range(20000, 20004)


AMI = '[[pbx.ami]]\nhost = "10.0.0.5"\nusername = "provd"\n'


def test_a_pbx_has_one_secret_and_a_name_for_each_line(tmp_path: Path) -> None:
    (section,) = load(write(tmp_path, AMI + 'secret = "s3cret"\n'), {}).pbx.ami
    assert (section.port, section.endpoint, section.secret.reveal()) == (5038, "{username}", "s3cret")
    assert "s3cret" not in repr(section)
    assert "give either secret or secret_file" in errors_of(tmp_path, AMI)[0]
    assert "give either" in errors_of(tmp_path, AMI + 'secret = "a"\nsecret_file = "b"\n')[0]
    assert "must hold {username}" in errors_of(tmp_path, AMI + 'secret = "a"\nendpoint = "x"\n')[0]
    assert "pbx.ami.0.hots" in errors_of(tmp_path, AMI + 'secret = "a"\nhots = "x"\n')[0]


def test_what_a_pbx_may_be_asked_and_play(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[pbx]\nagi_evidence = { mac = "${X}" }\nagi_prompts = { accepted = "ok" }\n'), {})
    assert settings.pbx.agi_evidence == {"mac": "${X}"}
    assert "agi_evidence.macc" in errors_of(tmp_path, '[pbx]\nagi_evidence = { macc = "${X}" }\n')[0]
    assert "there is no outcome 'ok'" in errors_of(tmp_path, '[pbx]\nagi_prompts = { ok = "x" }\n')[0]
    assert "name each way once" in errors_of(tmp_path, '[resync]\nways = ["sip", "sip"]\n')[0]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("length = 5", "greater than or equal to 6"),
        ('alphabet = "0123456789a"', "a phone has no key 'a'"),
        ('alphabet = "0123456"', "at least 8 different keys"),
        ('alphabet = "00123456"', "each once"),
        ("uses = 0", "greater than or equal to 1"),
        ('expires = "5s"', "greater than or equal to 60"),
        ('lock = "2d"', "less than or equal to 86400"),
        ('reset_number = "12"', "3 to 16 of the keys"),
        ('reset_number = "*reset"', "3 to 16 of the keys"),
        ('reset_pin = "secret!"', "a PIN has 4 to 12 digits"),
        ("reset_pin = 4711", "write a secret as text"),
        ("tires = 3", "did you mean"),
    ],
)
def test_what_codes_may_be(tmp_path: Path, line: str, reason: str) -> None:
    (error,) = errors_of(tmp_path, f"[codes]\n{line}\n")
    assert reason in error
    assert ":2:" in error
    assert "secret!" not in error
    assert "4711" not in error


def test_a_pin_is_never_shown(tmp_path: Path) -> None:
    settings = load(write(tmp_path, '[codes]\nreset_pin = "471100"\n'), {})
    assert settings.codes.reset_pin.reveal() == "471100"
    assert "471100" not in repr(settings)
    assert "471100" not in settings.model_dump_json()
    assert "471100" not in str(settings.model_dump())


def test_the_control_socket_is_found_without_understanding_anything_else(tmp_path: Path) -> None:
    file = tmp_path / "provd.toml"
    file.write_text('[server]\nstate_dir = "/srv/provd"\n[dhcp]\nmode = "an error of somebody who edits just now"\n')
    assert control_socket(file, {}) == Path("/srv/provd/control.sock")
    assert control_socket(file, {"PROVD_SERVER__CONTROL": "/run/p.sock"}) == Path("/run/p.sock")
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "a.toml").write_text('[server]\nstate_dir = "/srv/other"\n')
    assert control_socket(file, {}) == Path("/srv/other/control.sock")
    file.write_text("")
    (tmp_path / "conf.d" / "a.toml").write_text("")
    assert control_socket(file, {}) == load(file, {}).server.control_path
    file.write_text("[server\n")
    with pytest.raises(ConfigError, match=r"provd\.toml:1"):
        control_socket(file, {})
