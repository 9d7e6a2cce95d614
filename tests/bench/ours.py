"""provd under test: its state prepared through its own store, the real daemon started on it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from provd.app.ports import Change, Put
from provd.app.tokens import Tokens
from provd.base.clock import SystemClock
from provd.base.secrets import Secret
from provd.base.types import Mac, ip_int
from provd.dhcp.lease import Lease, LeaseState
from provd.domain.records import Device, DeviceState, Line, Profile, Tenant
from provd.storage.store import Store
from tests.bench.arena import PYTHON, SERVER, Arena, Server, pool_address
from tests.bench.peers import HALF, Fleet

HTTP_PORT = 8667
YEALINK = 0x805EC0
COMMON = "y000000000052.cfg"
AGENT = "Yealink SIP-T21P_E2 52.84.0.15"
PROFILE = "fleet"
_AT_ONCE = 5000


@dataclass(frozen=True)
class State:
    """A prepared state folder: leases of plain clients, or a fleet of phones that somebody has claimed."""

    folder: Path
    fleet: Fleet
    tokens: tuple[str, ...] = ()


async def _fill(store: Store, fleet: Fleet, devices: int) -> None:
    now = SystemClock().now()
    changes: list[Change] = []
    if devices:
        changes += [
            Put(Tenant(id="acme", name="Acme")),
            Put(Profile(id=PROFILE, settings={"sip.server": SERVER, "time.zone": "Europe/Madrid"})),
        ]
    for k in range(max(fleet.leases, devices)):
        mac, ip = Mac(fleet.mac(k)), pool_address(k)
        if k < fleet.leases:
            client, start = b"\1" + bytes.fromhex(mac), int(now) - HALF
            changes.append(
                Put(
                    Lease(
                        ip=ip_int(ip),
                        client=client,
                        mac=mac,
                        state=LeaseState.ACTIVE,
                        starts=start,
                        expires=start + 2 * HALF,
                        subnet="10.77.0.0/16",
                        vendor_class="yealink" if devices else "dhcp-load",
                    )
                )
            )
        if k < devices:
            changes += _phone(mac, ip, k, now)
    for start in range(0, len(changes), _AT_ONCE):
        await store.commit(changes[start : start + _AT_ONCE])


def _phone(mac: Mac, ip: str, number: int, now: float) -> tuple[Change, Change]:
    line = f"line{number}"
    return (
        Put(Line(id=line, tenant="acme", username=str(2000 + number), password=Secret(f"secret-{number:06}"))),
        Put(
            Device(
                mac=mac,
                vendor="Yealink",
                model="T21P_E2",
                version="52.84.0.15",
                plugin="yealink",
                confidence=95,
                state=DeviceState.PROVISIONED,
                tenant="acme",
                lines=(line,),
                profile=PROFILE,
                ip=ip,
                first_seen=now - 86400,
                last_seen=now - HALF,
                last_boot=now - HALF,
            )
        ),
    )


def prepare(arena: Arena, name: str, fleet: Fleet, *, devices: int = 0) -> State:
    """Write leases and claimed phones into a new state folder."""
    folder = arena.room(name)
    store = Store.open("sqlite", folder, SystemClock(), lambda _fact: None)

    async def fill() -> None:
        await _fill(store, fleet, devices)

    asyncio.run(fill())
    tokens = Tokens(store.vault.derive("device tokens"))
    named = tuple(tokens.token(Mac(fleet.mac(k))) for k in range(devices))
    store.close()
    return State(folder, fleet, named)


@dataclass(frozen=True)
class Settings:
    """What differs between runs of the daemon."""

    log_level: str = "warning"
    secrets: str = "bound"
    plugins: Path | None = None
    sections: str = ""
    """Further sections of the configuration."""
    profile: str = ""
    """Where the sampler of ``profiled.py`` is to write; it begins at SIGUSR2."""


class Provd:
    """The daemon on a copy of a state. ``ready`` is the seconds from its start to READY=1."""

    def __init__(self, arena: Arena, state: State, settings: Settings | None = None, *, name: str = "provd") -> None:
        self._settings = settings or Settings()
        self.folder = arena.folder / f"{name}-run"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(state.folder, self.folder)
        self.config = self.folder / "provd.toml"
        self.config.write_text(_config(arena, self.folder, self._settings))
        self.server, self.ready = self._start(arena, name)

    def _start(self, arena: Arena, name: str) -> tuple[Server, float]:
        place = self.folder / "notify"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notices:
            notices.bind(str(place))
            notices.settimeout(0)
            run = ("-m", "provd", "serve") if not self._settings.profile else ("-m", "tests.bench.profiled", "serve")
            environment = {"NOTIFY_SOCKET": str(place), "PROVD_BENCH_PROFILE": self._settings.profile}
            server = arena.start(PYTHON, *run, "--config", self.config, name=name, **environment)

            def told() -> bool:
                with contextlib.suppress(BlockingIOError):
                    return b"READY=1" in notices.recv(4096)
                return False

            return server, arena.until(server, told)

    def stop(self) -> None:
        self.server.stop(10)


@contextlib.contextmanager
def serving(arena: Arena, state: State, settings: Settings | None = None) -> Iterator[Provd]:
    """``with serving(arena, state) as provd:`` ends the daemon afterwards."""
    provd = Provd(arena, state, settings)
    try:
        yield provd
    finally:
        provd.stop()


def _config(arena: Arena, folder: Path, settings: Settings) -> str:
    plugins = f'[plugins]\npaths = ["{settings.plugins}"]\n' if settings.plugins else ""
    return f"""
[server]
state_dir = "{folder}"
log_level = "{settings.log_level}"
[dhcp]
mode = "full"
interfaces = ["{arena.server_interface}"]
authoritative = true
[[dhcp.subnet]]
network = "10.77.0.0/16"
pools = ["10.77.16.0-10.77.255.254"]
routers = ["{SERVER}"]
dns = ["{SERVER}"]
domain = "phones.example"
lease = "1h"
[policy]
secrets = "{settings.secrets}"
max_new_devices = 1000000
{plugins}{settings.sections}"""
