"""Templates and plugins, looked at and changed in a browser that we did not write, on a real daemon."""

from __future__ import annotations

import asyncio
import os
import urllib.request
from pathlib import Path

import pytest

from provd.plugins.package.minisign import new_key
from provd.plugins.package.publish import build
from tests.kit import acme
from tests.kit.browser import Browser, browser
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.peer

MAC, OTHER = "02aaaa000001", "02aaaa000002"
PICTURES = os.environ.get("PROVD_TEST_PICTURES", "")
"""A folder in which pictures of the pages are left for people, if it is named."""


class Site:
    """A daemon with a plugin of two versions on its shelf, the first in force."""

    def __init__(self, folder: Path) -> None:
        key = new_key()
        sections = f'[plugins]\nkeys = ["{key.public}"]\n'
        config, self.port = loopback_config(folder / "state", sections=sections)
        self.daemon = Daemon(config, folder)
        self.packages = []
        for version, end in (("1.0.0", "yes"), ("1.1.0", "no"), ("1.2.0", "perhaps")):
            text = f"greeting = hello\nvolume = 3\nend = {end}\n"
            source = acme.install(folder / version, version=version, common=text, rom=b"rom")
            (source / "README.md").write_text("Acme phones.\n")
            self.packages.append(str(build(source, folder / "public", key).path))

    def begin(self) -> tuple[str, str]:
        """Install and import; gives the page's address and a token."""
        self.daemon.provd("plugin", "install", self.packages[0])
        self.daemon.provd("device", "import", "-", stdin=f"mac,vendor,model\n{MAC},Acme,A1\n{OTHER},Acme,A1\n")
        token = self.daemon.json("token", "add", "ann", "--scope", "admin")["token"]
        listeners = self.daemon.json("status")["listeners"]
        page = next(each.removeprefix("page ") for each in listeners if each.startswith("page "))
        return f"http://{page}", token

    def file(self, name: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=PATIENCE) as answer:
            return str(answer.read().decode())


async def seen(page: Browser, name: str) -> None:
    """What every page has to be: understood by a screen reader, and nothing blocked by our own policy."""
    assert await page.nameless() == []
    assert page.errors == []
    if PICTURES:
        for width, dark in ((1280, False), (390, True)):
            await page.picture(Path(PICTURES) / f"{name}-{width}.png", width, 1100, dark=dark)


async def come(page: Browser, word: str) -> str:
    """Wait, as the page itself does, until it says this."""
    for _ in range(int(PATIENCE / 0.05)):
        text = str(await page.run("document.body ? document.body.innerText : ''"))
        if word in text:
            return text
        await asyncio.sleep(0.05)
    raise AssertionError(text)


async def test_templates_and_plugins_in_a_browser(tmp_path: Path) -> None:
    site = Site(tmp_path)
    with site.daemon:
        url, token = site.begin()
        async with browser(tmp_path / "profile") as page:
            assert "acme" in await page.open(f"{url}/plugins")
            await page.open(f"{url}/templates")
            await seen(page, "templates-signed-out")
            await page.fill("[name=token]", token)
            assert "Nothing is overridden." in await page.press("Sign in")

            await page.open(f"{url}/templates?of=A1")
            await page.fill("#name", "common.cfg.j2")
            await seen(page, "templates-of-a-model")
            assert "This is the default" in await page.press("Open")
            assert await page.run("document.querySelector('textarea').value") == site.file("acme.cfg")

            # What does not work is said with its line, and the text is still there.
            await page.fill("textarea", "a = 1\n{{ modell.name }}\n")
            assert "common.cfg.j2:2: 'modell' is undefined" in await page.press("Put it in force")
            assert await page.run("document.querySelector('textarea').value") == "a = 1\n{{ modell.name }}\n"
            await page.fill("textarea", "greeting = {{ model.name }}\nvolume = 3\nend = yes\n")
            await page.fill("#on", OTHER)
            text = await page.press("Preview")
            assert "-greeting = hello" in text
            assert "+greeting = A1" in text
            assert "in the files of 02:aa:aa:00:00:02 a1" in text.lower()
            await seen(page, "template-preview")
            assert site.file("acme.cfg") == "greeting = hello\nvolume = 3\nend = yes\n"
            assert "is in force. Devices get it" in await page.press("Put it in force")
            assert site.file("acme.cfg") == "greeting = A1\nvolume = 3\nend = yes\n"

            # Somebody else is quicker.
            site.daemon.provd(
                "template", "set", "A1/common.cfg.j2", "-", stdin="greeting = A1\nvolume = 3\nend = yes\n"
            )
            await page.fill("textarea", "mine = 1\n")
            assert "was changed by" in await page.press("Put it in force")
            assert "greeting = A1" in site.file("acme.cfg")

            # Another version, which changes something else: seen first, then in force, and both changes are there.
            for package in site.packages[1:]:
                site.daemon.provd("plugin", "install", package, "--dry-run")
            await page.open(f"{url}/plugins")
            await seen(page, "plugins")
            await page.run("document.querySelector('select[name=version]').value = '1.1.0'")
            await page.press("Try")
            text = await come(page, "Put it in force")
            for part in ("1.0.0 → 1.1.0", "what is new fits into yours", "+end = no", "+greeting = A1"):
                assert part in text, part
            await seen(page, "plugin-tried")
            assert site.file("acme.cfg").endswith("end = yes\n")
            assert "acme 1.1.0 is in force" in await page.press("Put it in force")
            assert site.file("acme.cfg") == "greeting = A1\nvolume = 3\nend = no\n"

            # A change of the same line waits for a person.
            await page.press("acme")
            await page.press("common.cfg.j2")
            await page.fill("textarea", "greeting = A1\nvolume = 3\nend = mine\n")
            await page.press("Put it in force")
            site.daemon.provd("plugin", "upgrade", "acme", "--version", "1.2.0", "--yes")
            text = await page.open(await page.run("location.href"))
            assert "changed the same lines in 1 place" in text
            await seen(page, "template-default-changed")
            await page.press("Edit with both in it")
            merged = await page.run("document.querySelector('textarea').value")
            assert "<<<<<<< yours\nend = mine\n" in merged
            assert "marks of a conflict" in await page.press("Put it in force")
            await page.fill("textarea", "greeting = A1\nvolume = 3\nend = both\n")
            await page.press("Put it in force")
            assert site.file("acme.cfg") == "greeting = A1\nvolume = 3\nend = both\n"

            await page.run("document.querySelector('details.route').open = true")
            text = await page.press("See what that would change")
            assert "-end = both" in text
            assert "+end = perhaps" in text
            await page.run("document.querySelector('details.route').open = true")
            assert "is gone" in await page.press("Take mine away")
            assert site.file("acme.cfg") == "greeting = hello\nvolume = 3\nend = perhaps\n"

            await page.open(f"{url}/plugins")
            await page.press("Go back…")
            await come(page, "Go back to it")
            assert "acme 1.1.0 is in force" in await page.press("Go back to it")
            assert site.file("acme.cfg") == "greeting = hello\nvolume = 3\nend = no\n"
            await page.open(f"{url}/firmware")
            await seen(page, "firmware")
            assert page.errors == []
