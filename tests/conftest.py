"""What all tests share: which foreign programs and rights there are."""

import os
import shutil
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.kit import forks

ROOT = Path(__file__).resolve().parents[1]
MUST = os.environ.get("CI") == "true"

# How long an example takes, or finding one, is the machine's business, not a property of the code. Everybody tries the
# same examples, so that a change is to blame for what fails; ``--hypothesis-profile=explore`` looks for others.
hypothesis.settings.register_profile(
    "explore", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow], print_blob=True
)
hypothesis.settings.register_profile("provd", hypothesis.settings.get_profile("explore"), derandomize=True)
hypothesis.settings.load_profile("provd")


def shared_folder() -> Path | None:
    """The folder of additional replay material beside the repository, when it is there."""
    folder = Path(os.environ.get("PROVD_SHARED") or ROOT.parent / "shared")
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = shared_folder()
    if folder is None:
        pytest.skip("no additional material beside the repository")
    return folder


def program(name: str) -> str:
    """Path of a foreign program; skips the test without it, and fails it where CI=true."""
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")
    if found is None:
        (pytest.fail if MUST else pytest.skip)(f"{name} is not installed")
    assert found is not None
    return found


def pytest_xdist_auto_num_workers() -> int:
    """Half as many again as there are cores: whoever waits for a process or a timer leaves its core to others."""
    return max((os.cpu_count() or 1) * 3 // 2, 1)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Who deals the tests out to several processes that respect groups."""
    if config.getoption("dist") != "loadgroup":
        return None
    from tests.kit.portions import Scheduling

    return Scheduling(config, log)


def pytest_sessionfinish() -> None:
    """What was started for all tests of this process."""
    forks.end()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))
