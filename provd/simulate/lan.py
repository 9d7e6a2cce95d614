"""A LAN of one's own: two network namespaces joined by a virtual cable, or addresses of the loopback network."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError

_CLONE_NEWNET = 0x40000000
_NETNS = Path("/run/netns")
_ARP_KEEP_QUIET = "8"
"""``arp_ignore``: the kernel answers for none of its addresses, the simulated phones answer for theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lan:
    """Where the parts of a demonstration meet. Namespaces and interfaces are empty on loopback."""

    network: str
    server_ip: str
    pool_first: str
    pool_last: str
    server_namespace: str = ""
    server_interface: str = ""
    phones_namespace: str = ""
    phones_interface: str = ""
    relay: str = ""
    """On loopback the phones come through a relay with this address."""

    def at_server(self, *command: str) -> list[str]:
        """The command line that runs a program where the server lives."""
        return _inside(self.server_namespace, command)

    def at_phones(self, *command: str) -> list[str]:
        """The command line that runs a program where the phones live."""
        return _inside(self.phones_namespace, command)


LOOPBACK = Lan(
    network="127.20.0.0/16",
    server_ip="127.0.0.1",
    pool_first="127.20.16.0",
    pool_last="127.20.255.254",
    relay="127.20.0.1",
)
"""Needs no privilege (with ports above 1023): every address of 127/8 is local, so each phone has its own."""


@contextmanager
def private_lan(*, third: int = 77) -> Iterator[Lan]:
    """Build the namespaces ``10.<third>.0.0/16`` and remove them at the end, whatever happens. Needs root.

    What an earlier run left behind because it was killed is removed as well. Raises ConfigError.
    """
    _sweep()
    mark = f"pd{os.getpid()}x{secrets.token_hex(2)}"
    lan = Lan(
        network=f"10.{third}.0.0/16",
        server_ip=f"10.{third}.0.1",
        pool_first=f"10.{third}.128.0",
        pool_last=f"10.{third}.255.254",
        server_namespace=f"{mark}s",
        server_interface="lan0",
        phones_namespace=f"{mark}p",
        phones_interface="lan0",
    )
    try:
        _build(lan)
        yield lan
    finally:
        for namespace in (lan.server_namespace, lan.phones_namespace):
            _ip("netns", "del", namespace, check=False)


@contextmanager
def entered(namespace: str) -> Iterator[None]:
    """Sockets opened inside belong to that namespace and stay there.

    It is the whole thread that enters: what other tasks open meanwhile, while this one awaits, is there as well.
    Raises ConfigError.
    """
    try:
        with Path("/proc/self/ns/net").open("rb") as here, (_NETNS / namespace).open("rb") as there:
            _setns(there.fileno())
            try:
                yield
            finally:
                _setns(here.fileno())
    except OSError as error:
        raise ConfigError(f"network namespace {namespace}: {error.strerror or error}") from error


def _build(lan: Lan) -> None:
    server, phones = lan.server_namespace, lan.phones_namespace
    _ip("netns", "add", server)
    _ip("netns", "add", phones)
    _ip(
        *("link", "add", lan.server_interface, "netns", server, "type", "veth"),
        *("peer", "name", lan.phones_interface, "netns", phones),
    )
    prefix_length = lan.network.partition("/")[2]
    _ip("-n", server, "addr", "add", f"{lan.server_ip}/{prefix_length}", "dev", lan.server_interface)
    with entered(phones):
        Path("/proc/sys/net/ipv4/conf/all/arp_ignore").write_text(_ARP_KEEP_QUIET, encoding="ascii")
    for namespace, interface in ((server, lan.server_interface), (phones, lan.phones_interface)):
        _ip("-n", namespace, "link", "set", "lo", "up")
        _ip("-n", namespace, "link", "set", interface, "up")
    # Every address of the pool is local to the phones ("AnyIP"), so that each may use the one it leased.
    _ip("-n", phones, "route", "add", "local", f"{lan.pool_first}/17", "dev", lan.phones_interface)
    _ip("-n", phones, "route", "add", lan.server_ip, "dev", lan.phones_interface)


def _sweep() -> None:
    for path in _NETNS.glob("pd*x*") if _NETNS.is_dir() else ():
        pid = path.name.removeprefix("pd").partition("x")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists():
            _ip("netns", "del", path.name, check=False)


def _inside(namespace: str, command: Sequence[str]) -> list[str]:
    return [_program(), "netns", "exec", namespace, *command] if namespace else list(command)


def _program() -> str:
    found = shutil.which("ip", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if found is None:
        raise ConfigError("the program ip (iproute2) is needed for network namespaces")
    return found


def _ip(*arguments: str, check: bool = True) -> None:
    done = subprocess.run([_program(), *arguments], check=False, capture_output=True, text=True)
    if check and done.returncode:
        raise ConfigError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)  # os.setns came with Python 3.12
    if libc.setns(descriptor, _CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
