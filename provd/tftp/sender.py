"""Sending and hearing for one transfer: whole windows per system call, ICMP errors, the MTU of a route.

A transfer's socket is not connected at first: a datagram from a foreign TID has to be answered with ERROR 5 (RFC 1350
section 4), and the kernel keeps such datagrams away from a connected socket. Once a transfer has proved to be a long
one it is connected, which spares the kernel a route look-up for each packet; the kernel itself then refuses
foreign datagrams (ICMP port unreachable), the transfer goes on as undisturbed.
"""

from __future__ import annotations

import errno
import socket
import struct
from typing import Final

from provd.app.files import FileReply, FileRequest
from provd.net.sockets import IP_PKTINFO, MOST_SEGMENTS, UDP_SEGMENT
from provd.tftp.admission import Peer
from provd.tftp.berths import Berth
from provd.tftp.packet import Error, ErrorCode, Opcode, Request
from provd.tftp.transfer import Send, Transfer

# Linux numbers that the socket module does not name (linux/in.h, linux/udp.h, asm-generic/socket.h).
_IP_MTU_DISCOVER: Final = 10
_IP_PMTUDISC_DONT: Final = 0
_IP_RECVERR: Final = 11
_IP_MTU: Final = 14
_SO_RCVBUFFORCE: Final = 33

_MOST_OCTETS: Final = 65507
"""The largest payload of UDP over IPv4, segmented or not."""
_EXTENDED_ERROR: Final = struct.Struct("=I4B2I")
_UNKNOWN_TID: Final = Error(ErrorCode.UNKNOWN_TID, "unknown transfer ID").encode()
_ETHERNET_MTU: Final = 1500
_RESTART_AFTER: Final = 1.0
_MTU_HOLDS: Final = 10.0
_MTUS_KNOWN: Final = 4096
_LONG_TRANSFER: Final = 128
"""Blocks; more than the files of phones have and less than firmware."""


def listening_socket(host: str, port: int, receive_buffer: int = 8 << 20) -> socket.socket:
    """A bound, non-blocking UDP socket that tells to which address of ours a datagram came. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    try:
        try:
            # A site that powers up sends hundreds of requests within milliseconds; the default buffer drops them.
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, receive_buffer)
        except PermissionError:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def refuse_stray(berth: Berth, datagram: bytes, source: Peer) -> None:
    """Answer a datagram from a foreign TID with ERROR 5, but never an ERROR, or two hosts could go on for ever."""
    if datagram[:2] == b"\0%c" % Opcode.ERROR:
        return
    try:
        berth.sendto(_UNKNOWN_TID, source)
    except OSError:
        return


class RouteMtu:
    """Asks the kernel for the MTU of the route to an address, through one socket kept for that.

    An answer holds for some seconds: a phone asks for several files at a time.
    """

    def __init__(self, fixed: int | None = None) -> None:
        self._fixed = fixed
        self._probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._known: dict[str, tuple[float, int]] = {}

    def __call__(self, peer: Peer, now: float) -> int:
        """Octets per IP packet; Ethernet's where the kernel cannot say."""
        if self._fixed is not None:
            return self._fixed
        known = self._known.get(peer[0])
        if known is not None and 0 <= now - known[0] < _MTU_HOLDS:
            return known[1]
        try:
            self._probe.connect(peer)  # sends nothing
            mtu = self._probe.getsockopt(socket.IPPROTO_IP, _IP_MTU)
        except OSError:
            return _ETHERNET_MTU
        if len(self._known) >= _MTUS_KNOWN:
            self._known.clear()
        self._known[peer[0]] = (now, mtu)
        return mtu

    def close(self) -> None:
        """Give the probe socket back."""
        self._probe.close()


class Flight:
    """One transfer on the socket that is its TID."""

    __slots__ = (
        "_segment", "_segmented", "asked", "berth", "fileno", "next_block", "peer", "recv", "recvfrom", "reply",
        "request", "send_now", "sendto", "settled", "sock", "transfer",
    )  # fmt: skip

    def __init__(
        self, berth: Berth, peer: Peer, asked: Request, request: FileRequest, reply: FileReply, transfer: Transfer,
        *, segment: bool,
    ) -> None:  # fmt: skip
        self.berth = berth
        self.peer = peer
        self.asked = asked
        self.request = request
        self.reply = reply
        self.transfer = transfer
        self.sock = berth.sock
        self.fileno = berth.fileno
        self.next_block = transfer.next_block
        self.recvfrom = berth.recvfrom
        self.sendto = berth.sendto
        self.recv = berth.recv
        self.send_now = berth.send
        self.settled = False
        self._segment = segment
        self._segmented: tuple[tuple[int, int, bytes]] | None = None

    def settle(self) -> None:
        """Connect the socket of a long transfer, once; from then on ``recv`` and ``send_now`` are the short way.

        To be called while it is our turn to send: what the socket still holds is not from the client then.
        """
        if self.settled or self.transfer.acked < _LONG_TRANSFER:
            return
        self.berth.spoilt = True
        try:
            self.sock.connect(self.peer)
            self.settled = True
            while self.recv(1):
                pass
        except OSError:
            return  # nothing held; or a route that is gone for the moment, and it works without

    def send(self, send: Send) -> None:
        """Send what the transfer wants sent.

        What the kernel refuses counts as lost on the way: the time-out sends it again or ends the transfer.
        """
        if send is None:
            return
        try:
            if not isinstance(send, range):
                self.sendto(send, self.peer)
            elif self.settled and len(send) == 1:
                self.send_now(self.transfer.datagrams(send)[0])
            elif len(send) == 1 or not self._segment or not self._send_segmented(send):
                for datagram in self.transfer.datagrams(send):
                    self.sendto(datagram, self.peer)
        except OSError:
            return

    def _send_segmented(self, blocks: range) -> bool:
        size = self.transfer.blksize + 4
        at_once = min(MOST_SEGMENTS, _MOST_OCTETS // size)
        if self._segmented is None:
            self._segmented = ((socket.IPPROTO_UDP, UDP_SEGMENT, struct.pack("=H", size)),)
        to = () if self.settled else (0, self.peer)
        try:
            for i in range(0, len(blocks), at_once):
                some = blocks if len(blocks) <= at_once else blocks[i : i + at_once]
                self.sock.sendmsg(self.transfer.pieces(some), self._segmented, *to)
        except BlockingIOError:
            raise
        except OSError:
            # A device without checksum offload (EIO), a segment above the route's MTU (EINVAL): not for this client.
            self._segment = False
            return False
        return True

    def watch(self) -> None:
        """From now on hear of ICMP errors: the client's silence may have a reason. And let routers cut what is too
        large for a link on the way: the ICMP message that says so may be one that a firewall drops (RFC 2923)."""
        self.berth.spoilt = True
        self.sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
        self.sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)

    def unreachable(self) -> bool:
        """Empty the socket's error queue; True when an ICMP message says that the client's port is closed."""
        closed = False
        while True:
            try:
                _, ancillary, _, about = self.sock.recvmsg(64, 256, socket.MSG_ERRQUEUE)
            except OSError:
                return closed
            for level, kind, octets in ancillary:
                if level == socket.IPPROTO_IP and kind == _IP_RECVERR and len(octets) >= _EXTENDED_ERROR.size:
                    number = _EXTENDED_ERROR.unpack_from(octets)[0]
                    closed |= number == errno.ECONNREFUSED and about == self.peer

    def repeats(self, asked: Request, now: float) -> bool:
        """Whether this request is the one under way, sent again, rather than the start of a new transfer.

        A client that was heard within the last second did not just boot: its request is a late copy.
        """
        return asked == self.asked and (not self.transfer.heard or self.transfer.quiet(now) < _RESTART_AFTER)
