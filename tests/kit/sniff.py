"""What DHCP servers say on an interface, read by scapy: ``python -m tests.kit.sniff INTERFACE``.

Clients such as udhcpc and dhclient refuse to show an option 66 that is not a host name; phones do not. Writes "ready",
then a line of JSON per reply: message type, yiaddr and options by number, texts as latin-1.
"""

import json
import sys

from scapy.config import conf
from scapy.layers.dhcp import BOOTP
from scapy.packet import Packet


def line(packet: Packet) -> str:
    bootp = packet[BOOTP]
    raw = bytes(bootp)[240:]
    options, i = {}, 0
    while i < len(raw) and raw[i] != 255:
        if raw[i]:
            options[raw[i]] = raw[i + 2 : i + 2 + raw[i + 1]].decode("latin-1")
            i += 1 + raw[i + 1]
        i += 1
    return json.dumps({"type": ord(options[53]), "yiaddr": bootp.yiaddr, "options": options})


def main() -> None:
    sock = conf.L2listen(iface=sys.argv[1], filter="")
    print("ready", flush=True)
    while True:
        packet = sock.recv(2048)
        if packet is not None and BOOTP in packet and packet[BOOTP].op == 2:
            print(line(packet), flush=True)


if __name__ == "__main__":
    main()
