"""The peers' configurations: Kea, ISC dhcpd and dnsmasq for DHCP; tftpd-hpa, atftpd and dnsmasq for TFTP; nginx."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from provd.base.clock import SystemClock
from tests.bench.arena import POOL, SERVER, Arena, Server, missing, pool_address

HALF = 1800
"""Preloaded leases are half way through their hour, as at a renewal."""
LAST = "10.77.255.254"
FILES_URL = f"http://{SERVER}/provision"


@dataclass(frozen=True)
class Fleet:
    """Leases there already: phone k has the MAC ``prefix`` + ``first`` + k and the k-th address of the pool."""

    leases: int = 0
    prefix: int = 0x0A7700
    first: int = 0

    def mac(self, number: int) -> str:
        """12 lower-case digits."""
        return f"{self.prefix << 24 | self.first + number:012x}"

    def colons(self, number: int) -> str:
        return ":".join(self.mac(number)[i : i + 2] for i in range(0, 12, 2))


@dataclass(frozen=True)
class Peer:
    """A server that others wrote: ``start(arena, fleet or folder)``; ``needs`` is its program."""

    name: str
    needs: str
    start: Callable[..., Server]

    @property
    def missing(self) -> bool:
        return bool(missing(self.needs))


# --- DHCP


def kea(arena: Arena, fleet: Fleet) -> Server:
    """memfile: appended to a file before the answer, not synced. Relayed clients only, so plain UDP sockets."""
    room = arena.room("kea")
    expire = int(SystemClock().now()) + HALF
    with (room / "leases.csv").open("w") as file:
        file.write(
            "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
        )
        for k in range(fleet.leases):
            mac = fleet.colons(k)
            file.write(f"{pool_address(k)},{mac},01:{mac},3600,{expire},1,0,0,,0,\n")
    data = {"routers": SERVER, "domain-name-servers": SERVER, "domain-name": "phones.example"}
    options: list[dict[str, object]] = [{"name": name, "data": value} for name, value in data.items()]
    options.append({"name": "tftp-server-name", "data": FILES_URL, "always-send": True})
    config = {
        "interfaces-config": {"interfaces": [arena.server_interface], "dhcp-socket-type": "udp"},
        "multi-threading": {"enable-multi-threading": False},
        "lease-database": {"type": "memfile", "persist": True, "name": str(room / "leases.csv"), "lfc-interval": 0},
        "valid-lifetime": 3600,
        "subnet4": [
            {
                "id": 1,
                "subnet": "10.77.0.0/16",
                "interface": arena.server_interface,
                "pools": [{"pool": f"{POOL} - {LAST}"}],
                "option-data": options,
            }
        ],
        "loggers": [{"name": "kea-dhcp4", "severity": "WARN", "output_options": [{"output": str(room / "log")}]}],
    }
    (room / "kea.json").write_text(json.dumps({"Dhcp4": config}))
    return arena.start(
        "kea-dhcp4", "-c", room / "kea.json", name="kea", KEA_PIDFILE_DIR=str(room), KEA_LOCKFILE_DIR=str(room)
    )


def dhcpd(arena: Arena, fleet: Fleet) -> Server:
    """Synced to the disk before every answer; without its ping check."""
    room = arena.room("dhcpd")
    now = SystemClock().now()
    starts, ends = (time.strftime("%w %Y/%m/%d %H:%M:%S", time.gmtime(now + d)) for d in (-HALF, HALF))
    with (room / "leases").open("w") as file:
        file.write("authoring-byte-order little-endian;\n")
        for k in range(fleet.leases):
            uid = "".join(f"\\{octet:03o}" for octet in b"\1" + bytes.fromhex(fleet.mac(k)))
            file.write(
                f"lease {pool_address(k)} {{ starts {starts}; ends {ends}; cltt {starts}; binding state active; "
                f'next binding state free; hardware ethernet {fleet.colons(k)}; uid "{uid}"; }}\n'
            )
    (room / "conf").write_text(
        "authoritative; ddns-update-style none; ping-check false;\n"
        "default-lease-time 3600; max-lease-time 3600;\n"
        f'option tftp-server-name "{FILES_URL}"; option domain-name "phones.example";\n'
        f"option routers {SERVER}; option domain-name-servers {SERVER};\n"
        f"subnet 10.77.0.0 netmask 255.255.0.0 {{ range {POOL} {LAST}; }}\n"
    )
    paths = ("-cf", room / "conf", "-lf", room / "leases")
    user = ("-user", "root", "-group", "root")
    return arena.start("dhcpd", "-4", "-f", "-q", "--no-pid", *user, *paths, arena.server_interface, name="dhcpd")


def dnsmasq(arena: Arena, fleet: Fleet) -> Server:
    """Writes its whole lease file anew; without its ping check."""
    room = arena.room("dnsmasq")
    expires = int(SystemClock().now()) + HALF
    with (room / "leases").open("w") as file:
        for k in range(fleet.leases):
            file.write(f"{expires} {fleet.colons(k)} {pool_address(k)} * 01:{fleet.colons(k)}\n")
    return _dnsmasq(
        arena,
        room,
        "--dhcp-authoritative",
        "--no-ping",
        "--quiet-dhcp",
        "--dhcp-lease-max=100000",
        f"--dhcp-leasefile={room}/leases",
        f"--dhcp-range={POOL},{LAST},255.255.0.0,1h",
        f"--dhcp-option=3,{SERVER}",
        f"--dhcp-option=6,{SERVER}",
        "--dhcp-option=15,phones.example",
        f"--dhcp-option-force=66,{FILES_URL}",
    )


def _dnsmasq(arena: Arena, room: Path, *options: str) -> Server:
    common = ("--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--bind-interfaces", "--user=root")
    places = (f"--interface={arena.server_interface}", f"--pid-file={room}/pid", f"--log-facility={room}/log")
    return arena.start("dnsmasq", *common, *places, *options, name="dnsmasq")


DHCP = (Peer("kea", "kea-dhcp4", kea), Peer("dhcpd", "dhcpd", dhcpd), Peer("dnsmasq", "dnsmasq", dnsmasq))


# --- TFTP


def tftpd_hpa(arena: Arena, folder: Path) -> Server:
    return arena.start("in.tftpd", "-L", "-a", f"{SERVER}:69", "-u", "nobody", "-s", folder, name="tftpd-hpa")


def find_atftpd(arena: Arena) -> str:
    """Its program: installed, named by ``ATFTPD``, or unpacked from Debian's package beside the conflicting one."""
    given = os.environ.get("ATFTPD", "")
    if given or not missing("atftpd"):
        return given or "atftpd"
    room = arena.folder / "atftpd"
    program = room / "usr/sbin/atftpd"
    if not room.exists() and not missing("apt-get", "dpkg"):
        room.mkdir()
        subprocess.run(["apt-get", "download", "atftpd"], cwd=room, check=False, capture_output=True, timeout=60)
        for package in room.glob("atftpd_*.deb"):
            subprocess.run(["dpkg", "-x", package, room], check=False, capture_output=True)
    return str(program) if program.exists() else ""


def atftpd(arena: Arena, folder: Path) -> Server:
    options = ("--daemon", "--no-fork", "--maxthread", "2000", "--user", "nobody.nogroup", "--logfile", "-")
    place = ("--bind-address", SERVER, "--port", "69")
    return arena.start(find_atftpd(arena), *options, *place, "--verbose=3", folder, name="atftpd")


def dnsmasq_tftp(arena: Arena, folder: Path) -> Server:
    options = ("--enable-tftp", f"--tftp-root={folder}", "--tftp-max=2000", "--quiet-tftp")
    return _dnsmasq(arena, arena.room("dnsmasq"), *options)


TFTP = (
    Peer("tftpd-hpa", "in.tftpd", tftpd_hpa),
    Peer("atftpd", "sh", atftpd),
    Peer("dnsmasq", "dnsmasq", dnsmasq_tftp),
)


# --- HTTP


def nginx(arena: Arena, folder: Path, port: int = 80) -> Server:
    """Static files, one worker, no access log."""
    room = arena.room("nginx")
    temporary = " ".join(f"{kind}_temp_path {room}/{kind};" for kind in ("proxy", "fastcgi", "uwsgi", "scgi"))
    (room / "conf").write_text(
        f"worker_processes 1; daemon off; pid {room}/pid; error_log {room}/errors warn;\n"
        "worker_rlimit_nofile 65536; events { worker_connections 16384; }\n"
        f"http {{ access_log off; default_type text/plain; sendfile on; tcp_nopush on; keepalive_requests 1000000;\n"
        f"client_body_temp_path {room}/body; {temporary}\n"
        f"server {{ listen {SERVER}:{port} backlog=8192; root {folder}; }} }}\n"
    )
    return arena.start("nginx", "-c", room / "conf", "-e", room / "errors", name="nginx")


NGINX = Peer("nginx", "nginx", nginx)
