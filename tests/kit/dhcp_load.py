"""A DHCP client crowd behind a relay, for fault tests: writes ``mac ip`` for every ACK the moment it has it.

Run as ``python -m tests.kit.dhcp_load SERVER GIADDR FIRST COUNT WINDOW``. Standard library only, and its own few lines
of encoding, so that it does not share a mistake with the server. Ends when every client has its lease or after
ten seconds without any answer.
"""

import os
import selectors
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


def main() -> int:
    server, giaddr, first, count, window = sys.argv[1], sys.argv[2], *map(int, sys.argv[3:6])
    relay = socket.inet_aton(giaddr)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((giaddr, 67))
    sock.setblocking(False)
    ready = selectors.DefaultSelector()
    ready.register(sock, selectors.EVENT_READ)
    waiting: dict[bytes, tuple[float, bytes]] = {}
    numbers = iter(range(first, first + count))
    heard = time.monotonic()

    def send(mac: bytes, packet: bytes) -> None:
        waiting[mac] = (time.monotonic(), packet)
        sock.sendto(packet, (server, 67))

    exhausted = False
    while not exhausted or waiting:
        while len(waiting) < window and not exhausted:
            number = next(numbers, None)
            if number is None:
                exhausted = True
                break
            mac = b"\x02\x77" + number.to_bytes(4, "big")
            send(mac, message(DISCOVER, mac, number, relay))
        if not ready.select(0.2):
            now = time.monotonic()
            if now - heard > 10:
                return 1
            for mac, (at, packet) in list(waiting.items()):
                if now - at > 0.5:
                    send(mac, packet)
            continue
        packet = sock.recv(2048)
        heard = time.monotonic()
        mac, options = packet[28:34], options_of(packet)
        if mac not in waiting:
            continue
        if options[53][0] == OFFER:
            chosen = b"\x36\x04" + options[54] + b"\x32\x04" + packet[16:20]
            send(mac, message(REQUEST, mac, int.from_bytes(mac[2:], "big"), relay, chosen))
        elif options[53][0] == ACK:
            del waiting[mac]
            os.write(1, f"{mac.hex()} {socket.inet_ntoa(packet[16:20])}\n".encode())
        else:
            send(mac, message(DISCOVER, mac, int.from_bytes(mac[2:], "big"), relay))
    return 0


if __name__ == "__main__":
    sys.exit(main())
