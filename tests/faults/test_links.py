"""Interfaces that go, come back, change, or are not there yet."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import PHONES, RELAY, Lan, leases_of
from tests.kit.netns import CLIENT_MAC, SERVER_MAC, Bed
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.fault]


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE)


def in_server(bed: Bed, *arguments: str) -> None:
    ip("-n", bed.server, *arguments)


def delete_link(bed: Bed) -> None:
    in_server(bed, "link", "del", bed.server_interface)


def create_link(bed: Bed) -> None:
    """The same interfaces once more, as the kernel gives them: with other indexes."""
    server, client = bed.server_interface, bed.client_interface
    ip("link", "add", server, "netns", bed.server, "type", "veth", "peer", "name", client, "netns", bed.client)
    in_server(bed, "link", "set", server, "address", SERVER_MAC)
    ip("-n", bed.client, "link", "set", client, "address", CLIENT_MAC)
    in_server(bed, "addr", "add", f"{bed.server_ip}/16", "dev", server)
    ip("-n", bed.client, "addr", "add", f"{RELAY}/16", "dev", client)
    in_server(bed, "link", "set", server, "up")
    ip("-n", bed.client, "link", "set", client, "up")
    ip("-n", bed.client, "route", "replace", "local", PHONES, "dev", client)


def test_an_interface_that_went_down_is_served_again(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        for _ in range(3):
            in_server(lan.bed, "link", "set", lan.bed.server_interface, "down")
            assert "down" in daemon.wait_for(f'DEGRADED part="dhcp {lan.bed.server_interface}"')
            in_server(lan.bed, "link", "set", lan.bed.server_interface, "up")
            daemon.wait_for(f'RECOVERED part="dhcp {lan.bed.server_interface}"')
            assert lan.boots() == phone
        # A cable pulled at the other end is the same to us.
        ip("-n", lan.bed.client, "link", "set", lan.bed.client_interface, "down")
        daemon.wait_for('DEGRADED part="dhcp ')
        ip("-n", lan.bed.client, "link", "set", lan.bed.client_interface, "up")
        ip("-n", lan.bed.client, "route", "replace", "local", PHONES, "dev", lan.bed.client_interface)
        daemon.wait_for('RECOVERED part="dhcp ')
        assert lan.boots() == phone


def test_an_interface_that_was_deleted_and_made_anew_is_served_again(lan: Lan, tmp_path: Path) -> None:
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        delete_link(lan.bed)
        daemon.wait_for('DEGRADED part="dhcp ')
        assert any("dhcp" in row for row in daemon.json("status")["degraded"])
        create_link(lan.bed)
        daemon.wait_for('RECOVERED part="dhcp ')
        assert lan.boots() == phone
        assert not any("dhcp" in row for row in daemon.json("status")["degraded"])


def test_a_changed_address_is_what_clients_hear_from_then_on(lan: Lan, tmp_path: Path) -> None:
    interface = lan.bed.server_interface
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        phone = lan.boots()
        in_server(lan.bed, "addr", "del", f"{lan.bed.server_ip}/16", "dev", interface)
        in_server(lan.bed, "addr", "add", "10.77.0.9/16", "dev", interface)
        lan.bed.server_ip = "10.77.0.9"
        offer = lan.offer()
        assert offer is not None
        assert bytes((54, 4, 10, 77, 0, 9)) in offer, "option 54 is the new address"
        assert lan.boots() == phone
        assert leases_of(daemon).keys() == {phone}


def test_a_daemon_that_starts_before_its_interface(lan: Lan, tmp_path: Path) -> None:
    delete_link(lan.bed)
    with Daemon(lan_config(lan.bed, tmp_path / "state"), tmp_path, bed=lan.bed) as daemon:
        assert any("no such interface" in line for line in daemon.log)
        create_link(lan.bed)
        daemon.wait_for('RECOVERED part="dhcp ')
        assert lan.boots()
