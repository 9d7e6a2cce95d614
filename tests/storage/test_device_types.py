"""Types that one daemon has changed are in force at another one on the same database."""

from __future__ import annotations

from provd.app.fleet import Fleet
from provd.app.ports import Delete, Put
from provd.base.secrets import Secret
from provd.domain.device_types import Constraint, DeviceType
from provd.storage.device_types import StoredKinds
from tests.storage.conftest import Place

SENSOR = DeviceType(id="sensor", devices=("acme/*",), settings={"admin.password": Secret("x")}, constraints=("asset",))
ASSET = Constraint(id="asset", attributes={"asset": {"required": True}})


async def test_what_another_daemon_has_changed_is_taken_over(postgres_place: Place) -> None:
    stores = [postgres_place.open() for _ in range(2)]
    first, second = (Fleet(store) for store in stores)
    for fleet in (first, second):
        fleet.load()
    stored = StoredKinds(stores[1])
    assert not stored.alone
    assert not await second.follow(stored.read)
    await first.change(lambda: [Put(SENSOR), Put(ASSET)])
    assert await second.follow(stored.read)
    assert not await second.follow(stored.read)
    kinds, generation = second.tables.kinds, second.generation
    assert (kinds.types["sensor"].settings, kinds.constraints["asset"].attributes) == (
        SENSOR.settings,
        ASSET.attributes,
    )
    found = kinds.typing.of("acme", "a1", "")
    assert found is not None
    assert found.id == "sensor"
    await first.change(lambda: [Delete(SENSOR)])
    assert await second.follow(stored.read)
    assert (kinds.typing.of("acme", "a1", ""), second.generation > generation) == (None, True)
    for store in stores:
        store.close()
