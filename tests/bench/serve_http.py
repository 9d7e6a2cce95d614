"""The phones' HTTP server alone, with a fake file service: ``serve_http.py [PORT] [uvloop]``; measure with wrk."""

from __future__ import annotations

import asyncio
import sys

from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.http.connection import Limits
from provd.http.phones import PhoneServer

BODY = b"account.1.enable = 1\n" * 195


class OneFile:
    """Answers everything below ``/provision/`` from memory."""

    reply = FileReply(found=True, body=BODY, etag="0123456789abcdef")

    def __init__(self) -> None:
        self.delivered = 0

    def ready(self, request: FileRequest) -> FileReply:
        return self.reply if request.path.startswith("/provision/") else UNKNOWN

    async def file(self, request: FileRequest) -> FileReply:
        return self.ready(request)

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        self.delivered += 1


def ignore(fact: Fact) -> None:
    pass


async def serve(port: int) -> None:
    server = PhoneServer(OneFile(), emit=ignore, clock=SystemClock(), limits=Limits(per_address=100_000))
    print(await server.listen("127.0.0.1", port), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    if "uvloop" in sys.argv:
        import uvloop

        uvloop.install()
    asyncio.run(serve(int(sys.argv[1]) if len(sys.argv) > 1 else 8667))
