"""The page about regions."""

from __future__ import annotations

from aiohttp import ClientSession

from provd.http.page import PageServer
from provd.http.regions_page import RegionsPage
from provd.http.views import RegionRow, RegionsView, StuckRow
from tests.http.kit import FixedClock, port_of
from tests.http.show import Site

FULL = RegionsView(
    role="global",
    name="world",
    states=("REG", "GONE"),
    rows=(
        RegionRow(name="", url="", enabled=True, answers=True, counts=(7, 0)),
        RegionRow(name="eu", url="https://eu.example", enabled=True, answers=False, counts=(0, 12345)),
        RegionRow(name="us", url="https://us.example", enabled=False, answers=True, counts=(0, 0)),
        RegionRow(name="au", url="https://au.example", enabled=True, answers=True, counts=(0, 0), lacks=("<b>n", "o")),
        RegionRow(name="cn", url="https://cn.example", enabled=True, answers=True, draining=True, counts=(0, 0)),
    ),
    stuck=(StuckRow(device="<b>d&1", state="REHOMING", region="eu", since=100.0, reason="<i>no answer"),),
    missing=(("<i>north", 4711),),
    patience=900.0,
)


class Views:
    def __init__(self, view: RegionsView) -> None:
        self.view = view

    async def regions(self) -> RegionsView:
        return self.view


async def shown(view: RegionsView) -> str:
    page = PageServer(
        Site(1, 1.0),
        lambda: b"",
        emit=lambda _fact: None,
        clock=FixedClock(2000.0),
        parts=(RegionsPage(Views(view)),),
    )
    port = await port_of(page)
    async with ClientSession() as session, session.get(f"http://127.0.0.1:{port}/regions") as answer:
        text = await answer.text()
    await page.close()
    assert answer.status == 200
    return text


async def test_counts_and_what_is_stuck() -> None:
    text = await shown(FULL)
    for wanted in (
        "world, a global instance",
        "12345",
        "does not answer",
        ">off<",
        ">is being deleted<",
        "https://us.example",
        "15 min",
        "lacks tenants: &lt;b&gt;n, o",
        "&lt;i&gt;north",
        "4711",
    ):
        assert wanted in text, wanted
    assert "&lt;b&gt;d&amp;1" in text
    assert "<b>d" not in text
    assert "<i>no" not in text


async def test_alone_and_without_a_database() -> None:
    assert "stands alone" in await shown(RegionsView(role="standalone", name=""))
    assert "it is busy" in await shown(RegionsView(role="global", name="world", fault="it is busy"))
