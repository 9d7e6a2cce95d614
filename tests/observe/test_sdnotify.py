import os
import socket

import pytest

from provd.observe.sdnotify import ServiceManager
from tests.observe.kit import Timer


@pytest.fixture(params=["path", "abstract"])
def manager(request, tmp_path):
    """A listening socket and the environment that names it."""
    name = str(tmp_path / "notify") if request.param == "path" else f"@provd-test-{os.getpid()}-{id(tmp_path)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        listener.settimeout(0)
        yield listener, {"NOTIFY_SOCKET": name}


def heard(listener) -> list[str]:
    return listener.recv(1000).decode().splitlines()


def test_the_life_of_a_service(manager):
    listener, environ = manager
    systemd = ServiceManager(environ)
    systemd.ready("12 devices")
    assert heard(listener) == ["READY=1", "STATUS=12 devices"]
    systemd.reloading()
    reloading, monotonic = heard(listener)
    assert reloading == "RELOADING=1"
    assert int(monotonic.removeprefix("MONOTONIC_USEC=")) > 0
    systemd.status("two\nlines")
    assert heard(listener) == ["STATUS=two lines"]
    systemd.stopping()
    assert heard(listener) == ["STOPPING=1"]


def test_signs_of_life_at_half_the_interval(manager):
    listener, environ = manager
    timer = Timer()
    ServiceManager(environ | {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}).watch(timer)
    for _ in range(3):
        assert heard(listener) == ["WATCHDOG=1"]
        assert [seconds for seconds, _ in timer.calls] == [15.0]
        timer.fire()


@pytest.mark.parametrize("watchdog", [{}, {"WATCHDOG_USEC": "x"}, {"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}])
def test_no_signs_of_life_for_whom_they_are_not_asked(manager, watchdog):
    _, environ = manager
    timer = Timer()
    ServiceManager(environ | watchdog).watch(timer)
    assert timer.calls == []


def test_without_a_service_manager_nothing_happens(tmp_path):
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "nobody")}):
        systemd = ServiceManager(environ)
        systemd.ready()
        systemd.stopping()
        systemd.watch(Timer())
