"""Serve the files of a folder through the real TFTP server, to measure it: nothing but the server is in the process.

    python tests/bench/serve_tftp.py --root DIR [--host ADDRESS] [--port 69] [--uvloop]

The transfers per client address are not limited here, because load generators are many clients on one address.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
from collections.abc import Awaitable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from provd.app.files import UNKNOWN, FileReply, FileRequest
from provd.base.clock import SystemClock
from provd.base.facts import Fact, text_of
from provd.tftp.limits import Limits
from provd.tftp.server import TftpServer


class FolderFiles:
    """All files of one folder, held in memory; those over a megabyte count as firmware."""

    def __init__(self, root: Path) -> None:
        self._replies = {
            path.name: FileReply(found=True, body=path.read_bytes(), large=path.stat().st_size > 1 << 20)
            for path in root.iterdir()
            if path.is_file()
        }

    def ready(self, request: FileRequest) -> FileReply | None:
        return self._replies.get(request.path, UNKNOWN)

    def file(self, request: FileRequest) -> Awaitable[FileReply]:
        raise AssertionError(f"{request.path}: every file of a folder is ready")

    def served(self, request: FileRequest, reply: FileReply, *, unchanged: bool = False) -> None:
        pass


def tell(fact: Fact) -> None:
    print(text_of(fact), flush=True)


async def serve(options: argparse.Namespace) -> None:
    limits = Limits(per_client=options.per_client, windowsize=options.windowsize)
    server = TftpServer(
        FolderFiles(options.root), tell, SystemClock(), listen=[(options.host, options.port)], limits=limits
    )
    await server.start()
    gc.freeze()
    print("READY", server.addresses, flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=69)
    parser.add_argument("--per-client", type=int, default=2000)
    parser.add_argument("--windowsize", type=int, default=Limits().windowsize)
    parser.add_argument("--uvloop", action="store_true")
    options = parser.parse_args()
    if options.uvloop:
        import uvloop

        uvloop.run(serve(options))
    else:
        asyncio.run(serve(options))


if __name__ == "__main__":
    main()
