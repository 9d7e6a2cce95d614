"""Plays prompts to callers: a UDP socket for each call, RTP from the pure machine, paced by the event loop.

It can not be made to hit somebody else: a call gets the few seconds of its prompt and no more, only one host's address
is ever sent to, and where audio comes from another address than the call said, that counts only from the host that
signals, and only once.
"""

from __future__ import annotations

import asyncio
import errno
import random
import socket
from collections.abc import Callable, Sequence

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.facts import FactSink
from provd.base.facts.media import MediaExhausted, MediaLatched, MediaRefused
from provd.base.types import ip_int
from provd.guard.tally import Tally
from provd.sip.prompts import Prompt, framed, frames
from provd.sip.recordings import Recordings
from provd.sip.rtp import RtpSender, decode
from provd.sip.sdp import CODECS, PTIME

Peer = tuple[str, int]

_STEP = PTIME / 1000
_LATE = 0.2
"""Seconds behind its schedule after which a stream takes a new one instead of sending everything at once."""
_TAIL = 0.2
"""Seconds between the last packet and ``done``: what is still in the caller's jitter buffer is to be heard."""
_LARGEST = 2048
_DRAIN = 32
_FIRST_FREE_PORT = 1024


@dataclass(slots=True)
class MediaStats:
    """Counters since the start, for metrics."""

    sessions: int = 0
    exhausted: int = 0
    packets: int = 0
    latched: int = 0
    heard: int = 0


class Player:
    """The ports for audio and the calls that hold them.

    ``ports`` are the UDP ports that may be used; RTP takes the even ones (RFC 3550 section 11), each for one call, so
    there are never more calls with audio than even ports. ``recordings`` are heard in the place of our own melodies.
    Everything runs on the event loop's thread.
    """

    def __init__(
        self,
        ports: range,
        sink: FactSink,
        clock: Clock,
        *,
        recordings: Recordings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self._ports = [port for port in ports if port % 2 == 0]
        self._range = f"{ports.start}-{ports.stop - 1}"
        self._sink = sink
        self._clock = clock
        # RFC 3550 asks for beginnings that cannot be guessed.
        self._rng = rng or random.SystemRandom()
        self.record(recordings or {})
        self._next = 0
        self._open: dict[int, Session] = {}
        self._exhausted = Tally[str](60.0)
        self._refused = Tally[str](60.0)
        self.stats = MediaStats()

    @property
    def active(self) -> int:
        """Calls that hold a port."""
        return len(self._open)

    def record(self, recordings: Recordings) -> None:
        """Other recordings; a prompt that is being played goes on as it began."""
        self._recordings = {
            (prompt, kind): framed(heard, kind) for prompt, heard in recordings.items() for kind in CODECS
        }

    def open(self, local_ip: str) -> Session | None:
        """A port on that address for one call; None, and a fact, when there is none to be had."""
        reason = "every port has a call"
        for _ in range(len(self._ports)):
            # In turn, so that what still arrives for the last call does not come into the next one.
            port = self._ports[self._next]
            self._next = (self._next + 1) % len(self._ports)
            if port in self._open:
                continue
            try:
                sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            except OSError as error:
                reason = str(error.strerror)
                break
            try:
                sock.bind((local_ip, port))
            except OSError as error:
                sock.close()
                reason = f"{local_ip}:{port}: {error.strerror}"
                if error.errno != errno.EADDRINUSE:
                    break
                continue
            self.stats.sessions += 1
            session = self._open[port] = Session(self, sock, port)
            return session
        self.stats.exhausted += 1
        now = self._clock.now()
        if count := self._exhausted.add("", now):
            self._sink(MediaExhausted(at=now, ports=self._range, reason=reason, count=count))
        return None

    def close(self) -> None:
        """End every call's audio."""
        for session in list(self._open.values()):
            session.close()

    # --- for sessions

    def frames_of(self, prompt: Prompt, payload_type: int) -> Sequence[bytes]:
        """What is heard for a prompt: the operator's recording, or ours."""
        return self._recordings.get((prompt, payload_type)) or frames(prompt, payload_type)

    def sender(self, payload_type: int) -> RtpSender:
        """A new RTP stream."""
        draw = self._rng.getrandbits
        return RtpSender(payload_type, ssrc=draw(32), sequence=draw(16), timestamp=draw(32))

    def give_back(self, port: int) -> None:
        """The call on that port is over."""
        self._open.pop(port, None)

    def refuse(self, address: str, peer: str) -> None:
        """Tell that nothing is sent to that address."""
        now = self._clock.now()
        if count := self._refused.add(peer, now):
            self._sink(MediaRefused(at=now, address=address, peer=peer, count=count))

    def latched(self, said: Peer, heard: Peer) -> None:
        """Tell that audio goes where it came from, and not where the session description said."""
        self.stats.latched += 1
        self._sink(
            MediaLatched(at=self._clock.now(), said=f"{said[0]}:{said[1]}", heard=f"{heard[0]}:{heard[1]}")
        )  # fmt: skip


class Session:
    """The audio of one call. :meth:`close` gives its port back; until then nothing but :meth:`play` sends."""

    def __init__(self, player: Player, sock: socket.socket, port: int) -> None:
        self.port = port
        self.sent = 0
        """Packets sent so far."""
        self._player = player
        self._sock = sock
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._remote: Peer = ("", 0)
        self._host = ""
        self._may_latch = False
        self._open = True
        self._loop.add_reader(sock.fileno(), self._readable)

    def play(
        self, prompt: Prompt, payload_type: int, remote: Peer, done: Callable[[], None], *, peer: str = ""
    ) -> None:
        """Send the prompt to ``remote`` in real time, then call ``done`` (once; not after :meth:`close`).

        ``remote`` is what the caller's session description says, ``peer`` the address its signalling comes from:
        the only host from which audio may correct ``remote`` (empty: none). Where ``remote`` is no address to send
        to, nothing is sent and ``done`` comes at once.
        """
        self._stop()
        if not sendable(remote, peer):
            self._player.refuse(f"{remote[0]}:{remote[1]}", peer)
            self._timer = self._loop.call_later(0, done)
            return
        self._remote, self._host, self._may_latch = remote, peer, bool(peer)
        sender = self._player.sender(payload_type)
        self._send_from(self._player.frames_of(prompt, payload_type), 0, sender, self._loop.time(), done)

    def close(self) -> None:
        """Stop playing and give the port back. May be called again."""
        if not self._open:
            return
        self._open = False
        self._stop()
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()
        self._player.give_back(self.port)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_from(
        self, payloads: Sequence[bytes], first: int, sender: RtpSender, began: float, done: Callable[[], None]
    ) -> None:
        """Send what is due; packet ``n`` is due ``n`` steps after ``began``, whenever the loop gets to it."""
        now = self._loop.time()
        due = began + first * _STEP
        if now - due > _LATE:
            began += now - due
        index = first
        while index < len(payloads) and began + index * _STEP <= now:
            self._send(sender.packet(payloads[index]))
            index += 1
        if index < len(payloads):
            when = began + index * _STEP
            self._timer = self._loop.call_at(when, self._send_from, payloads, index, sender, began, done)
        else:
            self._timer = self._loop.call_at(began + index * _STEP + _TAIL, done)

    def _send(self, packet: bytes) -> None:
        try:
            self._sock.sendto(packet, self._remote)
        except OSError:
            return  # as good as lost on the way
        self.sent += 1
        self._player.stats.packets += 1

    def _readable(self) -> None:
        for _ in range(_DRAIN):
            try:
                octets, source = self._sock.recvfrom(_LARGEST)
            except OSError:
                return
            self._player.stats.heard += 1
            if self._may_latch and source[0] == self._host:
                self._latch(octets, source)

    def _latch(self, octets: bytes, source: Peer) -> None:
        """The first RTP from the signalling host says where that host's audio really comes from (RFC 4961)."""
        try:
            decode(octets)
        except WireError:
            return
        self._may_latch = False
        if source != self._remote and sendable(source, self._host):
            said, self._remote = self._remote, source
            self._player.latched(said, source)


def sendable(remote: Peer, peer: str) -> bool:
    """Whether audio may go to that address: one host's, and loopback only for a peer that is there itself."""
    address, port = remote
    try:
        number = ip_int(address)
    except ValueError:
        return False
    first = number >> 24
    loopback = first == 127 and not peer.startswith("127.")
    return _FIRST_FREE_PORT <= port <= 65535 and 0 < first < 224 and not loopback
