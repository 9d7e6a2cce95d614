"""The page in a browser that we did not write: at no width does anybody have to move it sideways."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.base.clock import SystemClock
from provd.http.page import PageServer
from tests.http.kit import port_of
from tests.http.show import Site
from tests.kit.browser import browser

pytestmark = pytest.mark.peer

TOUCHING = """[...document.querySelectorAll("main table")].some(table => table.previousElementSibling &&
    table.getBoundingClientRect().top - table.previousElementSibling.getBoundingClientRect().bottom < 4)"""
"""Whether a table sticks to what stands above it."""


async def test_every_page_fits_a_phone_a_tablet_and_a_desk(tmp_path: Path) -> None:
    site = Site(60, SystemClock().now())
    server = PageServer(site, lambda: b"", emit=lambda _fact: None, clock=SystemClock())
    port = await port_of(server)
    wide: list[tuple[str, int]] = []
    touching: list[str] = []
    try:
        async with browser(tmp_path / "profile") as page:
            for path in ("/", "/device/805ec0000003", "/device/0c0c0c0c0c0c", "/leases", "/refused", "/status"):
                await page.open(f"http://127.0.0.1:{port}{path}")
                touching += [path] if await page.run(TOUCHING) else []
                assert await page.nameless() == []
                wide += [(path, width) for width in (1280, 800, 390) if await page.wider(width)]
            assert page.errors == []
    finally:
        await server.close()
    assert wide == []
    assert touching == []
