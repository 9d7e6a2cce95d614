"""Two daemons on one PostgreSQL: where a phone is at home is known to both, whoever has moved it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from provd.app.elsewhere import Place
from provd.app.regions.phones import Phones, is_phone
from provd.app.regions.turns import Terms
from provd.app.regions.watching import Seen, Watching
from provd.app.tokens import Tokens
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.daemon.others import Others
from provd.domain.regions.home import Home, HomeState, Region, Role, Tombstone
from provd.storage.ear import CHANNEL
from tests.kit.federation import Silent
from tests.kit.patience import PATIENCE
from tests.storage.conftest import Place as Database
from tests.storage.conftest import PostgresServer
from tests.storage.test_homes import ledger_of

MAC, ID = Mac("805ec0112233"), "80:5e:c0:11:22:33"
EU = Region(name="eu", url="https://eu", endpoint="https://eu.example", secret=Secret("s" * 16))


class Told(Phones):
    """Says when something is news."""

    news: asyncio.Event

    def hear(self, seen: Sequence[Seen], regions: Sequence[Region]) -> None:
        super().hear(seen, regions)
        self.news.set()


class Daemon:
    """As much of one as has to do with it."""

    def __init__(self, database: Database) -> None:
        self.stored = ledger_of(database.open())
        self.ledger = Watching(self.stored, is_phone)
        self.gone: list[Mac] = []
        self.phones = Told(
            self.ledger,
            lambda: Terms(name="world", role=Role.GLOBAL),
            lambda: 1000.0,
            lambda _fact: None,
            fresh=lambda: "t",
            advice=Silent(),  # type: ignore[arg-type]
            tokens=Tokens(b"k" * 32),
            spoke=lambda: None,
            forget=self._forget,
        )
        self.phones.news = asyncio.Event()
        self.ledger.hear = self.phones.hear
        self.others = Others(self.stored, self.phones)

    async def _forget(self, mac: Mac) -> None:
        self.gone.append(mac)

    async def put(self, home: Home) -> None:
        await self.ledger.change((), lambda book: book.save(book.home(home.device_id), home))

    async def leads(self, place: Place | None) -> None:
        async with asyncio.timeout(PATIENCE):
            while self.phones.place(MAC) != place:
                await self.phones.news.wait()
                self.phones.news.clear()


def home(state: HomeState, **more: object) -> Home:
    return Home(device_id=ID, state=state, region="eu", **more)  # type: ignore[arg-type]


async def test_both_lead_a_phone_to_where_one_of_them_has_sent_it(
    postgres_place: Database, postgres: PostgresServer
) -> None:
    first, second = Daemon(postgres_place), Daemon(postgres_place)
    for each in (first, second):
        each.others.open(asyncio.get_running_loop())
        await each.phones.load()
    way = Secret("w" * 26)
    await first.ledger.change((), lambda book: book.put_region(EU))
    await first.put(home(HomeState.REHOMING))
    await first.put(home(HomeState.REHOMING, agreed=True))
    await second.leads(Place())
    await second.put(home(HomeState.REGIONAL, way=way))
    for each in (first, second):
        await each.leads(Place("https://eu.example", way))

    # Its region has another address, and a device that nobody here knows is no matter.
    moved = Region(name="eu", url="https://eu", endpoint="https://new.example", secret=EU.secret)
    await second.ledger.change((), lambda book: book.put_region(moved))
    await first.leads(Place("https://new.example", way))

    # It has arrived: both forget it, and lead it on.
    stone = Tombstone(device_id=ID, region="eu", epoch=1, way=Secret("v"))

    def gone(book: object) -> None:
        book.bury(stone)  # type: ignore[attr-defined]
        book.drop(home(HomeState.REGIONAL, way=way))  # type: ignore[attr-defined]

    await first.ledger.change((), gone)
    for each in (first, second):
        await each.leads(Place("https://new.example", Secret("v")))
        await each.phones.close()
        assert each.gone == [MAC]

    # Whoever has been deaf for a moment looks at everything anew.
    deaf = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query = 'LISTEN {CHANNEL}'"
    assert len(postgres.execute(deaf)) == 2
    await first.ledger.change((), lambda book: book.dig(ID))
    await first.put(home(HomeState.PROV_PEN, agreed=True, epoch=2))
    for each in (first, second):
        await each.leads(None)
        await each.others.close()
        each.stored._store.close()
