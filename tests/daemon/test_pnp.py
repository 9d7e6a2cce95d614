"""The daemon on a real link: multicast questions and unicast SIP on the same port, and what the configuration says."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from provd.simulate.sip_message import Message
from provd.sip.message import Request, parse
from provd.sip.pnp import GROUP
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import RELAY, socket_in
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE
from tests.sip.test_pnp import Shape

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.xdist_group("netns"),
]
SERVER = ("10.77.0.1", 5060)
SHAPE = Shape(
    "MAC001565f4f9e1", port=5059, address=RELAY,
    words=';profile-type="device";vendor="Yealink";model="SIP-T53W";version="95.85.0.5"',
)  # fmt: skip


class Phone:
    """A phone's socket, with the interface for the group."""

    def __init__(self, bed: Bed) -> None:
        self.sock = socket_in(bed.client, socket.SOCK_DGRAM)
        self.sock.settimeout(PATIENCE)
        self.sock.bind((RELAY, 5059))
        self.sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(RELAY))

    def asks(self, call: str) -> None:
        self.sock.sendto(SHAPE.octets(call), (GROUP, 5060))

    def says(self, octets: bytes) -> None:
        self.sock.sendto(octets, SERVER)

    def hears(self, mark: bytes = b"") -> bytes:
        """The next datagram that begins with that, or holds it; repetitions of others are passed over."""
        while True:
            octets, source = self.sock.recvfrom(65535)
            assert source == SERVER
            if mark in octets:
                return octets


@pytest.fixture
def bed() -> Iterator[Bed]:
    with Bed(client_ip=RELAY) as made:
        yield made


@pytest.fixture
def phone(bed: Bed) -> Iterator[Phone]:
    made = Phone(bed)
    yield made
    made.sock.close()


def options(call: str) -> bytes:
    uri = "sip:10.77.0.1"
    headers = [
        ("Via", f"SIP/2.0/UDP {RELAY}:5059;branch=z9hG4bK{call};rport"),
        ("From", f"<{uri}>;tag=1"),
        ("To", f"<{uri}>"),
        ("User-Agent", "a monitor whose requests are never smaller than the answers that it wants to get for them"),
    ]
    return Message(f"OPTIONS {uri} SIP/2.0", [*headers, ("Call-ID", call), ("CSeq", "1 OPTIONS")]).encode()


def test_both_on_one_port(bed: Bed, phone: Phone, tmp_path: Path) -> None:
    with Daemon(lan_config(bed, tmp_path / "state"), tmp_path, bed=bed) as daemon:
        assert f"pnp {bed.server_interface} (full)" in daemon.json("status")["listeners"]
        phone.asks("one")
        assert phone.hears().startswith(b"SIP/2.0 200 OK\r\n")
        notify = parse(phone.hears())
        assert isinstance(notify, Request)
        assert (notify.method, notify.body) == ("NOTIFY", b"http://10.77.0.1:8667/")
        phone.says(options("first"))
        assert phone.hears(b"CSeq: 1 OPTIONS").startswith(b"SIP/2.0 200 OK\r\n")
        headers = [(name, notify.headers.get(name)) for name in ("via", "from", "to", "call-id", "cseq")]
        phone.says(Message("SIP/2.0 200 OK", headers).encode())
        told = daemon.wait_for("PNP-ANSWERED")
        assert "vendor=Yealink model=T53W version=95.85.0.5 plugin=yealink" in told
        device = daemon.json("device", "show", "001565f4f9e1")
        assert (device["model"], device["version"]) == ("T53W", "95.85.0.5")
        phone.asks("one")
        phone.says(options("second"))
        assert b"SUBSCRIBE" not in phone.hears(), "the same question is not answered again"
        assert not [line for line in daemon.log if "PNP-UNHEARD" in line or "SIP-MALFORMED" in line]


def test_the_mode_and_the_switch_decide(bed: Bed, phone: Phone, tmp_path: Path) -> None:
    text = lan_config(bed, tmp_path / "state", mode="observe")
    with Daemon(text, tmp_path, bed=bed) as daemon:
        phone.asks("watched")
        assert "plugin=yealink" in daemon.wait_for("PNP-WOULD-ANSWER")
        for changed in (text + "[sip]\npnp = false\n", text.replace("observe", "off")):
            daemon.config.write_text(changed)
            daemon.reload()
            daemon.wait_for("RELOADED")
            assert not [line for line in daemon.json("status")["listeners"] if line.startswith("pnp")]
            phone.asks("unheard")
        daemon.config.write_text(text.replace("observe", "phones-only"))
        daemon.reload()
        daemon.wait_for("RELOADED")
        phone.asks("answered")
        assert b"Call-ID: answered@" in phone.hears(), "and none of the others"
