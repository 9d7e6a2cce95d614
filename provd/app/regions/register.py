"""What people do with regions: look at them, add them, send devices to them, register devices by the thousand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from provd.app.caller import Caller
from provd.app.regions import office
from provd.app.regions.owners import missing_here
from provd.app.regions.phones import is_phone
from provd.app.regions.ports import Book, Ledger, Reading
from provd.app.regions.turns import Terms, told
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts import Fact, FactSink
from provd.base.facts.devices import AdminChanged
from provd.domain.records import MASTER_TENANT, AuditEntry
from provd.domain.regions import enrolment as enrolling
from provd.domain.regions.codes import Code, Wrong
from provd.domain.regions.enrolment import Enrolment
from provd.domain.regions.home import STUCK, Home, HomeState, Outgoing, Region, Role, Tombstone
from provd.domain.regions.unit import Unit

T = TypeVar("T")
_KEPT = 7 * 86400.0
"""Seconds for which a finished request can be looked at."""
_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What is known of one device here."""

    home: Home | None
    stone: Tombstone | None
    units: Sequence[Unit]
    saying: Sequence[Outgoing]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """How all of it stands. ``counts`` are state, region, number; ``missing`` tenants that devices here wait for, and
    their number."""

    counts: Sequence[tuple[str, str, int]]
    stuck: Sequence[Home]
    waiting: Sequence[Outgoing]
    missing: Sequence[tuple[str, int]] = ()


class Regions:
    """Every change is durable and in the audit when it returns. ``spoke`` is called when something is to be said."""

    def __init__(
        self,
        ledger: Ledger,
        terms: Callable[[], Terms],
        now: Callable[[], float],
        emit: FactSink,
        fresh: Callable[[], str],
    ) -> None:
        self._ledger = ledger
        self.terms = terms
        self.now = now
        self._emit = emit
        self._fresh = fresh
        self.spoke: Callable[[], None] = _nothing
        self.silent: Callable[[], Sequence[str]] = tuple
        """Instances that do not answer at present."""
        self.holder: Callable[[str], str | None] = _unknown
        """The tenant that has the phone of this device_id, None for what is no phone or was never seen here."""
        self.tenants: Callable[[], Collection[str]] = tuple
        """The tenants of this instance."""
        self.lacking: Callable[[], Mapping[str, Collection[str]]] = dict
        """Tenants that other instances lack, by instance."""

    # -- looking ---------------------------------------------------------------------------------------------------

    async def all(self) -> tuple[Sequence[Region], Sequence[tuple[str, str, int]]]:
        """Every region, and how many devices are in which state there."""
        return await self._ledger.read(lambda book: (book.regions(), book.counts()))

    async def region(self, name: str) -> tuple[Region, Sequence[tuple[str, str, int]]]:
        """One of them. Raises NotFoundError."""
        return await self._ledger.read(lambda book: (_region(book, name), book.counts()))

    async def summary(self) -> Summary:
        """How all of it stands."""
        before = self.now() - STUCK

        def work(book: Reading) -> Summary:
            stuck, waiting, missing = (
                book.stuck(before, _SHOWN),
                book.waiting(_SHOWN),
                missing_here(book, self.tenants()),
            )
            return Summary(counts=book.counts(), stuck=stuck, waiting=waiting, missing=missing)

        return await self._ledger.read(work)

    async def device(self, device_id: str, caller: Caller) -> Standing:
        """One device. Raises NotFoundError."""

        def work(book: Reading) -> Standing:
            home, stone = self._own(book, device_id, caller), book.tombstone(device_id)
            if home is None and stone is None:
                raise NotFoundError(f"there is no device {device_id[:120]!r}")
            units, saying = book.units(device_id), book.saying(device_id)
            return Standing(home=home, stone=stone, units=units, saying=saying)

        # By way of the writer: what was decided a moment ago is there.
        return await self._ledger.change((device_id,), work)

    def lacks(self, home: Home) -> bool:
        """Whether the device's tenant is not here, so that it is the master's."""
        return home.tenant not in ("", MASTER_TENANT, *self.tenants()) and not is_phone(home.device_id)

    async def enrolment(self, name: str) -> Enrolment:
        """A request of many devices. Raises NotFoundError."""
        found = await self._ledger.read(lambda book: book.enrolment(name))
        if found is None:
            raise NotFoundError(f"there is no request {name[:120]!r}")
        return found

    # -- regions ---------------------------------------------------------------------------------------------------

    async def add(self, region: Region, caller: Caller) -> None:
        """One more. Raises ConflictError."""

        def work(book: Book) -> None:
            if region.name == self.terms().name or book.region(region.name) is not None:
                raise ConflictError(f"region {region.name!r} is there already")
            book.put_region(replace(region, created=self.now()))

        await self._change("region.add", region.name, caller, work)

    async def set(self, name: str, changes: Mapping[str, object], caller: Caller) -> None:
        """Change some of what is known of it; ``enabled`` also ends that it is being deleted. Raises NotFoundError."""

        def work(book: Book) -> None:
            region = _region(book, name)
            draining = region.draining and "enabled" not in changes
            book.put_region(replace(region, draining=draining, **changes))  # type: ignore[arg-type]

        await self._change("region.set", name, caller, work)
        self.spoke()

    async def remove(self, name: str, to: str, caller: Caller, *, lost: bool) -> int:
        """Remove a region; gives how many devices are still to leave it (:func:`~provd.app.regions.office.closed`)."""
        now, left = self.now(), [0]

        def work(book: Book) -> None:
            left[0] = office.closed(book, name, to, self.terms(), now, self._fresh, lost=lost)

        await self._change("region.delete", name, caller, work)
        self.spoke()
        return left[0]

    async def list_homes(self, regions: Mapping[str, str], caller: Caller) -> None:
        """Write rows of the table of devices and their regions. Raises NotFoundError for an unknown region."""

        def work(book: Book) -> None:
            known = {region.name for region in book.regions()}
            unknown = set(regions.values()) - known - {""}
            if unknown:
                raise NotFoundError(f"there is no region {min(unknown)[:60]!r}")
            book.list_homes(regions)

        await self._change("region.import", f"({len(regions)} devices)", caller, work, len(regions))

    # -- devices ---------------------------------------------------------------------------------------------------

    async def move(self, device_id: str, to: str, caller: Caller) -> None:
        """Send a device to a region, or (without one) take back its hand-over. Raises NotFoundError, ConflictError."""
        now, transfer, facts = self.now(), self._fresh(), list[Fact]()

        def work(book: Book) -> None:
            before = self._own(book, device_id, caller)
            after = office.moved(book, device_id, to, self.terms(), now, transfer, _tenant(before))
            facts[:] = told(before, after, now) if isinstance(after, Home) else []

        await self._change("region.move", device_id, caller, work)
        self._tell(facts)

    async def retry(self, device_id: str, caller: Caller) -> None:
        """Say at once what waits to be said about a device, or send one that was refused once more."""
        now, transfer, facts = self.now(), self._fresh(), list[Fact]()

        def work(book: Book) -> None:
            home = self._own(book, device_id, caller)
            if home is None or home.state is not HomeState.QRY_FAIL:
                office.hastened(book, device_id, now)
                return
            after = office.moved(book, device_id, home.region, self.terms(), now, transfer, home.tenant)
            facts[:] = told(home, after, now) if isinstance(after, Home) else []

        await self._change("region.retry", device_id, caller, work)
        self._tell(facts)

    def _own(self, book: Reading, device_id: str, caller: Caller) -> Home | None:
        """A device, if there is one; a caller of one tenant has its own ones, as long as they are here or on their way.

        Whose it is says who has it now, and the registration only where nobody else knows. Raises NotFoundError.
        """
        home, had = book.home(device_id), self.holder(device_id)
        if home is not None:
            had = book.claimed(home) if had is None else had
            had = home.tenant if had is None else had
        if caller.tenant is not None and (home is None or not caller.owns(had)):
            raise NotFoundError(f"there is no device {device_id[:120]!r}")
        if home is None or had in ("", MASTER_TENANT, None):
            return home  # whom it was registered for may still get it
        return replace(home, tenant=had)

    def _tell(self, facts: Sequence[Fact]) -> None:
        for fact in facts:
            self._emit(fact)
        self.spoke()

    async def register(self, devices: Sequence[Mapping[str, object]], caller: Caller) -> str:
        """Take a request of up to a thousand devices; gives its id. Raises UsageError."""
        if not 0 < len(devices) <= enrolling.MOST:
            raise UsageError(f"devices: 1 to {enrolling.MOST} in one request, not {len(devices)}")
        if self.terms().role is Role.STANDALONE:
            raise ConflictError("this instance stands alone: see region.role")
        now = self.now()
        request = Enrolment(
            id=self._fresh(),
            by=caller.name,
            total=len(devices),
            devices={"items": [_without_key(each) for each in devices]},
            created=now,
        )

        def work(book: Book) -> None:
            book.prune_enrolments(now - _KEPT)
            book.put_enrolment(request)

        await self._change("region.register", f"({len(devices)} devices)", caller, work)
        self.spoke()
        return request.id

    async def enrol(self) -> bool:
        """Register the next devices of the oldest request; False when there is none. Raises StorageError."""
        now = self.now()

        def work(book: Book) -> bool:
            request = book.unfinished()
            if request is None:
                return False
            book.put_enrolment(_further(book, request, now))
            return True

        return await self._ledger.change((), work, enrolling.CHUNK)

    async def _change(
        self, action: str, name: str, caller: Caller, work: Callable[[Book], None], weight: int = 1
    ) -> None:
        now = self.now()

        def audited(book: Book) -> None:
            if caller.condition is not None:
                caller.condition()
            work(book)
            peer = {"peer": caller.peer} if caller.peer else {}
            book.audit(AuditEntry(at=now, by=caller.name, action=action, kind="region", object=name, data=peer))

        await self._ledger.change((name,), audited, weight)
        self._emit(AdminChanged(at=now, action=action, kind="region", object=name, by=caller.name))


def _nothing() -> None:
    """Nobody says anything here."""


def _tenant(home: Home | None) -> str:
    return "" if home is None else home.tenant


def _unknown(_device_id: str) -> str | None:
    """There are no phones here."""
    return None


def _region(book: Reading, name: str) -> Region:
    found = book.region(name)
    if found is None:
        raise NotFoundError(f"there is no region {name[:60]!r}")
    return found


def _without_key(device: Mapping[str, object]) -> dict[str, object]:
    """A device whose key, should it be there itself, is kept as its hash alone."""
    key = device.get("key")
    if not isinstance(key, str) or not key:
        return dict(device)
    hashed = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
    return {name: value for name, value in device.items() if name != "key"} | {"key_sha256": hashed}


def _further(book: Book, request: Enrolment, now: float) -> Enrolment:
    """A request after its next devices."""
    items = request.devices.get("items", [])
    given = list(items) if isinstance(items, list) else []
    failures = dict(request.failures)
    for number, device in enumerate(given[: enrolling.CHUNK], request.done):
        try:
            _enrolled(book, device, now)
        except (Wrong, ConflictError) as error:
            name = str(device.get("device_id", "")) if isinstance(device, dict) else ""
            code = int(error.code) if isinstance(error, Wrong) else int(Code.EXISTS)
            failures[str(number)] = {"device_id": name[:255], "error": code, "reason": str(error)}
    done, rest = request.done + len(given[: enrolling.CHUNK]), given[enrolling.CHUNK :]
    finished = 0.0 if rest else now
    return replace(request, done=done, devices={"items": rest}, failures=failures, finished=finished)


def _enrolled(book: Book, device: object, now: float) -> None:
    if not isinstance(device, dict):
        raise Wrong(Code.JSON, "a device is an object")
    home = enrolling.home_of(device, now)
    if book.home(home.device_id) is not None or book.tombstone(home.device_id) is not None:
        raise ConflictError("it is there already")
    if home.key_hash and book.home_by_key(home.key_hash) is not None:
        raise ConflictError("another device has the same key")
    book.save(None, home)
