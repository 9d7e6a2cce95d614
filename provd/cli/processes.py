"""Further processes of provd, for commands that play with several: started, listened to, and ended whatever happens."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence

_LONGEST_LINE = 1 << 20
_GRACE = 8.0
"""Seconds that a process has to end when it is told to."""


def provd(*arguments: str) -> list[str]:
    """The command line of this very program."""
    return [sys.executable, "-m", "provd", *arguments]


async def started(command: Sequence[str]) -> asyncio.subprocess.Process:
    """The process, with standard output and standard error in one pipe; Ctrl-C does not reach it."""
    return await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=_LONGEST_LINE,
    )


async def lines_of(process: asyncio.subprocess.Process) -> AsyncIterator[str]:
    """What it writes, line by line, until it ends."""
    stream = process.stdout
    while stream is not None and (line := await stream.readline()):
        yield line.decode(errors="replace").rstrip("\n")


def of_the_story(line: str) -> bool:
    """Whether a line of a daemon's log belongs to a demonstration: that each of many plugins is there does not."""
    return " PLUGIN-LOADED " not in line


async def end(process: asyncio.subprocess.Process) -> None:
    """Tell it to end, and make it when it does not."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(_GRACE):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
