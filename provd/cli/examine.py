"""What ``provd doctor`` looks at. Every check is a generator of findings; none of them changes anything."""

from __future__ import annotations

import os
import shutil
import socket
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Literal

from provd.base.clock import SystemClock
from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError, ForbiddenError, ProvdError
from provd.base.types import ip_text
from provd.cli import deep
from provd.cli.client import NotRunningError, ask
from provd.config.settings import Settings
from provd.config.values import Endpoint, range_bounds

Level = Literal["ok", "note", "warning", "problem"]
_DAY = 86400.0
_ROOM = 200 << 20
"""Free octets below which a disk is told: the log of changes alone may take tens of megabytes."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    text: str


def findings(settings: Settings, *, probe: float) -> Iterator[Finding]:
    """All of it; ``probe`` is how many seconds to listen for other DHCP servers, 0 sends nothing."""
    running = yield from _daemon(settings)
    for name, check in _CHECKS:
        try:
            yield from check(settings, running)
        except ProvdError as error:
            yield Finding(name, "problem", str(error))
        except OSError as error:
            what = f"{error.filename}: {error.strerror}" if error.filename and error.strerror else str(error)
            yield Finding(name, "problem", what)
    if probe:
        yield from _other_servers(settings, probe)


def _daemon(settings: Settings) -> Generator[Finding, None, bool]:
    """Gives whether it runs."""
    try:
        status = ask(settings.server.control_path, "status", {})
    except NotRunningError:
        yield Finding("daemon", "note", "no daemon runs")
        return False
    except ForbiddenError as error:
        yield Finding("daemon", "warning", str(error))
        return True
    yield Finding("daemon", "ok", f"provd {status['version']} runs with {len(status['listeners'])} listeners")
    for row in status["degraded"]:
        yield Finding("daemon", "problem", f"degraded: {row}")
    return True


def _interfaces(settings: Settings, running: bool) -> Iterator[Finding]:
    from provd.net.netlink import interfaces

    del running
    there = {interface.name: interface for interface in interfaces()}
    if settings.dhcp.mode == "off":
        yield Finding("interfaces", "note", 'dhcp.mode is "off": addresses come from elsewhere')
    for name in settings.dhcp.interfaces:
        found = there.get(name)
        if name[:1].isdigit():
            continue
        if found is None:
            yield Finding(
                "interfaces", "problem", f"there is no interface {name}; there are {', '.join(sorted(there))}"
            )
        elif not found.up:
            yield Finding("interfaces", "problem", f"{name} is down or has no carrier")
        elif not found.addresses:
            yield Finding("interfaces", "problem", f"{name} has no IPv4 address")
        else:
            shown = ", ".join(f"{ip_text(address)}/{length}" for address, length in found.addresses)
            served = [range_bounds(subnet.network) for subnet in settings.dhcp.subnet]
            here = any(first <= ip <= last for ip, _ in found.addresses for first, last in served)
            if here or settings.dhcp.mode == "off":
                yield Finding("interfaces", "ok", f"{name} is up with {shown}")
            else:
                said = "which no [[dhcp.subnet]] has: only requests through relays are answered there"
                yield Finding("interfaces", "warning", f"{name} is up with {shown}, {said}")


def _ports(settings: Settings, running: bool) -> Iterator[Finding]:
    """Whether another program has one of our ports."""
    if running:
        return  # they are the daemon's
    udp, tcp = socket.SOCK_DGRAM, socket.SOCK_STREAM
    phones = settings.phones
    wanted = [(udp, one) for one in settings.tftp.listen]
    wanted += [(tcp, one) for one in (*phones.listen, *phones.tls_listen, *phones.tls_legacy_listen)]
    wanted += [(tcp, one) for one in settings.api.listen]
    wanted += [(kind, one) for one in settings.sip.listen for kind in (udp, tcp)]
    if settings.dhcp.mode != "off":
        wanted.append((udp, Endpoint("0.0.0.0", settings.dhcp.server_port)))
    for kind, endpoint in wanted:
        name = f"{'UDP' if kind == udp else 'TCP'} {endpoint}"
        try:
            _try(kind, endpoint)
        except PermissionError:
            yield Finding("ports", "note", f"{name}: may be opened by the daemon, not by you")
        except OSError as error:
            holder = _holder(kind, endpoint.port)
            by = f" by {holder}" if holder else ""
            yield Finding("ports", "problem", f"{name} cannot be opened: {error.strerror}{by}")
        else:
            yield Finding("ports", "ok", f"{name} is free")


def _try(kind: socket.SocketKind, endpoint: Endpoint) -> None:
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    with socket.socket(family, kind) as sock:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((endpoint.host, endpoint.port))


def _holder(kind: socket.SocketKind, port: int) -> str:
    """Name and number of a process that has this port open, as far as we may see it."""
    table = "udp" if kind == socket.SOCK_DGRAM else "tcp"
    inodes = set()
    for suffix in ("", "6"):
        with suppress(OSError):
            for row in Path(f"/proc/net/{table}{suffix}").read_text(encoding="ascii").splitlines()[1:]:
                words = row.split()
                if int(words[1].rpartition(":")[2], 16) == port and (table == "udp" or words[3] == "0A"):
                    inodes.add(f"socket:[{words[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            for descriptor in (process / "fd").iterdir():
                if str(descriptor.readlink()) in inodes:
                    return f"{(process / 'comm').read_text().strip()} (process {process.name})"
    return ""


def _clock(settings: Settings, running: bool) -> Iterator[Finding]:
    from provd.domain.reckoning import reckon
    from provd.storage.clock_mark import read_mark

    del running
    found = reckon(SystemClock().now(), read_mark(settings.server.state_dir))
    if found.behind:
        days = found.behind / _DAY
        yield Finding("clock", "problem", f"the system's clock is {days:.0f} days behind the last run of provd")
    elif found.ahead:
        yield Finding("clock", "warning", f"the system's clock is {found.ahead / _DAY:.0f} days ahead of the last run")
    else:
        yield Finding("clock", "ok", "the system's clock goes on from the last run")


def _certificates(settings: Settings, running: bool) -> Iterator[Finding]:
    from provd.daemon.certificates import pairs_of
    from provd.http.tls import checked

    del running
    now = SystemClock().now()
    for pair in pairs_of(settings.phones).values():
        try:
            validity = checked(pair)
        except ConfigError as error:
            yield Finding("certificates", "problem", str(error))
            continue
        days = int((validity.ends - now) // _DAY)
        if validity.begins > now:
            yield Finding("certificates", "problem", f"{pair.certificate} is not valid yet")
        elif days < 0:
            yield Finding("certificates", "problem", f"{pair.certificate} has ended {-days} days ago")
        else:
            level: Level = "warning" if days < 30 else "ok"
            yield Finding("certificates", level, f"{pair.certificate} is good for {days} days")


def _plugins(settings: Settings, running: bool) -> Iterator[Finding]:
    from provd.daemon.core import plugin_folders
    from provd.plugins.loader import MANIFEST

    del running
    broken = list(deep.plugins(settings))
    for error in broken:
        yield Finding("plugins", "problem", error)
    count = sum(1 for root in plugin_folders(settings) for _ in root.glob(f"[a-z]*/{MANIFEST}"))
    if not count:
        yield Finding("plugins", "problem", "there is no plugin: no phone is recognised")
    elif not broken:
        yield Finding("plugins", "ok", f"{count} plugins are sound")


def _state(settings: Settings, running: bool) -> Iterator[Finding]:
    """Rights of the state folder, and room on its disk."""
    del running
    folder = settings.server.state_dir
    try:
        status = folder.stat()
    except FileNotFoundError:
        yield Finding("state", "note", f"{folder} is not there yet; the first start makes it")
        return
    except OSError as error:
        yield Finding("state", "problem", f"{folder}: {error.strerror}")
        return
    if stat.S_IMODE(status.st_mode) & 0o077:
        yield Finding("state", "warning", f"{folder} is open to other users (mode {stat.S_IMODE(status.st_mode):o})")
    for name in ("provd.db", "master.key", "overrides", "plugins"):
        with suppress(OSError):
            found = (folder / name).stat()
            if found.st_uid != status.st_uid:
                yield Finding("state", "problem", f"{folder / name} belongs to another user than the folder")
            if name == "master.key" and found.st_mode & 0o077:
                yield Finding("state", "problem", f"{folder / name}: others can read the key; make it 600")
    free = shutil.disk_usage(folder).free
    level: Level = "warning" if free < _ROOM else "ok"
    yield Finding("state", level, f"{folder}: {free >> 20} MiB are free")


def _database(settings: Settings, running: bool) -> Iterator[Finding]:
    from provd.storage.probe import reachable, soundness

    del running
    url, folder = settings.database.url, settings.server.state_dir
    reachable(url, folder)
    for text, good in soundness(url, folder):
        yield Finding("database", "ok" if good else "problem", text)


def _other_servers(settings: Settings, seconds: float) -> Iterator[Finding]:
    from provd.cli.servers import dhcp_servers

    section = settings.dhcp
    if os.geteuid() != 0:
        yield Finding("dhcp", "note", "other DHCP servers were not looked for: that needs root")
        return
    for name in section.interfaces:
        if name[:1].isdigit():
            continue
        try:
            found = dhcp_servers(name, seconds, server_port=section.server_port, client_port=section.client_port)
        except (ProvdError, OSError) as error:
            yield Finding("dhcp", "warning", f"{name}: other DHCP servers were not looked for: {error}")
            continue
        for server in found:
            where = f'option 66 "{server.option66}"' if server.option66 else "no option 66"
            also = f", option 150 {server.option150}" if server.option150 else ""
            text = f"{name}: another DHCP server answers: {server.address} ({server.mac}), {where}{also}"
            yield Finding("dhcp", "warning" if section.mode in {"full", "phones-only"} else "note", text)
        if not found:
            yield Finding("dhcp", "ok", f"{name}: no other DHCP server answers")


_CHECKS: tuple[tuple[str, Callable[[Settings, bool], Iterator[Finding]]], ...] = (
    ("interfaces", _interfaces),
    ("ports", _ports),
    ("clock", _clock),
    ("certificates", _certificates),
    ("state", _state),
    ("database", _database),
    ("plugins", _plugins),
)
