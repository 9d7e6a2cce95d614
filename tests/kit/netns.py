"""A test network of its own: two network namespaces joined by a veth pair, gone again when the test is."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.kit.patience import PATIENCE

SERVER_MAC = "02:77:00:00:00:01"
CLIENT_MAC = "02:77:00:00:00:02"


class Bed:
    """``with Bed() as bed:`` gives the namespaces ``bed.server`` and ``bed.client``; needs root.

    The server side is ``bed.server_ip`` on ``bed.server_interface``; the client side has an address only if
    ``client_ip`` is given. ``anyip`` is a network whose every address is local to the client side, so that a
    simulated phone may use its own leased source address; the kernel then also answers ARP for all of them, so a
    server that probes finds every address taken (``provd.simulate.lan.private_lan`` keeps the kernel quiet instead).
    Programs started with :meth:`popen` are ended with the bed.
    """

    def __init__(
        self, *, server_ip: str = "10.77.0.1", client_ip: str | None = None, prefix_length: int = 16, anyip: str = ""
    ) -> None:
        mark = secrets.token_hex(3)
        self.server = f"bed{mark}s"
        self.client = f"bed{mark}c"
        self.server_interface = f"v{mark}s"
        self.client_interface = f"v{mark}c"
        self.server_ip = server_ip
        self.client_ip = client_ip
        self.prefix_length = prefix_length
        self._anyip = anyip
        self._programs: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Self:
        try:
            self._build()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def run(
        self, namespace: str, *command: str, check: bool = True, timeout: float = PATIENCE
    ) -> subprocess.CompletedProcess[str]:
        """Run a program inside and wait for it; what it printed is in the result."""
        inside = ["ip", "netns", "exec", namespace, *command]
        return subprocess.run(inside, check=check, capture_output=True, text=True, timeout=timeout)

    def popen(self, namespace: str, *command: str, **options: Any) -> subprocess.Popen[Any]:
        """Start a program inside; it is ended when the bed is."""
        program = subprocess.Popen(["ip", "netns", "exec", namespace, *command], **options)
        self._programs.append(program)
        return program

    def python(self, namespace: str, *arguments: str, **options: Any) -> subprocess.Popen[Any]:
        """Start this Python inside, with the repository on its path."""
        root = str(Path(__file__).resolve().parents[2])
        environment: Mapping[str, str] = {"PYTHONPATH": root, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
        return self.popen(namespace, sys.executable, *arguments, **{"env": environment, "cwd": root, **options})

    def close(self) -> None:
        """End the programs and remove the namespaces (and with them the veth pair)."""
        for program in self._programs:
            program.terminate()
        for program in self._programs:
            try:
                program.wait(5)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
            for stream in (program.stdin, program.stdout, program.stderr):
                if stream is not None:
                    stream.close()
        self._programs.clear()
        for namespace in (self.server, self.client):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def _build(self) -> None:
        server, client = self.server_interface, self.client_interface
        _ip(["netns", "add", self.server])
        _ip(["netns", "add", self.client])
        _ip(["link", "add", server, "netns", self.server, "type", "veth", "peer", "name", client, "netns", self.client])
        _ip(["-n", self.server, "link", "set", server, "address", SERVER_MAC])
        _ip(["-n", self.client, "link", "set", client, "address", CLIENT_MAC])
        _ip(["-n", self.server, "addr", "add", f"{self.server_ip}/{self.prefix_length}", "dev", server])
        if self.client_ip:
            _ip(["-n", self.client, "addr", "add", f"{self.client_ip}/{self.prefix_length}", "dev", client])
        for namespace, interface in ((self.server, server), (self.client, client)):
            _ip(["-n", namespace, "link", "set", "lo", "up"])
            _ip(["-n", namespace, "link", "set", interface, "up"])
        if self._anyip:
            _ip(["-n", self.client, "route", "add", "local", self._anyip, "dev", client])
            if not self.client_ip:
                _ip(["-n", self.client, "route", "add", f"{self.server_ip}/32", "dev", client])


def _ip(arguments: Sequence[str]) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE)
