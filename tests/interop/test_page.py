"""The page in a browser that we did not write."""

import subprocess
from pathlib import Path

import pytest

from tests.conftest import program
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer

FLAGS = [
    *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
    *["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=2000"],
]


def dom(url: str, profile: Path) -> str:
    """What the browser makes of the page."""
    browser = [program("chromium"), *FLAGS, f"--user-data-dir={profile}", "--dump-dom", url]
    return subprocess.run(browser, capture_output=True, text=True, check=True, timeout=PATIENCE).stdout


def test_a_browser_shows_devices_with_hostile_names_as_text(tmp_path: Path) -> None:
    config, _ = loopback_config(tmp_path / "state")
    with Daemon(config, tmp_path) as daemon:
        hostile = "<script>document.title='pwned'</script>"
        daemon.provd(
            "device", "add", "805ec0112233", "--vendor", "Yealink", "--model", "T27P", "--description", hostile
        )
        pages = [address for address in daemon.json("status")["listeners"] if address.startswith("page ")]
        url = f"http://{pages[0].removeprefix('page ')}"
        shown = dom(f"{url}/", tmp_path / "browser")
        assert "80:5e:c0:11:22:33" in shown
        assert "T27P" in shown
        assert "&lt;script&gt;" in shown
        assert "pwned</title>" not in shown
        assert "<script" not in shown
        assert "805ec0112233" in dom(f"{url}/device/805ec0112233", tmp_path / "browser")
