"""A site's first hour in one minute, on the phones' side: everything at once, each part by its own program.

``python -m tests.bench.telephones SPEC`` with a JSON file: ``server``, ``folder``, ``accounts`` (user, password,
address), ``codes`` (one for each account behind the first: of a sipp with many addresses the first call stays unheard),
``register_rate``, ``dial_rate``, ``storm`` (a command line), ``targets``, ``http_port``, ``probe_rate`` and
``probe_seconds``. Prints what each part found, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PORT = 5060
HEAD_START = 5
"""Seconds after which the first accounts are registered; sipp takes two of them to open its sockets."""
_STAYS = 25_000
"""Milliseconds for which a registered phone waits for its NOTIFY."""


async def run(*command: str, stdin: bytes | None = None) -> tuple[int, str, float]:
    """Exit code, output and seconds of a program."""
    began = time.perf_counter()
    given = asyncio.subprocess.PIPE if stdin is not None else asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(
        *command, stdin=given, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate(stdin)
    if process.returncode:
        sys.stderr.write(f"{command[0]}: {process.returncode}: {errors.decode(errors='replace')[-500:]}\n")
    return process.returncode or 0, output.decode(errors="replace"), time.perf_counter() - began


async def register(spec: dict[str, Any]) -> dict[str, float]:
    """All accounts from their own addresses; each stays until it may have been told to fetch its files."""
    folder = Path(spec["folder"])
    lines = [f"{user};[authentication username={user} password={word}];{ip}" for user, word, ip in spec["accounts"]]
    (folder / "accounts.csv").write_text("\n".join(["SEQUENTIAL", *lines, ""]))
    scenario = folder / "register.xml"
    scenario.write_text((HERE / "register.xml").read_text().replace("STAYS", str(_STAYS)))
    count = len(spec["accounts"])
    code, _, seconds = await run(
        "sipp", spec["server"], "-sf", str(scenario), "-oocsf", str(HERE / "notified.xml"), "-nostdin",
        "-t", "ui", "-ip_field", "2", "-inf", str(folder / "accounts.csv"), "-p", str(PORT), "-m", str(count),
        "-r", str(spec["register_rate"]), "-l", str(count), "-max_socket", str(count + 50), "-timeout", "100",
    )  # fmt: skip
    return {"failed": float(code != 0), "seconds": seconds - _STAYS / 1000}


async def dial(spec: dict[str, Any]) -> dict[str, float]:
    """A program for each code, so many a second."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = []
    for number, ((user, word, ip), code) in enumerate(zip(spec["accounts"][1:], spec["codes"], strict=False)):
        await asyncio.sleep(max(0.0, began + number / spec["dial_rate"] - loop.time()))
        command = (
            "sipp", spec["server"], "-sf", str(HERE / "dial.xml"), "-nostdin", "-i", ip, "-p", "5062", "-m", "1",
            "-key", "user", user, "-key", "code", code, "-au", user, "-ap", word,
            "-auth_uri", f"{code}@{spec['server']}", "-timeout", "30", "-timeout_error",
        )  # fmt: skip
        tasks.append(loop.create_task(run(*command)))
    ended = await asyncio.gather(*tasks)
    lengths = sorted(seconds for code, _, seconds in ended if code == 0)
    longest = lengths[-1] if lengths else 0.0
    return {"heard": float(len(lengths)), "seconds": loop.time() - began, "longest": longest}


async def main(spec: dict[str, Any]) -> None:
    host = spec["server"].partition(":")[0]
    probe = [sys.executable, "-m", "tests.bench.probe_http", host, str(spec["http_port"])]
    probe += [str(spec["probe_rate"]), str(spec["probe_seconds"])]
    registering = asyncio.create_task(register(spec))
    probing = asyncio.create_task(run(*probe, stdin="".join(spec["targets"]).encode()))
    storm = asyncio.create_task(run(*spec["storm"]))
    await asyncio.sleep(HEAD_START)
    dialed = await dial(spec)
    (_, files, _), (code, boots, _) = await probing, await storm
    found = {"register": await registering, "dial": dialed, "files": json.loads(files)}
    print(json.dumps({**found, "storm": json.loads(boots) if code == 0 else None}))


if __name__ == "__main__":
    asyncio.run(main(json.loads(Path(sys.argv[1]).read_text())))
