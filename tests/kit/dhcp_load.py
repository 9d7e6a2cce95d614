"""A DHCP client crowd behind a relay, for fault tests: writes ``mac ip`` for every ACK the moment it has it.

Run as ``python -m tests.kit.dhcp_load SERVER GIADDR FIRST COUNT WINDOW``. Standard library only, and its own few lines
of encoding, so that it does not share a mistake with the server. Ends when every client has its lease or after
five minutes without any answer (the daemon is started anew in between, on a busy machine).
"""

import os
import socket
import struct
import sys
import time

COOKIE = b"\x63\x82\x53\x63"
DISCOVER, OFFER, REQUEST, ACK = 1, 2, 3, 5


def message(kind: int, mac: bytes, xid: int, giaddr: bytes, options: bytes = b"") -> bytes:
    head = struct.pack("!BBBBIHH", 1, 1, 6, 1, xid, 0, 0) + bytes(12) + giaddr + mac + bytes(10 + 192)
    return (head + COOKIE + bytes((53, 1, kind)) + options + b"\x37\x03\x01\x03\x42\xff").ljust(300, b"\0")


def options_of(packet: bytes) -> dict[int, bytes]:
    found, i = {}, 240
    while i < len(packet) and packet[i] != 255:
        if packet[i] == 0:
            i += 1
            continue
        found[packet[i]] = packet[i + 2 : i + 2 + packet[i + 1]]
        i += 2 + packet[i + 1]
    return found


class Crowd:
    """So many clients, a window of them in flight."""

    def __init__(self, server: str, giaddr: str, numbers: range, window: int) -> None:
        self._server, self._window = server, window
        self._relay = socket.inet_aton(giaddr)
        self._numbers = iter(numbers)
        self._left = len(numbers)
        self._waiting: dict[bytes, tuple[float, bytes]] = {}
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._sock.bind((giaddr, 67))
        self._sock.settimeout(0.2)

    def run(self) -> int:
        """0 when every client has its lease, 1 after five minutes without an answer."""
        heard = time.monotonic()
        while self._left or self._waiting:
            while self._left and len(self._waiting) < self._window:
                self._left -= 1
                self._discover(b"\x02\x77" + next(self._numbers).to_bytes(4, "big"))
            try:
                self._answer(self._sock.recv(2048))
                heard = time.monotonic()
            except TimeoutError:
                if time.monotonic() - heard > 300:
                    return 1
                self._again()
        return 0

    def _discover(self, mac: bytes) -> None:
        self._send(mac, message(DISCOVER, mac, int.from_bytes(mac[2:], "big"), self._relay))

    def _send(self, mac: bytes, packet: bytes) -> None:
        self._waiting[mac] = (time.monotonic(), packet)
        self._sock.sendto(packet, (self._server, 67))

    def _again(self) -> None:
        now = time.monotonic()
        for mac, (at, packet) in list(self._waiting.items()):
            if now - at > 0.5:
                self._send(mac, packet)

    def _answer(self, packet: bytes) -> None:
        mac, options = packet[28:34], options_of(packet)
        if mac not in self._waiting:
            return
        if options[53][0] == OFFER:
            chosen = b"\x36\x04" + options[54] + b"\x32\x04" + packet[16:20]
            self._send(mac, message(REQUEST, mac, int.from_bytes(mac[2:], "big"), self._relay, chosen))
        elif options[53][0] == ACK:
            del self._waiting[mac]
            os.write(1, f"{mac.hex()} {socket.inet_ntoa(packet[16:20])}\n".encode())
        else:
            self._discover(mac)


if __name__ == "__main__":
    first, count, window = map(int, sys.argv[3:6])
    sys.exit(Crowd(sys.argv[1], sys.argv[2], range(first, first + count), window).run())
