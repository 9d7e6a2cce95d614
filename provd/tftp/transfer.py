"""One TFTP read as a pure machine (RFC 1350, 2347, 7440; RFC 1123 section 4.2.3.1 and 4.2.3.2).

Time and datagrams come in, what to send comes out: ``bytes`` is a whole datagram (OACK, ERROR), a ``range`` names
the blocks to send as DATA (:meth:`Transfer.pieces` gives their octets), None means nothing. Blocks are counted
from 1 without rolling over; only their numbers on the wire do. The OACK is treated as block 0.
"""

from __future__ import annotations

import enum
import math
import struct
from typing import Final

from provd.base.dataclass import dataclass
from provd.tftp.frames import Frames
from provd.tftp.options import Terms
from provd.tftp.packet import Error, ErrorCode, Opcode

Send = bytes | range | None
Octets = bytes | memoryview

TOO_LONG: Final = Error(ErrorCode.NOT_DEFINED, "transfer took too long").encode()
_NEVER: Final = math.inf
# Opcode and block number: packed here and not through the codec, because a call more per block is what one can measure.
_PACK: Final = struct.Struct("!HH").pack
_DATA: Final = int(Opcode.DATA)
_ACK: Final = int(Opcode.ACK)


class Outcome(enum.Enum):
    """How a transfer ended."""

    COMPLETE = "complete"
    SILENT = "the client stopped answering"
    TOO_LONG = "the transfer took too long"
    REFUSED = "the client gave up"
    UNREACHABLE = "the client's port is closed"


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds and counts of the retransmission rules.

    The time-out follows the measured round trips (RFC 1123 section 4.2.3.2) and is multiplied by ``backoff`` for each
    resend. Four instead of the usual two: a lost ACK in a LAN is made good after ``shortest``, and yet five
    resends outlast a phone that stops for many seconds to erase its flash.
    """

    initial: float = 1.0
    shortest: float = 0.05
    longest: float = 5.0
    backoff: float = 4.0
    first_resends: int = 2
    """Before the client has acknowledged anything its address may be forged: one answer and this many resends."""
    resends: int = 5


DEFAULT_TIMING: Final = Timing()


def netascii(octets: Octets) -> bytes:
    """Text as it travels in mode netascii (RFC 1350 section 1, RFC 764): LF as CR LF, CR as CR NUL."""
    return bytes(octets).replace(b"\r", b"\r\0").replace(b"\n", b"\r\n")


class Transfer:
    """The sending side of one read.

    ``outcome`` is None while the transfer runs. ``acked`` is the last block the client acknowledged
    (-1 before the ACK of an OACK), ``last`` the final block, ``resent`` how many blocks went out again.
    ``frames`` is the same content as datagrams, where many clients ask for it.
    """

    __slots__ = (
        "_awaited",
        "_backed_off",
        "_content",
        "_ends_at",
        "_first",
        "_frames",
        "_resends",
        "_rto",
        "_rto_stale",
        "_rttvar",
        "_sent",
        "_sent_at",
        "_srtt",
        "_terms",
        "_timing",
        "acked",
        "blksize",
        "last",
        "outcome",
        "resent",
        "windowsize",
    )

    def __init__(
        self,
        content: Octets,
        terms: Terms,
        *,
        lifetime: float,
        timing: Timing = DEFAULT_TIMING,
        frames: Frames | None = None,
    ) -> None:
        self._content = memoryview(content)
        self._frames = frames
        self._terms = terms
        self._timing = timing
        self._ends_at = lifetime  # becomes a point in time in start()
        self.blksize = terms.blksize
        self.windowsize = terms.windowsize
        # A block shorter than blksize ends the transfer (RFC 1350 section 6), if need be an empty one.
        self.last = len(self._content) // terms.blksize + 1
        self.acked = self._first = 0 if terms.oack is None else -1
        self._sent = self.acked
        self._rto = float(terms.timeout or timing.initial)
        self._srtt = self._rttvar = 0.0
        self._sent_at = 0.0
        self._awaited = b""
        self._backed_off = False
        self._rto_stale = False
        self._resends = 0
        self.resent = 0
        self.outcome: Outcome | None = None

    @property
    def deadline(self) -> float:
        """When :meth:`expire` wants to be called."""
        return _NEVER if self.outcome else min(self._sent_at + self._rto, self._ends_at)

    @property
    def heard(self) -> bool:
        """Whether the client has acknowledged anything yet, which a forged source address cannot."""
        return self.acked > self._first

    @property
    def resends(self) -> int:
        """Resends since the client was last heard."""
        return self._resends

    def quiet(self, now: float) -> float:
        """Seconds since anything was sent, for the first time or again."""
        return now - self._sent_at

    def leapt(self, seconds: float) -> None:
        """The clock was set forward by so much in which no time has passed."""
        self._sent_at += seconds
        self._ends_at += seconds

    def start(self, now: float) -> Send:
        """Begin: the OACK, or DATA 1 where no option was accepted."""
        self._ends_at += now
        return self._advance(now)

    def receive(self, datagram: bytes, now: float) -> Send:
        """Take a datagram from the client's TID. What is neither ACK nor ERROR is ignored."""
        if len(datagram) < 4 or datagram[0]:
            return None
        if datagram[1] == 4:
            return self.ack(datagram[2] << 8 | datagram[3], now)
        if datagram[1] == 5:
            self.finish(Outcome.REFUSED)
        return None

    def next_block(self, datagram: bytes, now: float) -> bytes | None:
        """The short way through :meth:`receive` for the awaited ACK in lock-step: the next DATA as a whole datagram.

        None in any other case; then nothing has happened yet and :meth:`receive` has to be asked. Every sixteenth block
        goes that long way, which measures the round trip, and so does the last one, which ends the transfer.
        """
        if datagram != self._awaited:
            return None
        self.acked = self._sent
        block = self._sent = self._sent + 1
        self._sent_at = now
        short = block & 15 and block != self.last
        self._awaited = _PACK(_ACK, block & 0xFFFF) if short else b""
        end = block * self.blksize
        return _PACK(_DATA, block & 0xFFFF) + self._content[end - self.blksize : end]

    def ack(self, block: int, now: float) -> Send:
        """Take the ACK of a block by its number on the wire.

        An ACK inside the window means that what follows it was lost: sending goes on from there (RFC 7440 section 4).
        An ACK that acknowledges nothing new sends nothing, however often it comes (RFC 1123 section 4.2.3.1).
        """
        step = (block - self.acked) & 0xFFFF
        if not 0 < step <= self._sent - self.acked or self.outcome is not None:
            return None
        self.acked += step
        self._resends = 0
        self._measure(now)
        if self.acked == self.last:
            self.finish(Outcome.COMPLETE)
            return None
        return self._advance(now)

    def expire(self, now: float) -> Send:
        """The deadline is reached: resend what is unacknowledged, or give up."""
        if now < self.deadline or self.outcome is not None:
            return None
        if now >= self._ends_at:
            self.finish(Outcome.TOO_LONG)
            return TOO_LONG if self.heard else None
        if self._resends >= (self._timing.resends if self.heard else self._timing.first_resends):
            self.finish(Outcome.SILENT)
            return None
        self._resends += 1
        self._backed_off = self._rto_stale = True
        longest = max(self._timing.longest, self._terms.timeout or 0)
        self._rto = min(self._rto * self._timing.backoff, longest)
        self._sent_at = now
        self._awaited = b""
        self.resent += self._sent - self.acked
        return self._unacked()

    def finish(self, outcome: Outcome) -> None:
        """End the transfer from outside (an ICMP error, a shutdown) or from a rule above."""
        self.outcome = outcome
        self._awaited = b""

    def port_closed(self) -> None:
        """The client has closed its port. Where nothing but the last ACK is missing, it has what it wanted (RFC 1350
        section 6): that ACK was lost, and nobody is there any more to send it again."""
        all_sent = self.heard and self.acked == self.last - 1
        self.finish(Outcome.COMPLETE if all_sent else Outcome.UNREACHABLE)

    def pieces(self, blocks: range) -> list[Octets]:
        """The octets of these DATA datagrams, one behind the other and ready for sendmsg."""
        if self._frames is not None:
            return self._frames.pieces(blocks)
        content, size = self._content, self.blksize
        pieces: list[Octets] = []
        for block in blocks:
            end = block * size
            pieces.append(_PACK(_DATA, block & 0xFFFF))
            pieces.append(content[end - size : end])
        return pieces

    def datagrams(self, send: Send) -> list[bytes]:
        """The same as whole datagrams, one ``bytes`` each, where speed does not matter."""
        if isinstance(send, range):
            return [b"".join(self.pieces(range(block, block + 1))) for block in send]
        return [] if send is None else [send]

    def _advance(self, now: float) -> Send:
        """Send the window after the last acknowledged block."""
        acked = self.acked
        self._sent_at = now
        if acked < 0:
            self._sent = 0
            return self._terms.oack
        sent = self._sent = min(acked + self.windowsize, self.last)
        if sent == acked + 1 and sent != self.last and not self._rto_stale:
            self._awaited = _PACK(_ACK, sent & 0xFFFF)
        return range(acked + 1, sent + 1)

    def _unacked(self) -> Send:
        return self._terms.oack if self.acked < 0 else range(self.acked + 1, self._sent + 1)

    def _measure(self, now: float) -> None:
        """Follow the round-trip time (the estimator of RFC 6298 section 2)."""
        if self._terms.timeout:
            self._rto = float(self._terms.timeout)
            self._rto_stale = False
            return
        if self._backed_off:
            # Nobody knows which of the copies was acknowledged: no sample, and the longer time-out stays (Karn).
            self._backed_off = False
            return
        sample = now - self._sent_at
        if self._srtt:
            self._rttvar += (abs(self._srtt - sample) - self._rttvar) / 4
            self._srtt += (sample - self._srtt) / 8
        else:
            self._srtt, self._rttvar = max(sample, 1e-6), sample / 2
        self._rto_stale = False
        timing = self._timing
        self._rto = min(max(self._srtt + 4 * self._rttvar, timing.shortest), timing.longest)
