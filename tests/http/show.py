"""A made-up site for the page's tests; ``python -m tests.http.show [PORT]`` shows it in a browser."""

from __future__ import annotations

import asyncio
import math
import sys

from provd.app.diagnosis.case import Finding
from provd.base.clock import SystemClock
from provd.base.types import Mac
from provd.http.listening import page_socket
from provd.http.page import PageServer
from provd.http.views import (
    BootStep,
    BootView,
    DegradedRow,
    DeviceRow,
    DeviceView,
    FileRow,
    LeaseRow,
    LineRow,
    ListenerRow,
    PluginRow,
    RefusalRow,
    Rows,
    SettingRow,
    StatusView,
)

STATES = ("seen", "identified", "unclaimed", "assigned", "provisioned", "stale")


def boot_at(at: float, *, refused: bool = False) -> BootView:
    last = (
        BootStep(
            at + 2.9, 0.3, "FILE-REFUSED", "refused", "805ec0112233.cfg to 10.20.16.9 over http: no lease", "warning"
        )
        if refused
        else BootStep(
            at + 2.9, 0.3, "FILE-SERVED", "$MAC file", f"805ec0112233.cfg, 4.2 kB over http, etag={'0f' * 32}"
        )
    )
    return BootView(
        f"{int(at):x}",
        (
            BootStep(at, 0.0, "DEVICE-SIGHTED", "discover", "over dhcp, vendor Acme"),
            BootStep(at + 0.52, 0.52, "DHCP-OFFER", "offer", "10.20.16.9 for 1 h"),
            BootStep(at + 0.54, 0.02, "DHCP-ACK", "ack", "10.20.16.9 for 1 h"),
            BootStep(at + 2.6, 2.06, "FILE-SERVED", "y28.cfg", "y28.cfg, 1.1 kB over http"),
            last,
        ),
    )


class Site:
    """Views over a fleet of that many devices."""

    def __init__(self, count: int, now: float, *, reasons: tuple[str, ...] = ()) -> None:
        self.reasons = reasons
        self.left_out: tuple[str, ...] = ()
        self.now = now
        self.rows = [self._row(number) for number in range(count)]

    def _row(self, number: int) -> DeviceRow:
        at = self.now - 37 - number * number * 11.0
        known = number % 9 != 8
        return DeviceRow(
            mac=Mac(f"805ec0{number:06x}"),
            vendor="Acme" if known else "",
            model=("P21 E2", "P27G", "W56")[number % 3] if known else "",
            version="52.84.0.15" if known else "",
            state=STATES[(4, 4, 2, 3, 4, 5, 4, 1, 0)[number % 9]],
            tenant="master" if number % 9 in {2, 7, 8} else ("acme", "globex")[number % 2],
            label=("Reception", "", "Anna Berg", "<script>alert(1)</script>")[number % 4],
            ip=f"10.20.{16 + number // 250}.{number % 250 + 1}",
            lines=number % 3,
            last_seen=at + 20,
            last_boot=at,
            boot=boot_at(at, refused=number % 7 == 3) if number % 9 != 8 else None,
        )

    async def devices(self, query: str, state: str, offset: int, limit: int, tenant: str = "") -> Rows[DeviceRow]:
        found = [
            row
            for row in self.rows
            if state in ("", row.state)
            and tenant in ("", row.tenant)
            and query.lower() in f"{row.mac} {row.model}".lower()
        ]
        return Rows(tuple(found[offset : offset + limit]), len(found))

    def states(self) -> dict[str, int]:
        return {state: sum(row.state == state for row in self.rows) for state in STATES}

    def device(self, mac: Mac) -> DeviceView | None:
        row = next((row for row in self.rows if row.mac == mac), None)
        if row is None:
            return None
        return DeviceView(
            row=row,
            findings=(
                Finding("problem", "<i>805ec0.cfg</i> was refused to it 5 min ago: no valid token", "give it its URL"),
                Finding("note", "no time zone is set for it"),
            ),
            serial="1234567890",
            plugin="acme 1.2.0",
            confidence=90,
            reasons=(
                "User-Agent 'Acme P21 E2 52.84.0.15 80:5e:c0:11:22:33' names model and version",
                "OUI 80:5e:c0 is Acme's",
            ),
            first_seen=self.now - 86400 * 40,
            lines=(
                LineRow(
                    position=1,
                    id="l1",
                    number="201",
                    display_name="Anna Berg",
                    username="a201",
                    server="sip.acme.test",
                    transport="udp",
                ),
                LineRow(
                    position=2,
                    id="l2",
                    number="299",
                    display_name="<b>Door</b>",
                    username="a299",
                    server="sip.acme.test",
                    transport="tls",
                ),
            )
            if row.state in {"assigned", "provisioned"}
            else (),
            settings=(
                SettingRow("admin.password", "***", "tenant acme"),
                SettingRow("locale.language", "en", "model P21"),
                SettingRow("time.zone", "Europe/Madrid", "site"),
            ),
            files=(
                FileRow(name="y28.cfg", kind="common", last_served=self.now - 36, size=1100, via="http"),
                FileRow(name=f"{mac}.cfg", kind="device", last_served=self.now - 35, size=4200, via="http"),
                FileRow(name=f"{mac}.boot", kind="device"),
            ),
            boots=(boot_at(row.last_boot, refused=True), boot_at(row.last_boot - 7200)),
        )

    def findings(self, mac: Mac) -> tuple[Finding, ...]:
        return (Finding("problem", "nothing was ever heard from it", f"provd tail {mac}"),)

    async def leases(self, query: str, offset: int, limit: int) -> Rows[LeaseRow]:
        found = [
            LeaseRow(
                ip=row.ip,
                mac=row.mac,
                state=("active", "expired", "released", "declined")[number % 4],
                starts=row.last_boot,
                expires=math.inf if number == 0 else row.last_boot + 3600,
                hostname=f"phone-{number}",
                subnet="10.20.0.0/16",
                vendor_class="acme",
            )
            for number, row in enumerate(self.rows)
            if query in row.ip
        ]
        return Rows(tuple(found[offset : offset + limit]), len(found))

    def refusals(self, offset: int, limit: int) -> Rows[RefusalRow]:
        found = [
            RefusalRow(
                at=row.last_boot,
                fact=("FILE-REFUSED", "RENDER-FAILED")[number % 2],
                level=("warning", "error")[number % 2],
                reason=("no lease of ours for 10.20.99.1", "line 14: display_name has a line break")[number % 2],
                mac=row.mac if number % 3 else None,
                peer="10.20.99.1",
                name=f"{row.mac}.cfg",
            )
            for number, row in enumerate(self.rows)
        ]
        return Rows(tuple(found[offset : offset + limit]), len(found))

    def status(self) -> StatusView:
        return StatusView(
            version="0.1.0",
            started=self.now - 93_000,
            listeners=(
                ListenerRow("dhcp", "eth1"),
                ListenerRow("tftp", "0.0.0.0:69"),
                ListenerRow("phones", "0.0.0.0:8667"),
            ),
            degraded=(DegradedRow("tftp", "0.0.0.0:69: address in use", self.now - 600),),
            counts=(("devices", len(self.rows)), ("leases", 812), ("tenants", 3), ("codes", 12)),
            plugins=(
                PluginRow(id="acme", version="1.2.0", models=14, devices=88),
                PluginRow(id="other", version="1.0.0", models=5),
            ),
        )

    def notes(self) -> tuple[str, ...]:
        return self.left_out

    def unready(self) -> tuple[str, ...]:
        return self.reasons


async def show(port: int) -> None:
    clock = SystemClock()
    page = PageServer(Site(240, clock.now()), lambda: b"", emit=print, clock=clock)
    listener = page_socket("127.0.0.1", port)
    await page.serve(listener)
    print(listener.getsockname(), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(show(int(sys.argv[1]) if len(sys.argv) > 1 else 8666))
