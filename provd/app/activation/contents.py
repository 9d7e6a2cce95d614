"""Contents that devices of a model may fetch: sent in pieces, replaced at once, granted by groups."""

from __future__ import annotations

import secrets
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256

from provd.app.activation.audited import Audited, known, named
from provd.app.activation.ports import Book, Ledger, Reading
from provd.app.caller import Caller
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, ProvdError, StorageError
from provd.base.facts import FactSink
from provd.domain.activation.content import PIECE, Content, Member, Piece, granted, reached
from provd.domain.activation.thing import Thing, ThingModel

MOST_CONTENTS = 1000
"""Contents of one model."""
_KEPT = 3600.0
"""Seconds that a blob stays after nobody needs it any more: somebody may still be reading it."""
_WEIGHT = 100
"""A piece counts as so many rows where the writer reckons how long it may take."""
_DROPPED_AT_ONCE = 32


class TooLargeError(ProvdError):
    """There is no room for what was sent. Nothing was changed."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Octets of one content, and of all contents of a vendor together."""

    one: int
    all: int


class Contents(Audited):
    """What the vendor does with contents, and what devices may fetch."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        emit: FactSink,
        bounds: Bounds,
        octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__(ledger, clock, emit)
        self.bounds = bounds
        self._octets = octets

    # -- the vendor ------------------------------------------------------------------------------------------------

    async def list(self, vendor: str, model: str, caller: Caller, sn: str = "") -> Sequence[Content]:
        """The contents of a model, or those that one of its devices may fetch. Raises NotFoundError."""

        def work(book: Reading, _model: ThingModel) -> Sequence[Content]:
            if not sn:
                return book.find(Content, vendor=vendor, model=model)
            known(book, vendor, model, [sn])
            return _allowed(book, vendor, model, sn, self.now())

        return await self.look(vendor, model, caller, work)

    async def show(self, vendor: str, model: str, name: str, caller: Caller) -> Content:
        """One of them. Raises NotFoundError."""
        return await self.look(vendor, model, caller, lambda book, _model: _content(book, vendor, model, name))

    async def add(self, wanted: Content, caller: Caller) -> None:
        """Make room for a content, which has nothing in it yet. Raises ConflictError when it is there."""
        vendor, model = wanted.vendor, wanted.model
        named("id", wanted.id)
        named("meta", wanted.meta, empty=True)

        def work(book: Book, _model: ThingModel) -> None:
            present = {each.id for each in book.find(Content, vendor=vendor, model=model)}
            if wanted.id in present:
                raise ConflictError(f"{vendor}/{model} has a content {wanted.id} already")
            if len(present) >= MOST_CONTENTS:
                raise ConflictError(f"{vendor}/{model} has {MOST_CONTENTS} contents, which is all there may be")
            book.keep(replace(wanted, updated=self.now()))

        await self._of_model("content_add", vendor, model, caller, work, wanted.id)

    async def delete(self, vendor: str, model: str, name: str, caller: Caller) -> None:
        """Remove a content, also from its groups. Who is reading it may finish."""

        def work(book: Book, _model: ThingModel) -> None:
            found = _content(book, vendor, model, name)
            book.let_go(found.blob, self.now())
            book.forget(Content, vendor=vendor, model=model, id=name)
            book.forget(Member, vendor=vendor, model=model, type="content", member_id=name)

        await self._of_model("content_delete", vendor, model, caller, work, name)

    async def upload(
        self, vendor: str, model: str, name: str, media: str, octets: AsyncIterable[bytes], caller: Caller
    ) -> Content:
        """Take a content as it comes; until the last of it is durable, devices get what was there before.

        Raises NotFoundError before anything is read, TooLargeError, StorageError, and whatever ``octets`` raises; then
        nothing has changed.
        """
        named("type", media)
        await self.show(vendor, model, name, caller)
        blob, size, digest = self._octets(16).hex(), 0, sha256()
        number = 0
        try:
            async for piece in _in_pieces(octets):
                size = self._grown(size, piece)
                digest.update(piece)
                await self._keep_piece(Piece(blob=blob, number=number, at=self.now(), octets=piece))
                number += 1
            return await self._replace(vendor, model, name, (blob, media, size, digest.hexdigest()), caller)
        except BaseException:
            # Should this not get through either, the hourly sweep finds what nobody needs.
            await self._drop(blob, number)
            raise

    def _grown(self, size: int, piece: bytes) -> int:
        """Raises TooLargeError."""
        if size + len(piece) > self.bounds.one:
            raise TooLargeError(f"more than {self.bounds.one} octets")
        return size + len(piece)

    async def _keep_piece(self, piece: Piece) -> None:
        await self._ledger.change((), lambda book: book.keep(piece), _WEIGHT)

    async def _replace(
        self, vendor: str, model: str, name: str, sent: tuple[str, str, int, str], caller: Caller
    ) -> Content:
        blob, media, size, digest = sent

        def work(book: Book, _model: ThingModel) -> Content:
            found = _content(book, vendor, model, name)
            others = sum(each.size for each in book.find(Content, vendor=vendor)) - found.size
            if others + size > self.bounds.all:
                raise TooLargeError(f"{vendor} would have more than {self.bounds.all} octets of contents")
            book.let_go(found.blob, self.now())
            new = replace(found, type=media, size=size, sha256=digest, blob=blob, updated=self.now())
            book.keep(new)
            return new

        return await self._of_model("content_upload", vendor, model, caller, work, name)

    # -- devices ---------------------------------------------------------------------------------------------------

    async def of_device(self, thing: Thing) -> Sequence[Content]:
        """The contents that a device may fetch."""
        return await self._ledger.read(lambda book: _allowed(book, thing.vendor, thing.model, thing.sn, self.now()))

    async def for_device(self, thing: Thing, name: str) -> Content | None:
        """A content for a device, None where it may not have it. Raises NotFoundError when there is none."""

        def work(book: Reading) -> Content | None:
            found = _content(book, thing.vendor, thing.model, name)
            mine = _allowed(book, thing.vendor, thing.model, thing.sn, self.now(), [found])
            return found if mine else None

        return await self._ledger.read(work)

    async def octets(self, blob: str, start: int, stop: int) -> AsyncGenerator[bytes]:
        """The octets of a blob from ``start`` up to but not including ``stop``, in pieces.

        Raises StorageError, also when the blob is gone.
        """
        for number in range(start // PIECE, -(-stop // PIECE)):
            found = await self._ledger.read(partial(_piece, blob, number))
            if not found:
                raise StorageError("the content was removed while it was read")
            began = number * PIECE
            yield found[0].octets[max(start - began, 0) : stop - began]

    # -- what nobody needs any more --------------------------------------------------------------------------------

    async def sweep(self) -> None:
        """Remove what was replaced, deleted, or never came whole, an hour ago or more. Raises StorageError."""
        before = self.now() - _KEPT
        for blob in await self._ledger.read(lambda book: book.stale_blobs(before, 1000)):
            while await self._ledger.change((), partial(_drop_some, blob)):
                pass

    async def _drop(self, blob: str, pieces: int) -> None:
        try:
            for _ in range(0, pieces, _DROPPED_AT_ONCE):
                await self._ledger.change((), partial(_drop_some, blob))
        except StorageError:
            return


async def _in_pieces(octets: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    """The same octets in pieces of ``PIECE``, the last one shorter."""
    gathered = bytearray()
    async for some in octets:
        gathered += some
        while len(gathered) >= PIECE:
            yield bytes(gathered[:PIECE])
            del gathered[:PIECE]
    if gathered:
        yield bytes(gathered)


def _piece(blob: str, number: int, book: Reading) -> list[Piece]:
    return book.find(Piece, blob=blob, number=number)


def _drop_some(blob: str, book: Book) -> int:
    return book.drop_pieces(blob, _DROPPED_AT_ONCE)


def _content(book: Reading, vendor: str, model: str, name: str) -> Content:
    found = book.find(Content, vendor=vendor, model=model, id=name)
    if not found:
        raise NotFoundError(f"{vendor}/{model} has no content {name[:60]!r}")
    return found[0]


def _allowed(
    book: Reading, vendor: str, model: str, sn: str, now: float, contents: Sequence[Content] | None = None
) -> list[Content]:
    """Those contents of a model (or of the given ones) that a device may fetch at that moment."""
    some = book.find(Content, vendor=vendor, model=model) if contents is None else contents
    if not any(each.protected for each in some):
        return [*some]
    groups = groups_of(book, vendor, model, "sn", sn, now)
    placed = book.find(Member, vendor=vendor, model=model, type="content") if groups else []
    return granted(some, placed, groups, now)


def groups_of(book: Reading, vendor: str, model: str, kind: str, name: str, now: float) -> frozenset[str]:
    """The groups that a device, a content or a group is in, directly or by way of other groups."""
    own = book.find(Member, vendor=vendor, model=model, type=kind, member_id=name)
    nested = book.find(Member, vendor=vendor, model=model, type="group") if own else []
    return reached(own, nested, now)
