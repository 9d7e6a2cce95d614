"""aiohttp wants loggers; here facts take the place of logs."""

from __future__ import annotations

import logging


def quiet_logger() -> logging.Logger:
    """A logger that nobody turns on."""
    logger = logging.getLogger("provd.http.quiet")
    logger.disabled = True
    return logger
