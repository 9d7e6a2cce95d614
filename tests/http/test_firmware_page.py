"""The page about firmware."""

from __future__ import annotations

from aiohttp import ClientSession

from provd.http.firmware_page import FirmwarePage, FirmwareView, PackageRow, RolloutRow
from provd.http.page import PageServer
from tests.http.kit import FixedClock
from tests.http.show import Site

FULL = FirmwareView(
    rollouts=(
        RolloutRow(
            name="spring",
            package="acme-a1",
            version="2.0",
            state="paused",
            ring="pilot",
            on=417,
            of=420,
            reason="<b>of 20 in ring pilot 3 did not come back; 5 % may",
            missing=("02:aa:aa:00:00:01", "and 2 more"),
        ),
    ),
    packages=(
        PackageRow(plugin="acme", name="acme-a1", version="2.0", kind="firmware", files=1, size=3 << 20, checked=False),
    ),
)


class Views:
    def __init__(self, view: FirmwareView) -> None:
        self.view = view

    def firmware(self) -> FirmwareView:
        return self.view


async def shown(view: FirmwareView) -> str:
    page = PageServer(
        Site(1, 1.0),
        lambda: b"",
        emit=lambda _fact: None,
        clock=FixedClock(2000.0),
        parts=(FirmwarePage(Views(view)),),
    )
    _, port = await page.listen("127.0.0.1", 0)
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/firmware") as answer:
        text = await answer.text()
    await page.close()
    assert answer.status == 200
    return text


async def test_what_is_here_and_how_far_it_is() -> None:
    text = await shown(FULL)
    for wanted in ("417 of 420", "paused", "02:aa:aa:00:00:01, and 2 more", "noted", 'aria-current="page">Firmware<'):
        assert wanted in text, wanted
    assert "&lt;b&gt;of 20" in text


async def test_nothing_yet() -> None:
    text = await shown(FirmwareView())
    assert "provd rollout add NAME" in text
    assert "provd firmware available" in text
