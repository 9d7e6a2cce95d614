"""Clients that we did not write, against the real server on loopback."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from tests.kit.patience import PATIENCE
from tests.tftp.kit import Bench, FixedFiles, serving

FILES = {
    "empty.cfg": b"",
    "small.cfg": b"line 1\nline 2\n",
    "even.cfg": bytes(range(256)) * 8,
    "fw.rom": bytes(i * 31 % 256 for i in range(700_001)),
}


CURL = [(name, blksize) for name in FILES for blksize in ("8", "512", "1400") if (name, blksize) != ("fw.rom", "8")]
"""What curl fetches: all but 87,501 blocks, which take it too long."""


async def run(*command: str, folder: Path) -> int:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL
    )
    async with asyncio.timeout(PATIENCE):
        return await process.wait()


def program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def port(bench: Bench) -> str:
    return str(bench.address[1])


@pytest.mark.peer
@pytest.mark.parametrize(("name", "blksize"), CURL)
async def test_curl(name: str, blksize: str, tmp_path: Path) -> None:
    async with serving(FixedFiles(FILES, large=True)) as bench:
        url = f"tftp://127.0.0.1:{port(bench)}/{name}"
        assert await run(program("curl"), "-s", "--tftp-blksize", blksize, "-o", "got", url, folder=tmp_path) == 0
    assert (tmp_path / "got").read_bytes() == FILES[name]
    assert bench.files.delivered == [name]


@pytest.mark.peer
@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("options", [[], ["blksize 1428", "tsize 0"], ["blksize 1428", "windowsize 16", "timeout 2"]])
async def test_atftp(name: str, options: list[str], tmp_path: Path) -> None:
    asked = [text for option in options for text in ("--option", option)]
    async with serving(FixedFiles(FILES, large=True)) as bench:
        command = [program("atftp"), *asked, "-g", "-r", name, "-l", "got", "127.0.0.1", port(bench)]
        assert await run(*command, folder=tmp_path) == 0
    assert (tmp_path / "got").read_bytes() == FILES[name]


@pytest.mark.peer
@pytest.mark.parametrize("mode", ["binary", "ascii"])
async def test_tftp_hpa(mode: str, tmp_path: Path) -> None:
    name = "small.cfg" if mode == "ascii" else "fw.rom"
    async with serving(FixedFiles(FILES, large=True)) as bench:
        command = [program("tftp"), "-m", mode, "127.0.0.1", port(bench), "-c", "get", name, "got"]
        assert await run(*command, folder=tmp_path) == 0
    assert (tmp_path / "got").read_bytes() == FILES[name]


@pytest.mark.peer
async def test_an_unknown_file_is_an_error_to_curl(tmp_path: Path) -> None:
    file_not_found = 68
    async with serving(FixedFiles(FILES)) as bench:
        url = f"tftp://127.0.0.1:{port(bench)}/nothing.cfg"
        assert await run(program("curl"), "-s", "-o", "got", url, folder=tmp_path) == file_not_found


@pytest.mark.parametrize("options", [{}, {"blksize": 1024, "tsize": 0}, {"blksize": 1428}])
async def test_tftpy(options: dict[str, int], tmp_path: Path) -> None:
    import tftpy

    async with serving(FixedFiles(FILES, large=True)) as bench:
        client = tftpy.TftpClient("127.0.0.1", bench.address[1], options=options)
        for name in FILES:
            await asyncio.to_thread(client.download, name, str(tmp_path / name))
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES


def test_under_uvloop(tmp_path: Path) -> None:
    import tftpy
    import uvloop

    async def fetch() -> None:
        async with serving(FixedFiles(FILES, slow=frozenset({"small.cfg"}), large=True)) as bench:
            bench.files.rendered.set()
            client = tftpy.TftpClient("127.0.0.1", bench.address[1], options={"blksize": 1428})
            for name in FILES:
                await asyncio.to_thread(client.download, name, str(tmp_path / name))

    uvloop.run(fetch())
    assert {name: (tmp_path / name).read_bytes() for name in FILES} == FILES
