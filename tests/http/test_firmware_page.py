"""The page about firmware."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from provd.base.errors import ConflictError
from provd.http.firmware_page import FirmwarePage, FirmwareView, PackageRow, RolloutRow
from tests.http.pages_kit import Operations, Visitor, visited

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
            rings=(("pilot", 17, 20), ("rest", 400, 400)),
        ),
        RolloutRow(
            name="blue:own", package="acme-a1", version="2.0", state="planned", ring="", on=0, of=9, tenant="blue"
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


@asynccontextmanager
async def at(view: FirmwareView, made: Operations | None = None, token: str = "") -> AsyncIterator[Visitor]:
    async with visited(lambda sessions: FirmwarePage(Views(view), made or Operations(), sessions)) as visitor:
        if token:
            await visitor.sign_in("/firmware", token)
        yield visitor


async def shown(view: FirmwareView) -> str:
    async with at(view) as visitor:
        return await visitor.get("/firmware")


async def test_what_is_here_and_how_far_it_is() -> None:
    text = await shown(FULL)
    for wanted in ("417 of 420", "paused", "02:aa:aa:00:00:01, and 2 more", "noted", 'aria-current="page">Firmware<'):
        assert wanted in text, wanted
    assert "&lt;b&gt;of 20" in text
    assert '<progress max="420" value="417"' in text
    assert "pilot 17/20 · rest 400/400" in text
    assert 'action="/firmware/rollout"' not in text


async def test_nothing_yet() -> None:
    text = await shown(FirmwareView())
    assert "provd rollout add NAME" in text
    assert "provd firmware available" in text


async def test_who_has_signed_in_moves_rollouts_on() -> None:
    made = Operations(rollout_resume={}, rollout_rollback=ConflictError("it is <planned>"))
    async with at(FULL, made, "root") as visitor:
        html = await visitor.get("/firmware")
        for text in ("Resume", "Abort", "Roll back", "Start"):
            assert html.count(f">{text}</button>") == 1, text
        assert "Pause" not in html
        assert await visitor.post("/firmware/rollout", id="spring", do="resume") == (303, "/firmware")
        status, text = await visitor.post("/firmware/rollout", id="blue:own", do="rollback")
        assert (status, "it is &lt;planned&gt;" in text) == (409, True)
        assert (await visitor.post("/firmware/rollout", id="spring", do="delete"))[0] == 400
    assert [each[:2] for each in made.asked] == [
        ("rollout.resume", {"id": "spring"}), ("rollout.rollback", {"id": "blue:own"}),
    ]  # fmt: skip


async def test_a_tenants_token_has_buttons_for_its_own_and_a_readers_none() -> None:
    made = Operations()
    async with at(FULL, made, "blue") as visitor:
        html = await visitor.get("/firmware")
        assert "Start</button>" in html
        assert "Resume</button>" not in html
    async with at(FULL, made, "reader") as visitor:
        assert "</button></form></td>" not in await visitor.get("/firmware")
    async with at(FULL, made) as visitor:
        assert (await visitor.post("/firmware/rollout", id="spring", do="abort"))[0] == 403
    assert made.asked == []
