"""A plugin is examined in a process of its own, which is ended when it takes too long."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provd.base.errors import PluginError

_COMMAND = (sys.executable, "-s", "-m", "provd.plugins.package.examine")
_SECONDS = 1800.0
"""On the clock on the wall, for a machine that is busy with other things."""


async def examined(folder: Path, neighbours: Mapping[str, str]) -> dict[str, Any]:
    """The report on an unpacked plugin beside others (id and folder), as plain values.

    Raises PluginError when there is none: the process took too much time or memory, or did not begin.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = await asyncio.create_subprocess_exec(
        *_COMMAND,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    asked = json.dumps({"folder": str(folder), "neighbours": dict(neighbours)}).encode()
    try:
        async with asyncio.timeout(_SECONDS):
            output, said = await process.communicate(asked)
    except TimeoutError:
        raise PluginError(f"{folder.name}: checking it took more than {_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        reason = "it took too much time" if process.returncode < 0 else said.decode("utf-8", "replace").strip()[-300:]
        raise PluginError(f"{folder.name}: checking it failed: {reason}")
    report: dict[str, Any] = json.loads(output)
    return report
