"""The composition root: the one place that knows everybody."""

from __future__ import annotations

import asyncio
import importlib
import resource
from collections.abc import Callable
from pathlib import Path

from provd.base.errors import ConfigError
from provd.config.load import load
from provd.config.settings import Settings
from provd.daemon.service import Service
from provd.plugins.confine import keep_capabilities


def serve(path: Path) -> None:
    """Run the daemon on this configuration file until it is told to stop. Raises ProvdError when it cannot start."""
    settings = load(path)
    # A core file would hold every password in clear.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Templates are rendered by processes of their own, which have no use for our ports.
    keep_capabilities()

    async def run() -> None:
        await Service(path, settings).run()

    with asyncio.Runner(loop_factory=loop_factory(settings)) as runner:
        runner.run(run())


def loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """What makes the event loop that the settings name (None: Python's own). Raises ConfigError."""
    if settings.server.event_loop == "asyncio":
        return None
    try:
        return importlib.import_module("uvloop").new_event_loop  # type: ignore[no-any-return]  # it may not be installed
    except ImportError:
        raise ConfigError("server.event_loop: uvloop is not installed; pip install 'provd[fast]'") from None
