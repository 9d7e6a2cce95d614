"""Capabilities taken away from the renderer (capabilities(7), prctl(2)).

The daemon's unit gives it ports below 1024 and raw frames; what a template could do with those it must not inherit.
"""

from __future__ import annotations

import ctypes

_PR_SET_NO_NEW_PRIVS = 38
_PR_CAP_AMBIENT = 47
_PR_CAP_AMBIENT_CLEAR_ALL = 4
_VERSION_3 = 0x20080522
_READING = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: root reads templates that belong to the daemon's user by these."""


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def keep_capabilities() -> None:
    """Keep what capabilities this process has to itself: programs that it starts get none, unless it is root's.

    The service manager hands them over as ambient ones, which every program started from here would have, too.
    """
    ctypes.CDLL(None).prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)


def drop_capabilities() -> None:
    """Give up every capability of this process but reading as root, for good. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capget")
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    kept = sets[0].permitted & _READING
    if sets[0].permitted == kept and not sets[1].permitted:
        return  # there is nothing to give up, and the unit's system call filter does not let anybody do so
    sets[0], sets[1] = _Sets(kept, kept, 0), _Sets(0, 0, 0)
    keep_capabilities()
    if libc.capset(ctypes.byref(header), sets):
        raise OSError(ctypes.get_errno(), "capset")
