"""The real daemon as a process of its own, in a test network or on loopback."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from tests.kit import forks
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port
from tests.kit.told import Told

ROOT = Path(__file__).resolve().parents[2]


def lan_config(bed: Bed, state: Path, **changes: str) -> str:
    """A configuration for the server side of the bed: every listener on, DHCP in full mode."""
    values = {
        "mode": "full",
        "pools": '["10.77.16.0-10.77.255.254"]',
        "lease": "1h",
        "probe": "false",
        "secrets": "bound",
        "sections": "",
        "log_level": "info",
    } | changes
    return f"""
[server]
state_dir = "{state}"
log_level = "{values["log_level"]}"
[dhcp]
mode = "{values["mode"]}"
interfaces = ["{bed.server_interface}"]
authoritative = true
[[dhcp.subnet]]
network = "10.77.0.0/16"
pools = {values["pools"]}
routers = ["{bed.server_ip}"]
dns = ["{bed.server_ip}"]
ntp = ["{bed.server_ip}"]
lease = "{values["lease"]}"
probe = {values["probe"]}
[policy]
secrets = "{values["secrets"]}"
{values["sections"]}
"""


def loopback_config(state: Path, *, mode: str = "off", secrets: str = "open", sections: str = "") -> tuple[str, int]:
    """A configuration on free ports of the loopback interface for a daemon without rights, and the port of HTTP."""
    tftp, phones, page, sip = (free_port() for _ in range(4))
    if not re.search(r"^\[sip\]$", sections, re.MULTILINE):
        sections += f'\n[sip]\nlisten = ["127.0.0.1:{sip}"]\n'
    text = f"""
[server]
state_dir = "{state}"
[dhcp]
mode = "{mode}"
[tftp]
listen = ["127.0.0.1:{tftp}"]
[phones]
listen = ["127.0.0.1:{phones}"]
[api]
listen = ["127.0.0.1:{page}"]
[policy]
secrets = "{secrets}"
{sections}
"""
    return text, phones


class Daemon:
    """``with Daemon(config_text, folder, bed=bed) as daemon:`` returns when the service manager hears READY.

    Lines of the log are in ``daemon.log``; :meth:`wait_for` waits for one that holds a text.
    """

    def __init__(
        self,
        config: str,
        folder: Path,
        *,
        bed: Bed | None = None,
        prefix: tuple[str, ...] = (),
        environ: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self.config = folder / "provd.toml"
        self.config.write_text(config)
        self._log: list[str] = []
        self._told: Told | None = None
        self._bed = bed
        self._prefix = prefix
        self._environ = environ
        self._notify: socket.socket | None = None
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            # Nobody else would end it.
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    @property
    def log(self) -> list[str]:
        """Every line that it has written by now, in all its lives."""
        if self._told is not None:
            self._told.catch_up()
        return self._log

    @property
    def pid(self) -> int:
        """Process id of the daemon."""
        assert self.process is not None
        return self.process.pid

    def start(self, timeout: float = PATIENCE) -> None:
        """Start it and wait until it is ready."""
        inside = ("ip", "netns", "exec", self._bed.server) if self._bed else ()
        path = self.config.with_name("notify.socket")
        path.unlink(missing_ok=True)
        self._close_notify()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(path))
        self.process = subprocess.Popen(
            [*inside, *self._prefix, sys.executable, "-m", "provd", "serve", "--config", str(self.config)],
            cwd=ROOT,
            env=os.environ
            | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "NOTIFY_SOCKET": str(path)}
            | dict(self._environ),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
        )
        assert self.process.stdout is not None
        # What the last life has written comes before this one.
        self._told = Told(self.process.stdout, self.log)
        # It says so to the service manager, whatever its log level.
        self.wait_for_notice("READY=1", timeout)

    def wait_for_notice(self, text: str, timeout: float = PATIENCE) -> str:
        """The next message to the service manager that holds ``text``."""
        assert self._notify is not None
        assert self.process is not None
        self._notify.settimeout(0.2)
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            with contextlib.suppress(TimeoutError):
                notice = self._notify.recv(4096).decode()
                if text in notice:
                    return notice
                continue
            if ended:
                break
        raise AssertionError(f"no {text!r} for the service manager:\n" + "\n".join(self.log[-60:]))

    def _close_notify(self) -> None:
        if self._notify is not None:
            self._notify.close()
            self._notify = None

    def wait_for(self, text: str, timeout: float = PATIENCE) -> str:
        """The next line of the log that holds ``text``. Fails with the log when it ends or takes too long."""
        assert self._told is not None
        try:
            line = self._told.next(text, timeout)
        except TimeoutError:
            raise AssertionError(f"no {text!r} in the log:\n" + "\n".join(self.log[-60:])) from None
        if line is None:
            raise AssertionError(f"the daemon ended without {text!r}:\n" + "\n".join(self.log[-60:]))
        return line

    def command(self, *arguments: str) -> list[str]:
        """The command line for this daemon, for those who start it themselves."""
        return [sys.executable, "-m", "provd", "--config", str(self.config), *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """What it needs around it."""
        return os.environ | {"PYTHONPATH": str(ROOT)}

    def provd(self, *arguments: str, check: bool = True, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command line against this daemon."""
        told = ("--config", str(self.config), *arguments)
        return forks.run(told, environ=self.environment, check=check, stdin=stdin)

    def json(self, *arguments: str) -> Any:
        """The same, parsed from ``--json``."""
        return json.loads(self.provd(*arguments, "--json").stdout)

    def drain(self) -> None:
        """Pass over one line of the log if there is one, without waiting long."""
        assert self._told is not None
        with contextlib.suppress(TimeoutError):
            self._told.next("", 0.01)

    def reload(self) -> None:
        """SIGHUP."""
        os.kill(self.pid, signal.SIGHUP)

    def stop(self, timeout: float = PATIENCE) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(timeout)

    def kill(self) -> None:
        """SIGKILL, if it still runs."""
        if self.process is not None:
            if self.process.poll() is None:
                # A tracer that is killed lets go of what it traces: that would run on.
                below = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split() if self._prefix else ()
                for child in below:
                    os.kill(int(child), signal.SIGKILL)
                self.process.kill()
            self.process.wait()
        self._close_notify()
