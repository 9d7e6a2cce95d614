"""The composition root: the one place that knows everybody."""

from __future__ import annotations

import asyncio
from pathlib import Path

from provd.config.load import load
from provd.daemon.service import Service


def serve(path: Path) -> None:
    """Run the daemon on this configuration file until it is told to stop. Raises ProvdError when it cannot start."""
    settings = load(path)

    async def run() -> None:
        await Service(path, settings).run()

    asyncio.run(run())
