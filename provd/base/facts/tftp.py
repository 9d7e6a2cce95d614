"""Facts about TFTP itself; a file that was delivered is told as ``FILE-SERVED``, whatever the transport."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class TftpRefused(Fact):
    """A TFTP request was turned down, with ``coding`` because of how its file is encrypted, else before any file was
    looked for. Told once per source and reason in a minute; ``count`` includes those since it was told last.

    Do: for ``coding`` let the device fetch its files over HTTP (its option 66), or take its ``files.key`` away: what is
    encrypted by RFC 8188 needs a header to say so, and TFTP has none; for ``write`` nothing (this server only reads);
    for ``mode`` set the client to binary (octet); for
    ``network`` add the client's network to ``tftp.networks`` if it is yours; for ``busy`` (which
    is not answered, so that the phone asks again by itself) look whether one address really stands for that many phones
    (a NAT) and raise ``tftp.transfers_per_client``; for ``port``,
    ``source`` and ``broadcast`` look for the host that forges or misuses addresses.
    """

    ID: ClassVar[str] = "TFTP-REFUSED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    name: str = ""
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TftpAbandoned(Fact):
    """A TFTP transfer ended before the client had acknowledged the whole file. For sources that never acknowledged
    anything it is told once in a minute with a ``count``: their address may be forged.

    Do: nothing when the device asks again and gets its file. Otherwise compare ``blocks`` with ``of``: none
    means that our answers do not reach the client (a firewall that does not know TFTP, a NAT); always the same
    number points at lost large packets (MTU) or at a client that dislikes the file.
    """

    ID: ClassVar[str] = "TFTP-ABANDONED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    name: str
    reason: str
    blocks: int
    of: int
    retries: int = 0
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TftpMalformed(Fact):
    """Datagrams on the TFTP port that are no TFTP requests; they were not answered. Told once per source in a minute;
    ``count`` includes those since it was told last.

    Do: nothing for a few; a steady stream comes from a scanner or from a broken client at that address.
    """

    ID: ClassVar[str] = "TFTP-MALFORMED"
    LEVEL: ClassVar[Level] = Level.WARNING

    peer: str
    reason: str
    count: int = 1
