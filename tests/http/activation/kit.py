"""A world of devices behind the real listeners and a real database, with a clock to move and a store to break."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from provd.app.activation.badges import Badges
from provd.app.activation.contents import Bounds, Contents
from provd.app.activation.desk import ThingDesk, digest
from provd.app.activation.groups import Groups, Shares
from provd.app.activation.office import VendorOffice
from provd.app.activation.ports import Book
from provd.app.activation.registry import Registry
from provd.app.caller import Caller, Scope
from provd.base.facts import Fact
from provd.domain.activation.content import PIECE
from provd.domain.activation.serials import SerialRange
from provd.domain.activation.thing import Thing, ThingModel, ThingState, ThingVendor, enabled
from provd.http.activation.contents import Downloads
from provd.http.activation.paths import ActivationPaths
from provd.http.activation.vendors import Vendors
from provd.http.connection import Limits
from provd.http.phones import PhoneServer
from provd.http.proxies import TrustedProxies
from provd.storage.ledger import StoredLedger
from provd.storage.session import UnavailableError
from provd.storage.store import Store
from tests.http.kit import DictFiles, FixedClock, RawClient
from tests.kit import databases
from tests.kit.patience import PATIENCE

DAY = 86400
TOKENS = {
    "acme-token": Caller(name="token acme", tenant="acme"),
    "acme-reader": Caller(name="token reader", tenant="acme", scopes=frozenset({Scope.READ})),
    "other-token": Caller(name="token other", tenant="other"),
    "site-token": Caller(name="token site"),
}
MODELS = {"acme": ("m1", "m2", "m4", "m5"), "other": ("m1", "m3"), "prod1": ("prod1",)}
FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")


@dataclass
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    octets: int
    segments: int = 1

    @property
    def text(self) -> str:
        return self.body.decode()


class BreakableLedger(StoredLedger):
    """One that fails when it is told to, as a full disk would."""

    broken = False

    async def change(self, key: tuple[str, ...], work: Any, weight: int = 1) -> Any:
        if self.broken:
            raise UnavailableError("disk full")
        return await super().change(key, work, weight)


@dataclass
class World:
    clock: FixedClock
    ledger: BreakableLedger
    desk: ThingDesk
    office: VendorOffice
    server: PhoneServer
    files: DictFiles
    port: int
    facts: list[Fact]
    news: asyncio.Event
    leases: dict[str, str]
    """MACs by their addresses."""
    closed: set[str]
    """Tenants that are not open."""

    async def heard(self, kind: type[Fact]) -> Fact:
        """The first fact of that kind, when there is one."""
        async with asyncio.timeout(PATIENCE):
            while not (found := [fact for fact in self.facts if isinstance(fact, kind)]):
                self.news.clear()
                await self.news.wait()
        return found[0]

    async def give(self, name: str, state: str = "pending") -> None:
        """A device in some state; the name is ``SN``, ``MODEL/SN`` or ``VENDOR/MODEL/SN``."""
        *path, sn = name.split("/")
        vendor, model = ["acme", "m1"][: 2 - len(path)] + path
        thing = Thing(vendor=vendor, model=model, sn=sn)
        if state != "unclaimed":
            thing = enabled(thing, self.clock.now(), DAY, tenant=vendor, owner="", rid="")
        if state == "expired":
            thing = replace(thing, enabled_at=self.clock.now() - DAY, enabled_until=self.clock.now())
        elif state == "activated":
            thing = replace(thing, state=ThingState.ACTIVATED, key_hash=digest(name), activated_at=self.clock.now())
        elif state == "disabled":
            thing = replace(thing, state=ThingState.DISABLED)
        await self.ledger.change((), lambda book: book.put([thing]))

    async def state(self, name: str) -> str:
        *path, sn = name.split("/")
        vendor, model = ["acme", "m1"][: 2 - len(path)] + path
        things = await self.ledger.read(lambda book: book.things(vendor, model, [sn]))
        return things[sn].state_at(self.desk.now()).value

    async def raw(self, octets: bytes, *, split: bool = False, half_close: bool = False) -> list[Reply]:
        """Every reply to these octets until the server closes or is silent."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        for part in octets.splitlines(keepends=True) if split else [octets]:
            writer.write(part)
            await writer.drain()
            for _ in range(3 if split else 0):
                await asyncio.sleep(0)
        if half_close:
            writer.write_eof()
        replies = []
        try:
            async with asyncio.timeout(PATIENCE):
                expected = max(1, octets[:64].count(b" /provision/"), octets.count(b" /provision/activate"))
                while len(replies) < expected:
                    replies.append(await _reply(reader, octets))
        except (asyncio.IncompleteReadError, ConnectionError):
            return replies
        finally:
            writer.close()
        return replies

    async def ask(
        self, method: str, path: str, body: str | bytes = "", *headers: tuple[str, str], http: str = "1.1"
    ) -> Reply:
        """One request on a connection of its own."""
        octets = body.encode() if isinstance(body, str) else body
        lines = [f"{method} {path} HTTP/{http}"]
        if not any(name == "Host" for name, _ in headers):
            lines.append("Host: x")
        lines += [f"{name}: {value}" for name, value in headers]
        if octets or method in {"POST", "PUT"}:
            lines.append(f"Content-Length: {len(octets)}")
        head = "\r\n".join([*lines, "", ""]).encode()
        replies = await self.raw(head + octets)
        assert len(replies) == 1
        return replies[0]

    async def activate(self, sn: str = "S1", vendor: str = "acme", model: str = "m1", more: str = "") -> Reply:
        return await self.ask("POST", "/provision/activate", f"vendor={vendor}&model={model}&sn={sn}{more}", FORM)

    async def manage(
        self,
        method: str,
        path: str,
        body: str | bytes = "",
        *headers: tuple[str, str],
        token: str = "acme-token",
        part: str = "model",
    ) -> Reply:
        wanted = headers if any(name == "Content-Type" for name, _ in headers) else (FORM, *headers)
        return await self.ask(method, f"/provision/manage/{part}/{path}", body, ("X-Exosite-Token", token), *wanted)

    async def contents(self, method: str, path: str, body: str | bytes = "", *headers: tuple[str, str]) -> Reply:
        return await self.manage(method, path, body, *headers, part="content")

    async def groups(self, method: str, path: str, body: str = "", *headers: tuple[str, str]) -> Reply:
        return await self.manage(method, path, body, *headers, part="group")

    async def download(
        self, key: str, query: str = "", *headers: tuple[str, str], name: str = "X-Exosite-CIK", method: str = "GET"
    ) -> Reply:
        query = query if query.startswith("vendor=") else f"vendor=acme&model=m1{query}"
        return await self.ask(method, f"/provision/download?{query}", "", (name, key), *headers)


async def _reply(reader: asyncio.StreamReader, request: bytes) -> Reply:
    head = await reader.readuntil(b"\r\n\r\n")
    # What of the body has come with the head: small firmware reads once.
    together = len(reader._buffer)  # type: ignore[attr-defined]
    status, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    length = 0 if request.startswith(b"HEAD") else int(headers.get("Content-Length", "0"))
    body = await reader.readexactly(length)
    return Reply(int(status.split()[1]), headers, body, len(head) + length, 1 if together >= length else 2)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    clock, facts, news = FixedClock(), list[Fact](), asyncio.Event()
    leases, closed = dict[str, str](), set[str]()

    def emit(fact: Fact) -> None:
        facts.append(fact)
        news.set()

    databases.lay_out(folder)
    store = Store.open("sqlite", folder, clock, emit)
    ledger = BreakableLedger(store)
    desk = ThingDesk(ledger, clock, emit, leases.get)
    audited = (ledger, desk.now, emit)
    office = VendorOffice(
        registry=Registry(*audited, DAY),
        contents=Contents(*audited, Bounds(one=3 * PIECE, all=4 * PIECE)),
        groups=Groups(*audited),
        shares=Shares(*audited),
        badges=Badges(*audited, lambda token, _peer: TOKENS.get(token), lambda tenant: tenant not in closed),
    )
    files = DictFiles()
    vendors = Vendors(office)
    server = PhoneServer(
        files,
        emit=emit,
        clock=clock,
        proxies=TrustedProxies(()),
        limits=Limits(sweep=3600),
        things=ActivationPaths(desk, vendors, Downloads(office.contents, desk)),
    )
    _, port = await server.listen("127.0.0.1", 0)

    def fill(book: Book) -> None:
        for vendor, models in MODELS.items():
            book.put_vendor(ThingVendor(vendor=vendor, tenant=vendor))
            for model in models:
                book.put_model(ThingModel(vendor=vendor, model=model))
        book.put_range("acme", "m4", SerialRange("base10", 1, 500, 10))

    await ledger.change((), fill)
    try:
        yield World(clock, ledger, desk, office, server, files, port, facts, news, leases, closed)
    finally:
        await server.close(grace=0.2)
        store.close()


__all__ = ["DAY", "FORM", "RawClient", "Reply", "World", "world"]
