"""SIGHUP: a good file is applied, a broken one changes nothing and is told with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kit import acme
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import COMMON, PHONE, RELAY, Lan, leases_of

pytestmark = pytest.mark.root

SECOND = """
[[dhcp.subnet]]
network = "10.88.0.0/16"
pools = ["10.88.1.0-10.88.1.99"]
"""


def apply(daemon: Daemon, config: str) -> str:
    daemon.config.write_text(config)
    daemon.reload()
    return daemon.wait_for("RELOADED")


def test_the_mode_can_be_raised_and_lowered(lan: Lan, tmp_path: Path) -> None:
    def config(mode: str) -> str:
        return lan_config(lan.bed, tmp_path / "state", mode=mode)

    with Daemon(config("off"), tmp_path, bed=lan.bed) as daemon:
        assert daemon.json("status")["listeners"][0].startswith("tftp")
        for number, lower in enumerate(("off", "observe", "phones-only")):
            if number:
                apply(daemon, config(lower))
            assert lan.offer(f"02000000000{number}", vendor="", seconds=0.6) is None
            assert "changed=dhcp.mode" in apply(daemon, config("full"))
            assert lan.lease(f"02000000000{number}", vendor="")
            phone = lan.boots()
        assert len(leases_of(daemon)) == 4
        assert leases_of(daemon)[phone] == PHONE
        assert daemon.json("status")["listeners"][0] == f"dhcp {lan.bed.server_interface} (full)"
        assert not [line for line in daemon.log if "Traceback" in line or "INTERNAL-ERROR" in line]
        assert daemon.stop() == 0


def test_a_new_subnet_and_a_new_policy_are_taken_over(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with Daemon(lan_config(lan.bed, state), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        assert lan.http(f"{PHONE}.cfg", RELAY) == b"", "somebody else's address"
        changed = apply(daemon, lan_config(lan.bed, state, secrets="open", sections=SECOND, lease="2h"))
        assert "dhcp.subnet" in changed
        assert "policy.secrets" in changed
        assert lan.http(f"{PHONE}.cfg", RELAY)
        assert lan.renew(phone) == phone
        assert "seconds=7200" in daemon.wait_for("DHCP-ACK")
        assert daemon.json("status")["active leases"] == 1
        metrics = lan.bed.run(lan.bed.server, "curl", "--silent", "http://127.0.0.1:8666/metrics").stdout
        assert 'provd_leases{subnet="10.77.0.0/16"} 1.0' in metrics


def test_what_needs_a_restart_is_said(lan: Lan, tmp_path: Path) -> None:
    config = lan_config(lan.bed, tmp_path / "state")
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        moved = config + '[tftp]\nlisten = ["0.0.0.0:6969"]\n'
        assert "restart_needed=tftp.listen" in apply(daemon, moved)
        assert lan.boots()
        # It goes on waiting whatever else changes, and no longer when it is taken back.
        later = apply(daemon, moved.replace('secrets = "bound"', 'secrets = "open"'))
        assert "changed=policy.secrets restart_needed=tftp.listen" in later
        assert "restart_needed" not in apply(daemon, config)


BROKEN = {
    "an unknown key": ("[dhcp]\n", "[dhcp]\nmoode = 1\n", 6, "moode"),
    "no TOML": ("[policy]\n", "[policy\n", 17, "not TOML"),
    "a contradiction": ('pools = ["10.77.16.0-10.77.255.254"]', 'pools = ["10.9.0.1-10.9.0.2"]', 11, "10.9.0.1"),
    "pools that overlap": (
        'pools = ["10.77.16.0-10.77.255.254"]',
        'pools = ["10.77.16.0-10.77.18.0", "10.77.17.0-10.77.19.0"]',
        11,
        "overlap",
    ),
    "an option that is a setting": ("lease = ", 'options = { "43" = "hex:00" }\nlease = ', 15, "43"),
}


def test_a_broken_file_changes_nothing(lan: Lan, tmp_path: Path) -> None:
    good = lan_config(lan.bed, tmp_path / "state")
    opened = good.replace('secrets = "bound"', 'secrets = "open"')
    with Daemon(good, tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        for old, new, line, word in BROKEN.values():
            daemon.config.write_text(opened.replace(old, new, 1))
            daemon.reload()
            told = daemon.wait_for("RELOAD-FAILED")
            assert f"{daemon.config}:{line}: " in told
            assert word in told
            assert lan.http(f"{PHONE}.cfg", RELAY) == b"", "the policy is the old one"
            assert lan.boots() == phone
        checked = daemon.provd("check-config", check=False)
        assert checked.returncode == 3
        assert f":{line}: " in checked.stderr
        daemon.config.unlink()
        daemon.reload()
        assert "no such file" in daemon.wait_for("RELOAD-FAILED")
        assert "changed=policy.secrets" in apply(daemon, opened)
        assert lan.http(f"{PHONE}.cfg", RELAY)


def test_an_edited_template_takes_effect(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    config = lan_config(lan.bed, state)
    folder = acme.install(state)
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        (folder / "templates" / "common.cfg.j2").write_text("greeting = bonjour\n")
        assert "plugins" in apply(daemon, config)
        assert lan.http("acme.cfg") == lan.tftp("acme.cfg") == b"greeting = bonjour\n"
        acme.install(state, version="1.1.0", common="greeting = hola\n")
        daemon.reload()
        assert "version=1.1.0" in daemon.wait_for("PLUGIN-LOADED")
        daemon.wait_for("RELOADED")
        assert lan.http("acme.cfg") == b"greeting = hola\n"


def test_an_override_takes_effect_when_it_appears_changes_and_goes(lan: Lan, tmp_path: Path) -> None:
    state = tmp_path / "state"
    config = lan_config(lan.bed, state)
    acme.install(state)
    override = state / "overrides" / "acme" / "common.cfg.j2"
    with Daemon(config, tmp_path, bed=lan.bed) as daemon:
        bundled = lan.http(COMMON)
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        override.parent.mkdir(parents=True)
        for text in ("greeting = ours\n", "greeting = ours, again\n"):
            override.write_text(text)
            apply(daemon, config)
            assert lan.http("acme.cfg") == text.encode()
        override.unlink()
        apply(daemon, config)
        assert lan.http("acme.cfg") == b"greeting = hello\n"
        assert lan.http(COMMON) == bundled != b""
