"""``provd identify|explain|explain-pcap``."""

import json
import struct
from pathlib import Path

import pytest

from provd.base.facts.catalogue import catalogue
from provd.cli.output import Exit
from provd.tftp.packet import Ack, Data, Error, OptionAck, Request
from tests.cli.conftest import Shell
from tests.sip.stage import Phone

UA = "Cisco/SPA504G-7.4.9a (0011223344ab)"


def test_evidence_is_identified_and_explained(shell: Shell) -> None:
    found = shell("identify", "--path", "spa504G.cfg", "--over", "tftp", "--json").json
    assert set(found) == {"vendor", "model", "version", "mac", "serial", "plugin", "confidence", "reasons"}
    assert (found["vendor"], found["model"], found["plugin"]) == ("Cisco", "SPA504G", "cisco_spa")
    assert "model       SPA504G" in shell("identify", "--path", "/spa504G.cfg").out
    unknown = shell("identify", "--option60", "MSFT 5.0")
    assert (unknown.code, "vendor      -" in unknown.out) == (4, True)


def test_it_works_without_any_configuration(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from provd.cli.root import cli

    monkeypatch.setattr("provd.config.documents.DEFAULT_PATH", tmp_path / "nothing.toml")
    monkeypatch.delenv("PROVD_CONFIG", raising=False)
    assert CliRunner().invoke(cli, ["identify", "--path", "spa504G.cfg"]).exit_code == 0
    shell.config.write_text("nonsense")
    assert shell("identify", "--path", "spa504G.cfg").code == 3


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "give at least one of --user-agent, --path, --option60, --option77, --mac, --event"),
        (("--mac", "zz"), "not a MAC address: 'zz'"),
    ],
)
def test_no_evidence_is_a_usage_error(shell: Shell, arguments: tuple[str, ...], reason: str) -> None:
    answer = shell("identify", *arguments)
    assert (answer.code, answer.err) == (2, f"{reason}\n")


def test_a_batch_answers_every_line_also_a_wrong_one(shell: Shell) -> None:
    lines = [
        json.dumps({"filename": "spa504G.cfg", "kind": "tftp"}),
        "",
        json.dumps({"path": "spa504G.cfg"}),
        "not json",
        "[1]",
        json.dumps({"over": "smoke", "mac": "80:5e:c0:11:22:33"}),
        json.dumps({"mac": "nonsense"}),
        json.dumps({"user_agent": UA, "over": "http"}),
    ]
    answer = shell("identify", "--batch", stdin="\n".join(lines))
    answers = [json.loads(line) for line in answer.out.splitlines()]
    assert answer.code == Exit.USAGE
    assert [found.get("model") for found in answers] == ["SPA504G", "SPA504G", None, None, None, None, "SPA504G"]
    assert [found["error"] for found in answers if "error" in found] == [
        "not JSON: 'not json'",
        "each line is one JSON object",
        "over is http, tftp, dhcp or pnp, not 'smoke'",
        "not a MAC address: 'nonsense'",
    ]
    assert shell("identify", "--batch", stdin=lines[0]).code == 0


def test_every_fact_is_listed_and_explained(shell: Shell) -> None:
    assert {row["id"] for row in shell("explain", "--json").json} == set(catalogue())
    assert "READY" in shell("explain").out
    told = shell("explain", "file-refused")
    assert told.out.startswith("FILE-REFUSED (warning)\n\n")
    assert "Do: " in told.out
    assert shell("explain", "FILE-REFUSED", "--json").json["level"] == "warning"
    assert shell("explain", "NO-SUCH").err == "there is no fact 'NO-SUCH'; `provd explain` lists them all\n"


def _frame(payload: bytes, source: int, target: int) -> bytes:
    """An Ethernet frame with an IPv4/UDP datagram in it."""
    udp = struct.pack("!HHHH", source, target, 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64, 17, 0, b"\x0a\0\0\x09", b"\x0a\0\0\x01")
    return bytes.fromhex("0200000000010011223344ab0800") + head + udp


def _capture(file: Path, *frames: bytes) -> Path:
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
    file.write_bytes(head + b"".join(struct.pack("<IIII", i, 0, len(f), len(f)) + f for i, f in enumerate(frames)))
    return file


def test_a_capture_is_told_in_the_words_of_the_protocols(shell: Shell, tmp_path: Path) -> None:
    options = b"\x63\x82\x53\x63\x35\x01\x01\x3c\x09Cisco SPA\xff"
    bootp = bytes((1, 1, 6, 0)) + bytes(24) + bytes.fromhex("0011223344ab") + bytes(10 + 64 + 128)
    packets = (
        Request(b"/spa504G.cfg", options={"blksize": "1428"}),
        OptionAck({"blksize": "1428"}),
        Ack(0),
        Data(1, b"x" * 99),
        Error(1, "no such file"),
    )
    frames = [_frame(bootp + options, 68, 67), *(_frame(packet.encode(), 2000, 69) for packet in packets)]
    answer = shell("explain-pcap", str(_capture(tmp_path / "boot.pcap", *frames)))
    assert answer.code == 0
    for words in (
        "DISCOVER",
        "RRQ '/spa504G.cfg' octet blksize=1428",
        "= Cisco SPA504G (plugin cisco_spa, confidence 60)",
        "OACK blksize=1428",
        "ACK block 0",
        "DATA block 1, 99 octets",
        "ERROR",
        "6 of 6 frames explained",
    ):
        assert words in answer.out


def test_sip_in_a_capture(shell: Shell, tmp_path: Path) -> None:
    invite = (
        Phone(1, user="ap001122334455").invite("*1234").replace(b"Acme A1/1.2.3 02aaaa000001", b"Cisco/SPA504G-7.5.5")
    )
    answer = shell(
        "explain-pcap", str(_capture(tmp_path / "call.pcap", _frame(invite, 5060, 5060), _frame(b"x", 5060, 5060)))
    )
    assert answer.code == 0
    for words in (
        "INVITE sip:*1234@10.20.0.1 from ap001122334455, dialing *1234",
        "= Cisco SPA504G 7.5.5 (plugin cisco_spa",
        "malformed: no empty line",
        "2 of 2 frames explained",
    ):
        assert words in answer.out


def test_a_file_without_phones_has_nothing_to_tell(shell: Shell, tmp_path: Path) -> None:
    answer = shell("explain-pcap", str(shell.config))
    assert (answer.code, answer.err) == (4, "no DHCP, no TFTP and no SIP in this capture\n")
    assert "not a capture file" in answer.out
    assert shell("explain-pcap", str(_capture(tmp_path / "web.pcap", _frame(b"x", 80, 81)))).code == 4
    assert shell("explain-pcap", "/nowhere.pcap").code == 2


def test_a_fact_of_which_only_the_beginning_is_known(shell: Shell) -> None:
    answer = shell("explain", "file")
    assert answer.code == 4
    assert answer.err.startswith(
        "there is no fact 'file'; there are FILE-REFUSED, FILE-SERVED, FILE-THROTTLED, FILE-UNK"
    )
    assert "there are DHCP-OFFER" in shell("explain", "DHCP-OFER").err
    assert shell("explain", "xyzzy").err == "there is no fact 'xyzzy'; `provd explain` lists them all\n"
