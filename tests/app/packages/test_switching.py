"""Operations on packages, as the command line and the interface for programs call them."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from provd.app.admin import Admin, Caller, Scope
from provd.app.packages.ports import BUNDLED, Held
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from provd.domain.records import AuditEntry
from tests.app.fakes import BOLT, PHONE, MemoryJournal, World, claimed, tenant
from tests.app.packages.shelf import acme_shelf, shop_of

ANN = Caller(name="ann")


class Site:
    """Acme's plugin came with provd, and version 2.0.0 lies on the shelf; two phones use it."""

    def __init__(self, *, bundled: bool = True) -> None:
        self.world = World(MemoryJournal(tenant(), claimed(PHONE), claimed(BOLT)))
        self.packages = acme_shelf(bundled=bundled)
        self.admin = Admin(
            fleet=self.world.fleet,
            boot=self.world.boot,
            clock=self.world.clock,
            emit=self.world.facts.append,
            zone=lambda _: None,
            shop=shop_of(self.world, self.packages),
        )

    async def call(self, name: str, caller: Caller = ANN, /, **params: object) -> Any:
        result = await self.admin.call(name, params, caller)
        json.dumps(result)
        return result

    def audited(self) -> list[tuple[str, str]]:
        records = self.world.journal.records.values()
        return [(entry.action, entry.object) for entry in records if isinstance(entry, AuditEntry)]


async def test_preparing_puts_nothing_in_force() -> None:
    site = Site()
    work = await site.call("plugin.prepare", package="x.zip")
    assert work["state"] == "done"
    assert work["result"]["expect"] == ""
    assert work["result"]["staged"]["level"] == "bronze"
    assert work["result"]["outcome"]["changed"] > 0
    assert site.packages.taken == ["x.zip"]
    assert site.packages.held("acme").in_force == BUNDLED


async def test_a_version_on_the_shelf_is_not_fetched_again() -> None:
    site = Site()
    await site.call("plugin.prepare", plugin="acme", version="2.0.0")
    assert site.packages.fetched == []
    await site.call("plugin.prepare", plugin="acme")
    assert site.packages.fetched == [("acme", "")]


async def test_switching_and_back() -> None:
    site = Site()
    held = await site.call("plugin.switch", id="acme", version="2.0.0", expect="")
    assert (held["origin"], held["before"]) == ("package", "")
    tried = await site.call("plugin.try", id="acme", previous=True)
    assert tried["result"]["choice"] == BUNDLED
    held = await site.call("plugin.rollback", id="acme")
    assert (held["origin"], held["before"]) == ("bundled", None)
    with pytest.raises(ConflictError, match="nothing was in force before"):
        await site.call("plugin.rollback", id="acme")
    assert site.audited() == [("plugin.switch", "acme 2.0.0"), ("plugin.rollback", "acme ")]


@pytest.mark.parametrize(
    "wanted", [("plugin.rollback", {}), ("plugin.switch", {"version": BUNDLED, "expect": "2.0.0"})]
)
async def test_of_two_at_a_time_one_comes_too_late(wanted: tuple[str, dict[str, str]]) -> None:
    site, (operation, more) = Site(), wanted
    await site.call("plugin.switch", id="acme", version="2.0.0")
    both = [site.call(operation, id="acme", **more) for _ in range(2)]
    first, second = await asyncio.gather(*both, return_exceptions=True)
    assert first["origin"] == "bundled"
    assert isinstance(second, ConflictError)


async def test_what_was_looked_at_has_to_be_what_changes() -> None:
    site = Site()
    await site.call("plugin.switch", id="acme", version="2.0.0")
    with pytest.raises(ConflictError, match=r"2\.0\.0 is in force by now"):
        await site.call("plugin.switch", id="acme", version="2.0.0", expect="")


async def test_what_is_not_there() -> None:
    site = Site()
    with pytest.raises(NotFoundError, match=r"no acme 9\.9\.9 here"):
        await site.call("plugin.switch", id="acme", version="9.9.9")
    with pytest.raises(NotFoundError):
        await site.call("plugin.switch", id="acme", version="/etc")
    assert (await site.call("plugin.link", id="acme", folder="/mine/acme"))["origin"] == "linked"
    with pytest.raises(UsageError, match="exactly one"):
        await site.call("plugin.prepare")
    with pytest.raises(UsageError, match="exactly one"):
        await site.call("plugin.prepare", plugin="acme", package="x.zip")
    with pytest.raises(UsageError, match="absolute"):
        await site.call("plugin.link", id="acme", folder="acme")


async def test_a_package_that_is_refused() -> None:
    site = Site()
    site.packages.refuses = "the package has no signature"
    work = await site.call("plugin.prepare", package="x.zip")
    assert (work["state"], work["reason"]) == ("failed", "the package has no signature")


async def test_removal_goes_back_to_what_came_with_provd() -> None:
    site = Site()
    await site.call("plugin.switch", id="acme", version="2.0.0")
    with pytest.raises(ConflictError, match="is in force"):
        await site.call("plugin.remove", id="acme", version="2.0.0")
    assert (await site.call("plugin.remove", id="acme"))["moved"] == 0
    assert site.packages.held("acme").versions == ()
    with pytest.raises(NotFoundError, match="came with provd is not removed"):
        await site.call("plugin.remove", id="acme")
    assert site.world.device(PHONE).plugin == "acme"


async def test_removal_refuses_while_devices_use_it_unless_told_where_they_go() -> None:
    site = Site(bundled=False)
    await site.call("plugin.switch", id="acme", version="2.0.0")
    with pytest.raises(ConflictError, match=r"2 devices use acme: say where they go"):
        await site.call("plugin.remove", id="acme")
    with pytest.raises(UsageError, match="no other plugin 'acme'"):
        await site.call("plugin.remove", id="acme", to="acme")
    assert site.packages.held("acme").in_force == "2.0.0"
    assert (await site.call("plugin.remove", id="acme", to="bolt"))["moved"] == 2
    phone = site.world.device(PHONE)
    assert (phone.plugin, phone.vendor, phone.model) == ("bolt", "Bolt", "")


async def test_a_folder_of_the_operators_stays_and_it_is_said_what_to_do() -> None:
    site = Site()
    site.packages.shelf["acme"] = Held("acme", own="/var/lib/provd/plugins/acme")
    with pytest.raises(ConflictError) as refused:
        await site.call("plugin.remove", id="acme", to="none")
    told = str(refused.value)
    assert "not installed from a package: it is your folder /var/lib/provd/plugins/acme, which" in told
    assert "move it somewhere else and reload provd (systemctl reload provd); 2 devices use acme" in told
    assert site.world.device(PHONE).plugin == "acme"
    assert [row["origin"] for row in (await site.call("plugin.list"))["items"] if row["id"] == "acme"] == ["folder"]


async def test_nobody_is_told_of_a_plugin_that_never_was() -> None:
    with pytest.raises(NotFoundError, match="there is no plugin 'nothing'"):
        await Site().call("plugin.remove", id="nothing")


async def test_removal_to_nowhere() -> None:
    site = Site(bundled=False)
    await site.call("plugin.switch", id="acme", version="2.0.0")
    await site.call("plugin.remove", id="acme", to="none")
    phone = site.world.device(PHONE)
    assert (phone.plugin, phone.vendor, phone.model) == ("", "Acme", "A1")


async def test_lists() -> None:
    site = Site()
    (offer,) = (await site.call("plugin.available"))["items"]
    assert (offer["plugin"], offer["version"], offer["in_force"]) == ("acme", "2.0.0", "1.0.0")
    rows = (await site.call("plugin.list"))["items"]
    assert [(row["id"], row["origin"], row["versions"]) for row in rows] == [
        ("acme", "bundled", ["2.0.0"]),
        ("bolt", "package", ["2.0.0"]),
    ]
    work = await site.call("plugin.prepare", plugin="acme")
    (row,) = (await site.call("operation.list"))["items"]
    assert (row["id"], row["kind"], row["args"]) == (work["id"], "plugin.prepare", {"plugin": "acme"})
    assert (await site.call("operation.show", id=work["id"]))["result"] == work["result"]
    assert (await site.call("operation.cancel", id=work["id"]))["state"] == "done"


@pytest.mark.parametrize("operation", ["prepare", "try", "switch", "rollback", "remove", "link"])
async def test_only_for_administrators_of_the_whole_site(operation: str) -> None:
    site = Site()
    params: dict[str, object] = {"id": "acme"} if operation != "prepare" else {"plugin": "acme"}
    if operation == "link":
        params["folder"] = "/x"
    for caller in (
        Caller(name="writer", scopes=frozenset({Scope.READ, Scope.WRITE})),
        Caller(name="north's", tenant="north"),
    ):
        with pytest.raises(ForbiddenError):
            await site.call(f"plugin.{operation}", caller, **params)
    assert site.packages.held("acme").in_force == BUNDLED
