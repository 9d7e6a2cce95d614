"""A request for a file and its answer, the same for HTTP and TFTP."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Literal, Protocol

from provd.base.dataclass import dataclass
from provd.base.types import Mac


@dataclass(frozen=True, slots=True)
class FileRequest:
    """What a device asked for.

    ``path`` is the path as sent, percent-decoded, without query; its last segment names the file. ``peer`` is
    the address that the policy may believe (behind trusted proxies the forwarded one); ``direct`` tells that it
    is the address the datagrams or segments came from, so that a lease of that address proves something.
    ``local`` is the address of ours that was talked to, ``secure`` whether over TLS.
    """

    via: Literal["http", "tftp"]
    path: str
    peer: str
    local: str
    user_agent: str = ""
    direct: bool = True
    secure: bool = False


@dataclass(frozen=True, slots=True)
class FileReply:
    """The answer. ``found`` False means "unknown", and also everything that must look like it."""

    found: bool
    body: bytes | memoryview = b""
    content_type: str = "text/plain; charset=utf-8"
    etag: str = ""
    """Without quotes; strong."""
    private: bool = True
    """Must not be stored by caches on the way."""
    large: bool = False
    """Firmware and the like: ranges make sense."""
    mac: Mac | None = None
    boot: str = ""
    kind: str = ""
    """Kind of the file rule (``common``, ``device``, ``static``)."""
    plugin: str = ""
    revision: int = 0
    """Revision of the device that its account was taken from; 0 for a file without an account."""
    brings: str = ""
    """Digest of the key for encrypted files that it brings, in the clear."""
    coding: str = ""
    """Content coding of the body (RFC 9110 section 8.4), which HTTP tells and TFTP cannot."""


UNKNOWN = FileReply(found=False)


class FileService(Protocol):
    """Where HTTP and TFTP get their content."""

    def ready(self, request: FileRequest) -> FileReply | None:
        """The answer if it is in memory (found or unknown), or None when it has to be rendered first.

        Never blocks.
        """
        ...

    def file(self, request: FileRequest) -> Awaitable[FileReply]:
        """The answer, rendered if need be. Never raises for anything the requester can cause."""
        ...

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        """The transport delivered the whole answer (or a "not modified"); states move on and facts are told."""
        ...
