"""Valid messages made invalid, the same ones for the same seed."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator, Sequence

from tests.kit.dhcp_load import message

_RELAY = bytes((10, 77, 0, 2))
_NASTY = [
    b"\0",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\r\n",
    b"%s",
    b"../",
    b"\xc3\x28",
    b"'",
    b"\x1b[2J",
    b"\0" * 40,
    b"A" * 300,
]
_HOSTNAMES = [b"\x0c\x04name", b"\x0c\x08<script>", b"\x0c\x03a\r\n", b"\x0c\xff" + b"n" * 255]


def dhcp_messages() -> list[bytes]:
    """One of every kind that a client or a relay sends, with every option that the server looks into."""
    mac = bytes.fromhex("805ec0112233")
    ip = bytes((10, 77, 16, 0))
    phone = b"\x3c\x07yealink" + b"\x37\x06\x01\x03\x42\x43\x2b\x96" + b"\x39\x02\x05\xdc" + b"\x3d\x07\x01" + mac
    circuit = b"\x52\x0c\x01\x04port\x02\x04rack"
    made = []
    for relay in (_RELAY, bytes(4)):
        made += [message(1, mac, 1, relay, host + phone) for host in _HOSTNAMES]
        made += [
            message(3, mac, 2, relay, b"\x36\x04\x0a\x4d\x00\x01\x32\x04" + ip + phone),
            message(3, mac, 3, relay, b"\x32\x04" + ip + phone),
            message(4, mac, 4, relay, b"\x36\x04\x0a\x4d\x00\x01\x32\x04" + ip),
            message(7, mac, 5, relay, b"\x36\x04\x0a\x4d\x00\x01"),
            message(8, mac, 6, relay, phone),
            message(1, mac, 7, relay, phone + circuit),
            message(1, mac, 8, relay, b"\x3c\x10Cisco SPA504G\0\0\0" + b"\x2b\x06\x01\x04abcd"),
        ]
    renewing = bytearray(message(3, mac, 9, bytes(4), phone))
    renewing[12:16] = ip
    return [*made, bytes(renewing)]


def tftp_messages() -> list[bytes]:
    """Requests with and without options, and what belongs into a transfer."""
    options = b"blksize\x001428\0tsize\x000\0windowsize\x0016\0timeout\x005\0"
    names = [b"y000000000035.cfg", b"805ec0112233.cfg", b"/spa504G.cfg", b"../../etc/passwd", b"no such file"]
    made = [b"\0\1" + name + b"\0" + mode + b"\0" for name in names for mode in (b"octet", b"NetASCII", b"mail")]
    made += [b"\0\1" + name + b"\0octet\0" + options for name in names]
    return [
        *made,
        b"\0\2x.cfg\0octet\0",
        struct.pack("!HH", 4, 1),
        b"\0\3\0\1data",
        b"\0\5\0\0oops\0",
        b"\0\6tsize\x001\0",
    ]


def http_messages() -> list[bytes]:
    """Requests as phones make them, and as nobody should."""
    agent = b"User-Agent: Yealink SIP-T48G 35.83.0.50 80:5e:c0:11:22:33\r\n"
    end = b"Host: 10.77.0.1\r\n\r\n"
    paths = [b"/y000000000035.cfg", b"/805ec0112233.cfg", b"/%2e%2e/etc/passwd", b"/a%00b", b"//x", b"/" + b"a" * 3000]
    made = [b"GET " + path + b" HTTP/1.1\r\n" + agent + end for path in paths]
    made += [b"HEAD " + path + b" HTTP/1.0\r\n" + end for path in paths]
    body = b"PUT /805ec0112233-local.cfg HTTP/1.1\r\nContent-Length: 5\r\nHost: x\r\n\r\nhello"
    chunks = b"POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\nHost: x\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ranged = b"GET /y000000000035.cfg HTTP/1.1\r\nRange: bytes=0-10\r\nIf-None-Match: *\r\n" + end
    absolute = b"GET http://[::1/y000000000035.cfg HTTP/1.1\r\n" + end
    return [*made, body, chunks, ranged, absolute]


def sip_messages() -> list[bytes]:
    """Requests and responses as phones send them, and a dialed number in every spelling."""
    sdp = "v=0\r\no=- 1 1 IN IP4 10.77.16.0\r\ns=-\r\nc=IN IP4 10.77.16.0\r\nt=0 0\r\nm=audio 11800 RTP/AVP 0 8 101\r\n"

    def made(
        first: str, method: str, fields: str = "", body: str = "", to: str = "<sip:ap805ec0112233@10.77.0.1>"
    ) -> bytes:
        head = (
            f"{first}\r\nVia: SIP/2.0/UDP 10.77.16.0:5060;branch=z9hG4bK{method}77;rport\r\nMax-Forwards: 70\r\n"
            f'From: "Unclaimed" <sip:ap805ec0112233@10.77.0.1>;tag=9fxced76sl\r\nTo: {to}\r\n'
            f"Call-ID: 3848276298220188511@10.77.16.0\r\nCSeq: 12 {method}\r\n"
            f"Contact: <sip:ap805ec0112233@10.77.16.0:5060>\r\nUser-Agent: Acme A1/1.2.3\r\n{fields}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )
        return head.encode()

    digest = (
        'Authorization: Digest username="ap805ec0112233", realm="provd", nonce="AA9CQDi05lKTGMbt2O4HqYd6", '
        'uri="sip:10.77.0.1", response="6629fae49393a05397450978507c4ef1", algorithm=MD5, qop=auth, nc=00000001, '
        'cnonce="c"\r\n'
    )
    numbers = ("*1234", "%2A1234%23", "1234;phone-context=x", "alice", "1" * 300)
    messages = [made(f"INVITE sip:{number}@10.77.0.1;user=phone SIP/2.0", "INVITE", digest, sdp) for number in numbers]
    messages += [
        made(f"{name} sip:10.77.0.1 SIP/2.0", name) for name in ("OPTIONS", "SUBSCRIBE", "REFER", "NOTIFY", "FOO")
    ]
    messages += [
        made(f"{name} sip:10.77.0.1 SIP/2.0", name, to="<sip:a@b>;tag=x") for name in ("BYE", "ACK", "INFO", "CANCEL")
    ]
    messages += [
        made("REGISTER sip:10.77.0.1 SIP/2.0", "REGISTER", "Expires: 3600\r\n"),
        made("REGISTER sip:10.77.0.1 SIP/2.0", "REGISTER", digest + "Expires: 0\r\n"),
        made("REGISTER sip:10.77.0.1 SIP/2.0", "REGISTER", digest).replace(b"Via", b"v").replace(b"\r\n", b"\n"),
        made("SIP/2.0 200 OK", "NOTIFY"),
        made("SIP/2.0 401 Unauthorized", "NOTIFY", 'WWW-Authenticate: Digest realm="x", nonce="y"\r\n'),
    ]
    return messages


class Mutator:
    """An endless row of mutants of these messages."""

    def __init__(self, seed: int, messages: Sequence[bytes]) -> None:
        self._chance = random.Random(seed)
        self._messages = messages
        self._ways: tuple[Callable[[bytearray], None], ...] = (
            self._flip,
            self._overwrite,
            self._cut,
            self._insert,
            self._repeat,
            self._splice,
        )

    def __iter__(self) -> Iterator[bytes]:
        while True:
            yield next(self)

    def __next__(self) -> bytes:
        mutant = bytearray(self._chance.choice(self._messages))
        for _ in range(self._chance.choice((0, 1, 1, 2, 3, 8))):
            if mutant:
                self._chance.choice(self._ways)(mutant)
        return bytes(mutant[:4096])

    def _place(self, mutant: bytearray) -> int:
        # Mostly where the options are.
        low = 236 if len(mutant) > 240 and self._chance.random() < 0.7 else 0
        return self._chance.randrange(low, len(mutant))

    def _flip(self, mutant: bytearray) -> None:
        mutant[self._place(mutant)] ^= 1 << self._chance.randrange(8)

    def _overwrite(self, mutant: bytearray) -> None:
        mutant[self._place(mutant)] = self._chance.choice((0, 1, 2, 127, 128, 254, 255))

    def _cut(self, mutant: bytearray) -> None:
        del mutant[self._place(mutant) :]

    def _insert(self, mutant: bytearray) -> None:
        at = self._place(mutant)
        mutant[at:at] = self._chance.choice(_NASTY)

    def _repeat(self, mutant: bytearray) -> None:
        at = self._place(mutant)
        piece = mutant[at : at + self._chance.randrange(1, 40)]
        mutant[at:at] = piece * self._chance.randrange(1, 8)

    def _splice(self, mutant: bytearray) -> None:
        other = self._chance.choice(self._messages)
        mutant[self._place(mutant) :] = other[self._chance.randrange(len(other)) :]
