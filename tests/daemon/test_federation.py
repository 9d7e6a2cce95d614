"""An instance whose database does not say at first where phones are at home."""

from __future__ import annotations

import asyncio
from pathlib import Path

from provd.app.elsewhere import Place
from provd.app.ports import Put
from provd.app.regions.ports import Ledger
from provd.base.clock import SystemClock
from provd.base.errors import StorageError
from provd.base.facts import Fact
from provd.base.types import Mac
from provd.config.load import load
from provd.daemon.core import Core
from provd.daemon.regions import Federation
from provd.domain.records import Device, Tenant
from tests.kit.daemon import loopback_config

PHONE = Mac("805ec0112233")
REGION = '[region]\nrole = "{role}"\nname = "eu"\nendpoint = "https://eu.example"\n'


class Dumb:
    """A ledger that cannot be read for a while."""

    def __init__(self, ledger: Ledger, times: int) -> None:
        self.change = ledger.change
        self._ledger = ledger
        self._times = times

    async def read(self, work: object) -> object:
        if self._times:
            self._times -= 1
            raise StorageError("no answer")
        return await self._ledger.read(work)  # type: ignore[arg-type]


async def opened(folder: Path, role: str, times: int) -> tuple[Core, Federation, list[Fact]]:
    text, _ = loopback_config(folder / "state", sections=REGION.format(role=role))
    file = folder / "provd.toml"
    file.write_text(text)
    facts: list[Fact] = []
    core = Core(load(file), SystemClock(), facts.append)
    federation = Federation(core)
    federation.again = 0.0
    federation.phones._ledger = Dumb(core.home_ledger, times)
    await federation.load()
    return core, federation, facts


async def test_until_it_is_known_where_phones_are_none_of_them_is_served(tmp_path: Path) -> None:
    core, federation, facts = await opened(tmp_path, "regional", 3)
    assert [(fact.ID, fact.part) for fact in facts if fact.ID == "DEGRADED"] == [("DEGRADED", "homes")]  # type: ignore[attr-defined]
    assert federation.phones.place(PHONE) == Place()
    await asyncio.gather(*federation._tasks_beside)
    assert federation.phones.place(PHONE) is None
    assert [fact.ID for fact in facts if fact.ID in {"DEGRADED", "RECOVERED"}] == ["DEGRADED", "RECOVERED"]
    await federation.close()
    await core.close()


async def test_who_stands_alone_serves_everybody(tmp_path: Path) -> None:
    core, federation, _ = await opened(tmp_path, "standalone", 10_000)
    assert federation.phones.place(PHONE) is None
    await federation.close()
    await core.close()


async def test_whose_a_phone_is_says_the_fleet(tmp_path: Path) -> None:
    core, federation, _ = await opened(tmp_path, "regional", 0)
    phone = Device(mac=PHONE, tenant="north", first_seen=1.0)
    await core.fleet.change(lambda: [Put(Tenant(id="north", name="North")), Put(phone)])
    assert core.regions.holder("80:5E:C0:11:22:33") == "north"
    assert [core.regions.holder(name) for name in ("805ec0112234", "sensor-1")] == [None, None]
    await federation.close()
    await core.close()
