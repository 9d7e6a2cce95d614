from __future__ import annotations

import io
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.base.errors import UsageError, WireError
from provd.base.types import ip_int
from provd.net.explain import explain_pcap
from provd.net.frame import arp_probe, parse_udp, udp_frame
from provd.net.pcap import CapturedFrame, read_capture, udp_in

PHONE, SERVER = ip_int("10.20.16.5"), ip_int("10.20.0.1")
PHONE_MAC, SERVER_MAC = bytes.fromhex("805ec0112233"), bytes.fromhex("027700000001")
FRAME = udp_frame(PHONE_MAC, SERVER_MAC, PHONE, SERVER, 1025, 69, b"question")
SHARED = Path(os.environ.get("PROVD_SHARED", Path(__file__).resolve().parents[2] / "../shared"))


def classic(*frames: bytes, order: str = "<", linktype: int = 1, nanoseconds: bool = False) -> bytes:
    magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
    parts = [struct.pack(f"{order}IHHiIII", magic, 2, 4, 0, 0, 65535, linktype)]
    for number, frame in enumerate(frames):
        ticks = 500_000_000 if nanoseconds else 500_000
        parts += [struct.pack(f"{order}IIII", 1000 + number, ticks, len(frame), len(frame)), frame]
    return b"".join(parts)


def block(kind: int, body: bytes, order: str) -> bytes:
    body += bytes(-len(body) % 4)
    length = struct.pack(f"{order}I", len(body) + 12)
    return struct.pack(f"{order}I", kind) + length + body + length


def pcapng(*blocks: tuple[int, bytes], order: str = "<") -> bytes:
    header = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1), order)
    return header + b"".join(block(kind, body, order) for kind, body in blocks)


def frames_of(octets: bytes) -> list[CapturedFrame]:
    return list(read_capture(io.BytesIO(octets)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("nanoseconds", [False, True])
def test_classic_files_of_either_order_and_resolution(order, nanoseconds):
    read = frames_of(classic(FRAME, b"", order=order, nanoseconds=nanoseconds))
    assert read == [CapturedFrame(1000.5, 1, FRAME), CapturedFrame(1001.5, 1, b"")]


@pytest.mark.parametrize("order", ["<", ">"])
def test_every_kind_of_pcapng_block(order):
    ticks = 3_000_000
    octets = pcapng(
        (1, struct.pack(f"{order}HHI", 1, 0, 0)),
        (1, struct.pack(f"{order}HHIHHB3x", 101, 0, 0, 9, 1, 0x80 | 10)),
        (6, struct.pack(f"{order}IIIII", 0, 0, ticks, len(FRAME), len(FRAME)) + FRAME),
        (2, struct.pack(f"{order}HHIIII", 1, 0, 0, 2048, 3, 3) + b"raw"),
        (3, struct.pack(f"{order}I", 4) + b"bare"),
        (5, b"statistics"),
        order=order,
    )
    assert frames_of(octets + octets) == 2 * [
        CapturedFrame(3.0, 1, FRAME),
        CapturedFrame(2.0, 101, b"raw"),
        CapturedFrame(0.0, 1, b"bare"),
    ]


@pytest.mark.parametrize(
    ("linktype", "octets", "src_mac"),
    [
        (1, FRAME, PHONE_MAC),
        (101, FRAME[14:], b""),
        (228, FRAME[14:], b""),
        (0, b"\2\0\0\0" + FRAME[14:], b""),
        (113, bytes.fromhex("000000010006") + PHONE_MAC + b"\0\0\x08\0" + FRAME[14:], PHONE_MAC),
        (276, bytes.fromhex("08000000000000020001" + "0006") + PHONE_MAC + b"\0\0" + FRAME[14:], PHONE_MAC),
    ],
)
def test_the_datagram_is_found_on_every_kind_of_link(linktype, octets, src_mac):
    datagram = udp_in(CapturedFrame(0.0, linktype, octets))
    assert datagram is not None
    assert (datagram.payload, datagram.src_mac) == (b"question", src_mac)


def fragment(offset: int) -> bytes:
    return FRAME[:20] + struct.pack("!H", 0x2000 | offset) + FRAME[22:]


@pytest.mark.parametrize(
    ("octets", "payload", "missing"),
    [
        (FRAME[:-3], b"quest", 3),
        (FRAME[:42], b"", 8),
        (FRAME[:41], None, 0),
        (fragment(0)[:45], b"que", 5),
        (fragment(1), None, 0),
    ],
)
def test_what_was_cut_short_is_told_as_far_as_it_goes(octets, payload, missing):
    datagram = udp_in(CapturedFrame(0.0, 1, octets))
    assert (None if datagram is None else datagram.payload) == payload
    if datagram is not None:
        assert datagram.missing == missing
        assert parse_udp(octets) is None, "on the wire it is no datagram"


def test_an_unknown_link_has_no_datagrams():
    assert udp_in(CapturedFrame(0.0, 147, FRAME)) is None


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"", "starts with nothing"),
        (b"GIF89a", "starts with 47494638"),
        (classic(FRAME)[:-1], "ends inside a frame"),
        (classic(FRAME)[:30], "ends inside a frame header"),
        (classic()[:10], "ends inside a file header"),
        (classic()[:24] + struct.pack("<IIII", 0, 0, 1 << 30, 1 << 30), "1073741824 octets"),
        (pcapng()[:8] + b"????" + bytes(20), "byte-order magic"),
        (pcapng() + b"\6", "ends inside a block"),
        (pcapng((6, bytes(20))), "interface 0, which was not described"),
        (pcapng((6, bytes(3))), "too short"),
        (pcapng() + struct.pack("<II", 6, 13), "a block of 13 octets"),
        (pcapng(*[(1, struct.pack("<HHI", 1, 0, 0))] * 4097), "more interfaces"),
    ],
)
def test_a_damaged_file_is_a_wire_error(octets, says):
    with pytest.raises(WireError, match=says):
        frames_of(octets)


@given(st.binary(max_size=200), st.sampled_from([classic(FRAME), pcapng((1, struct.pack("<HHI", 1, 0, 0)))]))
def test_noise_is_at_most_a_wire_error(noise, start):
    for octets in (noise, start + noise):
        try:
            for frame in read_capture(io.BytesIO(octets)):
                udp_in(frame)
        except WireError:
            pass


@given(st.sampled_from([0, 1, 101, 113, 276]), st.binary(max_size=60))
def test_a_frame_of_noise_is_no_error(linktype, noise):
    udp_in(CapturedFrame(0.0, linktype, noise))


def decode(payload: bytes) -> list[str]:
    if payload.startswith(b"!"):
        raise WireError("octet 0: no opcode")
    return [payload.decode()]


def test_the_story_follows_a_transfer_to_its_own_port(tmp_path):
    capture = tmp_path / "transfer.pcap"
    answer = udp_frame(SERVER_MAC, PHONE_MAC, SERVER, PHONE, 40001, 1025, b"answer")
    thanks = udp_frame(PHONE_MAC, SERVER_MAC, PHONE, SERVER, 1025, 40001, b"thanks")
    other = udp_frame(PHONE_MAC, SERVER_MAC, PHONE, SERVER, 1026, 53, b"name?")
    bad = udp_frame(PHONE_MAC, SERVER_MAC, PHONE, SERVER, 1027, 69, b"!")
    capture.write_bytes(classic(FRAME, arp_probe(PHONE_MAC, SERVER), answer, thanks, other, bad))
    assert list(explain_pcap(capture, {69: decode})) == [
        "    0.000000  10.20.16.5:1025 (80:5e:c0:11:22:33) -> 10.20.0.1:69  8 octets",
        "              question",
        "    2.000000  10.20.0.1:40001 (02:77:00:00:00:01) -> 10.20.16.5:1025  6 octets",
        "              answer",
        "    3.000000  10.20.16.5:1025 (80:5e:c0:11:22:33) -> 10.20.0.1:40001  6 octets",
        "              thanks",
        "    5.000000  10.20.16.5:1027 (80:5e:c0:11:22:33) -> 10.20.0.1:69  1 octets",
        "              malformed: octet 0: no opcode",
        "4 of 6 frames explained",
    ]


def test_a_capture_of_short_frames_says_so(tmp_path):
    capture = tmp_path / "short.pcap"
    capture.write_bytes(classic(FRAME[:-2]))
    assert list(explain_pcap(capture, {69: decode})) == [
        "    0.000000  10.20.16.5:1025 (80:5e:c0:11:22:33) -> 10.20.0.1:69  6 octets of 8, the rest was not captured",
        "              questi",
        "1 of 1 frames explained",
    ]


def test_damage_is_part_of_the_story(tmp_path):
    capture = tmp_path / "cut.pcap"
    capture.write_bytes(classic(FRAME, FRAME)[:-3])
    assert list(explain_pcap(capture, {69: decode}))[-2:] == [
        "damaged after 1 frames: the capture ends inside a frame",
        "1 of 1 frames explained",
    ]


def test_a_missing_file_is_the_callers_mistake(tmp_path):
    with pytest.raises(UsageError, match=r"none\.pcap: No such file"):
        list(explain_pcap(tmp_path / "none.pcap", {}))


@pytest.mark.shared
def test_every_real_capture_is_read():
    captures = sorted((SHARED / "captures").rglob("*.pcap*"))
    if not captures:
        pytest.skip("no captures beside the repository")
    datagrams = 0
    for capture in captures:
        with capture.open("rb") as stream:
            found = sum(udp_in(frame) is not None for frame in read_capture(stream))
        assert found, f"{capture.name}: nobody would know what is in it"
        datagrams += found
    assert datagrams > 500
