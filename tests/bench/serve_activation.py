"""The baseline: the least that does it, aiohttp and SQLite, one durable statement for each request.

``python -m tests.bench.serve_activation FILE COUNT PORT`` fills the file and prints READY. No limits, no log, no
tenants, no tasks: what it is faster by is what those cost.
"""

from __future__ import annotations

import secrets
import sqlite3
import sys
from hashlib import sha256

from aiohttp import web

ACTIVATE = """
UPDATE thing SET state = 'activated', key_hash = ?, activated_at = ?
WHERE vendor = ? AND model = ? AND sn = ? AND state = 'pending' AND enabled_until > ?"""


def filled(file: str, count: int) -> sqlite3.Connection:
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(
        "CREATE TABLE thing (vendor, model, sn, state, key_hash, activated_at, enabled_until, "
        "PRIMARY KEY (vendor, model, sn)) WITHOUT ROWID"
    )
    database.execute("BEGIN")
    rows = (("bench", "m", f"S{number:07d}", "pending", "", 0, 1e12) for number in range(count))
    database.executemany("INSERT INTO thing VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    database.execute("COMMIT")
    return database


def main() -> None:
    file, count, port = sys.argv[1:]
    database = filled(file, int(count))

    async def activate(request: web.Request) -> web.Response:
        form = await request.post()
        key = secrets.token_hex(20)
        names = [str(form.get(name, "")) for name in ("vendor", "model", "sn")]
        won = database.execute(ACTIVATE, (sha256(key.encode()).hexdigest(), 1.0, *names, 2.0)).rowcount
        return web.Response(text=key) if won else web.Response(status=409)

    app = web.Application()
    app.router.add_post("/provision/activate", activate)
    web.run_app(app, host="127.0.0.1", port=int(port), print=lambda *_: print("READY", flush=True), access_log=None)


if __name__ == "__main__":
    main()
