"""The phones' end of NOTIFY: answers each with 200 from the address that it was sent to; prints how many, at the end.

``python -m tests.bench.serve_notify PORT``
"""

from __future__ import annotations

import signal
import sys
from types import FrameType

from provd.net.sockets import local_address, return_path, udp_socket
from provd.simulate.sip_message import Message, decode


def main() -> None:
    answered = set()

    def end(_number: int, _frame: FrameType | None) -> None:
        print(len(answered), flush=True)
        sys.exit(0)

    signal.signal(signal.SIGTERM, end)
    with udp_socket(None, "0.0.0.0", int(sys.argv[1]), rcvbuf=4 << 20, pktinfo=True) as sock:
        sock.settimeout(None)
        print("ready", flush=True)
        while True:
            octets, ancillary, _, peer = sock.recvmsg(65535, 64)
            asked = decode(octets)
            if asked is None or asked.method != "NOTIFY":
                continue
            names = ("Via", "From", "To", "Call-ID", "CSeq")
            headers = [(name, value) for name in names for value in asked.every(name)]
            headers = [(name, f"{value};tag=n" if name == "To" else value) for name, value in headers]
            answer = Message("SIP/2.0 200 OK", headers).encode()
            sock.sendmsg((answer,), (return_path(local_address(ancillary)),), 0, peer)
            answered.add(asked.get("Call-ID"))


if __name__ == "__main__":
    main()
