"""A phone for a namespace: registers, answers one NOTIFY, and prints whom it was for."""

from __future__ import annotations

import socket
import sys

from tests.kit.patience import PATIENCE
from tests.sip.stage import Phone, heard


def main(host: str, number: int, server: str) -> None:
    # Both phones have the same port, as phones do; the NAT has to give one of them another.
    phone = Phone(number, host=host, rport=number % 2 == 0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.settimeout(PATIENCE)
        sock.bind((host, 5060))
        sock.connect((server, 5060))
        sock.send(phone.register())
        while True:
            octets = sock.recv(4000)
            if not octets.strip():
                continue
            message = heard(octets)
            if message.code == 401:
                phone.take(message)
                sock.send(phone.register())
            elif message.method == "NOTIFY":
                sock.send(phone.answer(message))
                print(message.start.split()[1], flush=True)
                return


main(sys.argv[1], int(sys.argv[2]), sys.argv[3])
