"""A browser that we did not write, led over its DevTools protocol: it loads pages, fills forms in and clicks."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from aiohttp import ClientSession, ClientWebSocketResponse

from tests.conftest import program
from tests.kit.patience import PATIENCE

FLAGS = [
    *["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"],
    *["--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"],
]
_NAMED = {"textbox", "searchbox", "button", "combobox", "checkbox", "link", "progressbar", "region"}


class Browser:
    """One page. ``errors`` is what the browser complains of by itself: blocked by the policy, not understood."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.errors: list[str] = []
        self._socket = socket
        self._number = 0
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._loaded = asyncio.Event()

    async def hear(self) -> None:
        """Take what the browser says until it is gone."""
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                self._waiting.pop(said["id"]).set_result(said)
            elif said["method"] == "Page.loadEventFired":
                self._loaded.set()
            elif said["method"] == "Log.entryAdded" and said["params"]["entry"]["source"] != "network":
                self.errors.append(said["params"]["entry"]["text"])  # a status that refuses is no defect of the page

    async def do(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol."""
        self._number += 1
        answer = self._waiting[self._number] = asyncio.get_running_loop().create_future()
        await self._socket.send_json({"id": self._number, "method": method, "params": params})
        said = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in said, said
        return dict(said["result"])

    async def open(self, url: str) -> str:
        """Load a page; gives its text."""
        self._loaded.clear()
        await self.do("Page.navigate", url=url)
        return await self._arrived()

    async def run(self, script: str) -> Any:
        """The value of an expression on the page."""
        found = await self.do("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def fill(self, selector: str, text: str) -> None:
        """Write into a field."""
        await self.run(f"document.querySelector({json.dumps(selector)}).value = {json.dumps(text)}")

    async def press(self, text: str) -> str:
        """Press the button, or follow the link, with this text; gives the text of the page that comes."""
        self._loaded.clear()
        wanted = json.dumps(text)
        await self.run(
            f"[...document.querySelectorAll('button, a')].find(each => each.textContent == {wanted}).click()"
        )
        return await self._arrived()

    async def _arrived(self) -> str:
        await asyncio.wait_for(self._loaded.wait(), PATIENCE)
        return str(await self.run("document.body.innerText"))

    async def nameless(self) -> list[str]:
        """What a person who does not see the page could not tell apart: controls without an accessible name."""
        tree = (await self.do("Accessibility.getFullAXTree"))["nodes"]
        roles = [(node.get("role", {}).get("value"), node.get("name", {}).get("value")) for node in tree]
        return [str(role) for role, name in roles if role in _NAMED and not name]

    async def wider(self, width: int) -> bool:
        """Whether a window of that width has to be moved sideways to see all of the page."""
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600
        )
        found = await self.run("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        await self.do("Emulation.clearDeviceMetricsOverride")
        return bool(found)

    async def picture(self, path: Path, width: int = 1280, height: int = 1000, *, dark: bool = False) -> None:
        """What it looks like."""
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        await self.do("Emulation.setEmulatedMedia", features=features)
        await self.do(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        shot = await self.do("Page.captureScreenshot", captureBeyondViewport=True)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))
        await self.do("Emulation.clearDeviceMetricsOverride")


@contextlib.asynccontextmanager
async def browser(profile: Path) -> AsyncIterator[Browser]:
    """A browser with an empty page."""
    process = await asyncio.create_subprocess_exec(
        program("chromium"), *FLAGS, f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(PATIENCE), ClientSession() as session:
            port = await _port(process)
            async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
                target = next(each for each in await answer.json() if each["type"] == "page")
        draining = asyncio.create_task(_drained(process))
        async with (
            ClientSession() as session,
            session.ws_connect(target["webSocketDebuggerUrl"], max_msg_size=0) as socket,
        ):
            made = Browser(socket)
            hearing = asyncio.create_task(made.hear())
            for domain in ("Page", "Log", "Accessibility"):
                await made.do(f"{domain}.enable")
            try:
                yield made
            finally:
                hearing.cancel()
                draining.cancel()
                await asyncio.gather(hearing, draining, return_exceptions=True)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _port(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        found = re.search(rb"DevTools listening on ws://127\.0\.0\.1:(\d+)/", line)
        if found:
            return found[1].decode()
    raise AssertionError("the browser did not begin")


async def _drained(process: asyncio.subprocess.Process) -> None:
    assert process.stderr is not None
    async for _ in process.stderr:
        pass
