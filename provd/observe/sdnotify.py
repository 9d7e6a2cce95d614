"""The service manager's notification protocol (sd_notify(3)): datagrams of ``NAME=value`` lines."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Mapping


class ServiceManager:
    """Tells systemd how we are. Without ``NOTIFY_SOCKET`` in the environment every method does nothing."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        path = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path
        mine = environ.get("WATCHDOG_PID", "") in {"", str(os.getpid())}
        usec = environ.get("WATCHDOG_USEC", "")
        self._interval = int(usec) / 2_000_000 if mine and usec.isdigit() else 0.0

    def ready(self, status: str = "") -> None:
        """Start-up or a reload is complete. Without a ``status`` the last one stays."""
        self._send("READY=1", *([f"STATUS={status}"] if status else []))

    def reloading(self) -> None:
        """A reload begins; :meth:`ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """The daemon ends."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """One line for ``systemctl status``."""
        self._send(f"STATUS={text}")

    def watch(self, call_later: Callable[[float, Callable[[], None]], object]) -> None:
        """Show signs of life from the event loop, at half the interval that is asked of us, as long as it turns."""
        if self._address and self._interval:
            self._send("WATCHDOG=1")
            call_later(self._interval, lambda: self.watch(call_later))

    def _send(self, *lines: str) -> None:
        if not self._address:
            return
        message = "\n".join(line.replace("\n", " ") for line in lines)
        try:
            with socket.socket(
                socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
            ) as sender:
                sender.sendto(message.encode(), self._address)
        except OSError:
            return  # A service manager that does not listen is no reason to stop serving phones.
