import asyncio
from pathlib import Path

from provd.config.settings import ServerSection, Settings
from provd.daemon import loop_factory
from tests.kit.daemon import Daemon, loopback_config


def test_pythons_own_loop_is_the_default() -> None:
    assert loop_factory(Settings()) is None


def test_uvloop_is_taken_when_it_is_asked_for() -> None:
    factory = loop_factory(Settings(server=ServerSection(event_loop="uvloop")))
    assert factory is not None
    loop = factory()
    try:
        assert isinstance(loop, asyncio.AbstractEventLoop)
        assert type(loop).__module__.startswith("uvloop")
    finally:
        loop.close()


def test_the_daemon_serves_on_uvloop(tmp_path: Path) -> None:
    config, _ = loopback_config(tmp_path / "state")
    with Daemon(config.replace("[server]", '[server]\nevent_loop = "uvloop"'), tmp_path) as daemon:
        daemon.provd("device", "add", "805ec0112233", "--vendor", "Yealink", "--model", "T27P")
        assert "#!version:1.0.0.1" in daemon.provd("device", "render", "805ec0112233", "--local", "127.0.0.1").stdout
        assert daemon.stop() == 0
