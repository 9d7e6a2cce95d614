"""Runs a command with the system calls that ``systemd/provd.service`` permits, and no others: what systemd would do.

    python -m tests.kit.unit_filter COMMAND ARGUMENT …

``systemd-analyze`` knows what the sets of system calls mean, libseccomp their numbers on this machine.
"""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

UNIT = Path(__file__).resolve().parents[2] / "systemd" / "provd.service"
_ALLOW = 0x7FFF0000
_EPERM = 0x00050000 | 1
"""What ``SystemCallErrorNumber=EPERM`` answers (seccomp(2), SECCOMP_RET_ERRNO)."""


@cache
def members(name: str) -> frozenset[str]:
    """The system calls of a set such as ``@system-service``, or the one of that name."""
    if not name.startswith("@"):
        return frozenset({name})
    shown = subprocess.run(
        ["systemd-analyze", "syscall-filter", name], check=True, capture_output=True, text=True, timeout=30
    ).stdout.splitlines()[1:]
    words = [line.strip() for line in shown if line.strip() and not line.strip().startswith("#")]
    return frozenset().union(*map(members, words))


def permitted() -> set[str]:
    """What the unit's filter lets through, line by line as systemd reads it."""
    found: set[str] = set()
    for line in re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(), re.MULTILINE):
        calls = set().union(*map(members, line.removeprefix("~").split()))
        found = found - calls if line.startswith("~") else found | calls
    assert len(found) > 100, "the unit has no filter any more"
    return found | {"execve"}  # it would be in force from the first program on


def apply() -> None:
    """Put the filter in force for this process and those it starts."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(_EPERM)))
    for name in permitted():
        number = library.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:
            assert library.seccomp_rule_add(context, ctypes.c_uint32(_ALLOW), number, 0) == 0, name
    assert library.seccomp_load(context) == 0


if __name__ == "__main__":
    apply()
    os.execvp(sys.argv[1], sys.argv[1:])
