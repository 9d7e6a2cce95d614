"""Where servers are measured: two network namespaces, the server on CPU 0, the load on CPU 1."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self

from tests.kit.netns import Bed

ROOT = Path(__file__).resolve().parents[2]
SERVER = "10.77.0.1"
RELAY = "10.77.0.2"
POOL = "10.77.16.0"
POOL_SIZE = 61_438
PHONES = ("10.77.16.0/20", "10.77.32.0/19", "10.77.64.0/18", "10.77.128.0/17")
"""Every address of the pool is local to the client side, so that each phone has its own source address."""

_TICKS = os.sysconf("SC_CLK_TCK")
_NICE = "-20"
_LATENCY = Path("/dev/cpu_dma_latency")
_NEIGHBOURS = Path("/proc/sys/net/ipv4/neigh/default")
_THRESHOLDS = {"gc_thresh1": 65536, "gc_thresh2": 131072, "gc_thresh3": 262144}


def pool_address(number: int) -> str:
    """The address of the phone of that number."""
    value = (10 << 24 | 77 << 16 | 16 << 8) + number
    return f"{value >> 24}.{value >> 16 & 255}.{value >> 8 & 255}.{value & 255}"


def family(pid: int) -> list[int]:
    """A process and everything below it."""
    found, waiting = [], [pid]
    while waiting:
        each = waiting.pop()
        found.append(each)
        for children in Path(f"/proc/{each}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += map(int, children.read_text().split())
    return found


def cpu_of(pid: int) -> float:
    """Seconds of CPU that a process and everything below it have used, children that ended included."""
    ticks = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            ticks += sum(map(int, Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return ticks / _TICKS


def memory_of(pid: int) -> float:
    """Resident megabytes of a process and everything below it."""
    kilobytes = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            found = re.search(r"VmRSS:\s+(\d+)", Path(f"/proc/{each}/status").read_text())
            kilobytes += int(found[1]) if found else 0
    return kilobytes / 1024


def busy() -> float:
    """Seconds that all CPUs together have worked."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    return (sum(ticks[:3]) + sum(ticks[5:8])) / _TICKS


class Server:
    """A server under test. ``log`` is what it printed."""

    def __init__(self, program: subprocess.Popen[bytes], log: Path) -> None:
        self.program = program
        self.log = log

    @property
    def pid(self) -> int:
        """Process id; ``ip netns exec`` and ``taskset`` have replaced themselves by the server."""
        return self.program.pid

    @property
    def alive(self) -> bool:
        return self.program.poll() is None

    def stop(self, patience: float = 5) -> None:
        """SIGTERM, SIGKILL when that does not help; with everything it started."""
        pids = family(self.pid) if self.alive else []
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.program.wait(patience)
                return


class Arena(Bed):
    """The bed with phones' addresses, a scratch folder, compiled load generators and pinned programs."""

    def __init__(self, scratch: Path | None = None, *, realtime: bool = False) -> None:
        super().__init__(server_ip=SERVER, client_ip=RELAY)
        self._realtime = realtime
        self._scratch = tempfile.TemporaryDirectory(prefix="provd-bench-", dir=scratch)
        self.folder = Path(self._scratch.name)
        # Servers that drop their privileges read their files here.
        self.folder.chmod(0o755)
        self._bytecode = self.folder / "bytecode"
        self._thresholds: dict[Path, str] = {}
        self._servers: list[Server] = []
        self.other = 0.0
        """CPUs that were busy with something else during the last load: distrust a figure where this is high."""
        self.server_cpu = 0.0
        """Seconds of CPU that the server took for the last load."""

    def __enter__(self) -> Self:
        # The kernel's neighbour table is one for all namespaces and holds 1024 entries: too few for a fleet.
        for name, least in _THRESHOLDS.items():
            path = _NEIGHBOURS / name
            if int(path.read_text()) < least:
                self._thresholds[path] = path.read_text()
                path.write_text(str(least))
        super().__enter__()
        for network in PHONES:
            self.run(self.client, "ip", "route", "add", "local", network, "dev", self.client_interface)
        self._know_phones()
        # An installed program has its bytecode: here it is kept in the scratch folder.
        command = (PYTHON, "-m", "compileall", "-q", "provd")
        subprocess.run(command, cwd=ROOT, env=os.environ | self._environment(), check=True)
        return self

    def _environment(self) -> dict[str, str]:
        return {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(self._bytecode)}

    @contextlib.contextmanager
    def awake(self) -> Iterator[None]:
        """Meanwhile no CPU halts between two packets (Documentation/power/pm_qos_interface.rst).

        To wake one takes ten microseconds and more on a virtual machine, now this and now that, and whoever sends the
        packet pays for it. Where each side waits for one packet of the other that is most of what is measured, and
        clients that are elsewhere in life cost a server none of it.
        """
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(_LATENCY.open("wb", buffering=0)).write(struct.pack("=i", 0))
            yield

    def _know_phones(self) -> None:
        """Let the server's kernel know the phones' hardware addresses, as it does on a LAN, where each has asked for
        the server's before it sends to it. Else whoever is measured first pays for asking."""
        shown = self.run(self.client, "cat", f"/sys/class/net/{self.client_interface}/address")
        entry = f"lladdr {shown.stdout.strip()} dev {self.server_interface} nud stale\n"
        batch = self.folder / "phones"
        batch.write_text("".join(f"neigh replace {pool_address(number)} {entry}" for number in range(POOL_SIZE)))
        self.run(self.server, "ip", "-batch", str(batch))

    def close(self) -> None:
        for server in self._servers:
            server.stop()
        super().close()
        for path, before in self._thresholds.items():
            path.write_text(before)
        self._scratch.cleanup()

    def room(self, name: str) -> Path:
        """An empty folder."""
        path = self.folder / name
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir()
        return path

    def program(self, name: str) -> Path:
        """A load generator of this folder, compiled once."""
        made = self.folder / name
        if not made.exists():
            source = Path(__file__).with_name(f"{name}.c")
            subprocess.run(["gcc", "-O2", "-Wall", "-o", made, source], check=True)
        return made

    def start(self, *command: str | Path, name: str, **environment: str) -> Server:
        """Start a server on its side of the bed and on its CPU."""
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            program = subprocess.Popen(
                ["ip", "netns", "exec", self.server, "taskset", "-c", "0", *map(str, command)],
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=ROOT,
                env=os.environ | self._environment() | environment,
                start_new_session=True,
            )
        self._favour(program.pid)
        server = Server(program, log)
        self._servers.append(server)
        return server

    def client_command(self, *command: str | Path) -> list[str]:
        """The same for the other side, as arguments."""
        return ["ip", "netns", "exec", self.client, "taskset", "-c", "1", *map(str, command)]

    def load(self, *command: str | Path, server: Server | None = None, timeout: float = 180) -> str:
        """Run a load on the client side; gives what it printed."""
        everything, own = busy(), _children()
        served = cpu_of(server.pid) if server else 0.0
        began = time.perf_counter()
        program = subprocess.Popen(
            self.client_command(*command),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._favour(program.pid)
        try:
            output, errors = program.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            program.communicate()
            raise
        took = time.perf_counter() - began
        self.server_cpu = cpu_of(server.pid) - served if server else 0.0
        self.other = max(0.0, busy() - everything - (_children() - own) - self.server_cpu) / took
        if program.returncode:
            raise RuntimeError(f"{command[0]}: {errors.strip() or output.strip()}")
        return output

    def json_load(self, name: str, *arguments: object, server: Server | None = None, timeout: float = 180) -> Any:
        """Run one of the generators of this folder; gives its figures."""
        return json.loads(self.load(self.program(name), *map(str, arguments), server=server, timeout=timeout))

    def _favour(self, pid: int) -> None:
        with contextlib.suppress(OSError):
            if self._realtime:
                os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))
            # Where the kernel groups tasks by session it is the group's niceness that counts.
            Path(f"/proc/{pid}/autogroup").write_text(_NICE)
            os.setpriority(os.PRIO_PROCESS, pid, int(_NICE))

    def until(self, server: Server, ready: Callable[[], bool], patience: float = 30) -> float:
        """Wait until a server answers; gives the seconds it took. Raises RuntimeError with its log."""
        began = time.perf_counter()
        while time.perf_counter() - began < patience:
            if not server.alive:
                break
            if ready():
                return time.perf_counter() - began
            time.sleep(0.02)
        server.stop()
        raise RuntimeError(f"no answer: {server.log.read_text(errors='replace')[-600:]}")

    def lost(self) -> int:
        """Datagrams that the server side's sockets had no room for, since the bed was made."""
        text = self.run(self.server, "cat", "/proc/net/snmp").stdout
        names, values = (line.split() for line in text.splitlines() if line.startswith("Udp:"))
        return int(values[names.index("RcvbufErrors")])


@contextlib.contextmanager
def running(server: Server) -> Iterator[Server]:
    """``with running(arena.start(…)) as server:`` ends it afterwards."""
    try:
        yield server
    finally:
        server.stop()


def _children() -> float:
    times = os.times()
    return times.children_user + times.children_system


def missing(*programs: str) -> str:
    """The first of these programs that is not installed, or an empty text."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    return next((program for program in programs if shutil.which(program, path=path) is None), "")


PYTHON = sys.executable
