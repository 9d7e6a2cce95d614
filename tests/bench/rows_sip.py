"""SIP while a building boots: temporary accounts register, people dial their codes, phones get power and files."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from typing import Any

from provd.app.ports import Change, Put
from provd.app.tokens import Tokens
from provd.base.clock import SystemClock
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.cli.client import call
from provd.domain.records import Device, DeviceState, Line
from provd.storage.store import Store
from tests.bench.arena import PYTHON, SERVER, Arena, missing, pool_address
from tests.bench.ours import COMMON, HTTP_PORT, YEALINK, Settings, State, prepare, serving
from tests.bench.peers import Fleet
from tests.bench.rows_dhcp import answered
from tests.bench.rows_http import write_targets
from tests.bench.table import OURS, Floor, Report, Row
from tests.bench.telephones import HEAD_START

PHONES = 1000
CODES = 200
NEW = Fleet(0, 0x001565)
"""Phones that nobody has claimed."""
MD5 = '[sip]\ndigest = ["MD5"]\n'
"""sipp knows nothing else, and looks at the first challenge only."""
_SPREAD = 10
"""Seconds in which the phones of the storm get power."""
_FIRST_ADDRESS = 40_000
"""Of the pool, far behind those that the storm leases."""

Account = tuple[str, str, str]


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    if missing("sipp"):
        print("sipp is missing: nothing is measured")
        return
    count, codes = (200, 40) if quick else (PHONES, CODES)
    state = prepare(arena, "state-sip", Fleet(PHONES, YEALINK), devices=PHONES)
    accounts = _newcomers(state, count + 1, codes)
    rows = (
        Row(f"{count:,} temporary accounts registered, {codes} codes dialed while {PHONES:,} phones boot", "s",
            (Floor(60, most=True),)),
        Row("   codes that were accepted", "", (Floor(codes),)),
        Row("   NOTIFYs to which phones said yes", "", (Floor(codes),)),
        Row("   99 % of phone files meanwhile within", "ms", (Floor(100, most=True),)),
        Row("   last phone of the storm ready after", "s"),
    )  # fmt: skip
    for _ in range(reps):
        _sample(arena, state, accounts, codes, rows)
    report.add(*rows)


def _newcomers(state: State, count: int, codes: int) -> list[Account]:
    """Unclaimed phones, and lines without a phone, in the prepared state."""
    store = Store.open("sqlite", state.folder, SystemClock(), lambda _fact: None)
    tokens = Tokens(store.vault.derive("device tokens"))
    now = SystemClock().now()
    changes: list[Change] = [
        Put(
            Line(
                id=f"new{number}",
                tenant="acme",
                username=f"n{number}",
                password=Secret(f"pw-{number}"),
                number=str(number),
            )
        )
        for number in range(codes)
    ]
    accounts: list[Account] = []
    for number in range(count):
        mac = Mac(NEW.mac(number))
        changes.append(
            Put(
                Device(
                    mac=mac,
                    vendor="Yealink",
                    model="T21P_E2",
                    plugin="yealink",
                    confidence=95,
                    state=DeviceState.UNCLAIMED,
                    first_seen=now,
                    last_seen=now,
                )
            )
        )
        account = tokens.account(mac)
        accounts.append((account.username, account.password.reveal(), pool_address(_FIRST_ADDRESS + number)))

    async def fill() -> None:
        await store.commit(changes)

    asyncio.run(fill())
    store.close()
    return accounts


def _sample(arena: Arena, state: State, accounts: Sequence[Account], codes: int, rows: Sequence[Row]) -> None:
    with serving(arena, state, Settings(sections=MD5)) as provd:
        config = str(provd.config)
        made = call(config, "code.add", line=[f"new{number}" for number in range(codes)])["items"]
        targets = write_targets(arena.folder / "targets", state, PHONES).read_text().splitlines(keepends=True)
        files = ("-f", f"/{COMMON}", "-f", "/%m.cfg", "-P", str(HTTP_PORT), "-e", "secret-%n")
        spec = {
            "server": f"{SERVER}:5060",
            "folder": str(arena.room("sipp")),
            "accounts": accounts,
            "codes": [item["code"] for item in made],
            "register_rate": 50,
            "dial_rate": 10,
            "storm": [str(arena.program("storm")), *files, "-n", str(PHONES), "-S", str(_SPREAD), "-T", "90"],
            "targets": targets,
            "http_port": HTTP_PORT,
            "probe_rate": 40,
            "probe_seconds": 20,
        }
        path = arena.folder / "telephones.json"
        path.write_text(json.dumps(spec))
        arena.until(provd.server, lambda: answered(arena))
        found = json.loads(arena.load(PYTHON, "-m", "tests.bench.telephones", path, server=provd.server))
        counted = _counted(arena, config)
    took = max(found["register"]["seconds"], HEAD_START + found["dial"]["seconds"])
    ready = found["storm"]["ready"]["100"] if found["storm"] else None
    values = (took, counted["used"], counted["told"], found["files"]["ms"]["99"], 999.0 if ready is None else ready)
    for row, value in zip(rows, values, strict=True):
        row.add(OURS, value)
    _notes(arena, found, rows)


def _counted(arena: Arena, config: str) -> dict[str, float]:
    """Codes that were used, and phones that were told and said yes, as provd has them; the last NOTIFYs may have been
    repeated, and their phones answer within a few seconds."""
    time.sleep(5)
    used = call(config, "code.list", state="used-up", limit=5000)["items"]
    page = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:8666/metrics').read().decode())"
    metrics = arena.run(arena.server, PYTHON, "-c", page).stdout
    told = re.search(r'provd_sip_total\{what="notify_accepted"\} (\S+)', metrics)
    return {"used": float(len(used)), "told": float(told[1]) if told else 0.0}


def _notes(arena: Arena, found: dict[str, Any], rows: Sequence[Row]) -> None:
    files, dialed = found["files"], found["dial"]
    rows[0].note(f"registered within {found['register']['seconds']:.1f} s, dialed within {dialed['seconds']:.1f} s")
    rows[0].note(f"{arena.server_cpu:.1f} s of CPU")
    rows[1].note(f"{dialed['heard']:.0f} calls went as they should, the longest took {dialed['longest']:.1f} s")
    rows[3].note(f"{files['done']} files, {files['failed']} failed, 50 / 99 / 100 %: {files['ms']} ms")
    if arena.other > 0.3:
        rows[0].note(f"{arena.other:.1f} CPUs were busy with something else")
