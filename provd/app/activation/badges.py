"""By what vendors are known: API tokens of their tenant, tokens of their own, and a key of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace

from provd.app.activation.audited import Audited, named, vendor_of
from provd.app.activation.desk import digest
from provd.app.activation.ports import Book, Ledger, Reading
from provd.app.bearer import issue
from provd.app.caller import Caller, Scope
from provd.base.dataclass import dataclass
from provd.base.errors import ConflictError, NotFoundError, UsageError
from provd.base.facts import FactSink
from provd.base.secrets import Secret
from provd.domain.activation.standing import VendorToken
from provd.domain.activation.thing import Thing, ThingVendor

PREFIX = "pvv1_"
"""What the tokens of vendors begin with."""
MOST_TOKENS = 100
"""Of one vendor."""
_LONGEST = 200
_KEY_OCTETS = 20


@dataclass(frozen=True, slots=True)
class Badge:
    """Who asks. With ``vendor`` he is that one only; else he has whatever his tenant has."""

    caller: Caller
    vendor: str = ""


class Badges(Audited):
    """Says who shows a text, and gives vendors their tokens and keys.

    ``known`` is who shows an API token from that address; ``is_open`` whether a tenant is there and enabled.
    """

    def __init__(
        self,
        ledger: Ledger,
        clock: Callable[[], float],
        emit: FactSink,
        known: Callable[[str, str], Caller | None],
        is_open: Callable[[str], bool],
        octets: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__(ledger, clock, emit)
        self._known = known
        self._is_open = is_open
        self._octets = octets

    async def badge(self, text: str, peer: str) -> Badge | None:
        """Who shows this token or key, None when it is none, was deleted or has expired. Raises StorageError."""
        if not text or len(text) > _LONGEST:
            return None
        caller = self._known(text, peer)
        if caller is not None:
            return Badge(caller)
        kept = digest(text)

        def work(book: Reading) -> tuple[ThingVendor | None, str, frozenset[Scope]]:
            tokens = book.find(VendorToken, hash=kept) if text.startswith(PREFIX) else []
            if not tokens:
                return book.vendor_by_key(kept), "key of vendor", frozenset({Scope.ADMIN})
            token = tokens[0]
            vendor = book.vendor(token.vendor) if token.valid_at(self.now()) else None
            return vendor, f"token {token.id} of vendor", frozenset({Scope.WRITE})

        vendor, what, scopes = await self._ledger.read(work)
        if vendor is None or not self._is_open(vendor.tenant):
            return None
        name = f"{what} {vendor.vendor}"
        return Badge(Caller(name=name, tenant=vendor.tenant, scopes=scopes, peer=peer), vendor.vendor)

    # -- tokens ----------------------------------------------------------------------------------------------------

    async def tokens(self, vendor: str, caller: Caller) -> Sequence[VendorToken]:
        """The tokens of a vendor, also those that have expired. Raises NotFoundError."""

        def work(book: Reading) -> Sequence[VendorToken]:
            vendor_of(book, vendor, caller)
            return book.find(VendorToken, vendor=vendor)

        return await self._ledger.read(work)

    async def add_token(self, vendor: str, name: str, expires: float, caller: Caller) -> Secret:
        """Make a token, which is shown this once. One that has expired gives its id away. Raises ConflictError."""
        named("id", name)
        now = self.now()
        if expires and expires <= now:
            raise UsageError("expire: is over already")
        issued = issue(self._octets, PREFIX)

        def work(book: Book) -> str:
            found = vendor_of(book, vendor, caller)
            present = {each.id: each for each in book.find(VendorToken, vendor=vendor)}
            if name in present and present[name].valid_at(now):
                raise ConflictError(f"{vendor} has a token {name} already")
            if len(present) >= MOST_TOKENS:
                raise ConflictError(f"{vendor} has {MOST_TOKENS} tokens, which is all there may be")
            new = VendorToken(vendor=vendor, id=name, hash=issued.hash, created=now, expires=expires, by=caller.name)
            book.keep(new)
            return found.tenant

        await self._change((vendor, "", ""), "vendor_token_add", f"{vendor}/{name}", caller, work)
        return issued.text

    async def delete_token(self, vendor: str, name: str, caller: Caller) -> None:
        """End a token. Raises NotFoundError."""

        def work(book: Book) -> str:
            found = vendor_of(book, vendor, caller)
            if not book.find(VendorToken, vendor=vendor, id=name):
                raise NotFoundError(f"{vendor} has no token {name[:60]!r}")
            book.forget(VendorToken, vendor=vendor, id=name)
            return found.tenant

        await self._change((vendor, "", ""), "vendor_token_delete", f"{vendor}/{name}", caller, work)

    async def renew_key(self, vendor: str, caller: Caller) -> Secret:
        """Give a vendor a key of its own, which is shown this once; the one before it is dead."""
        key = Secret(self._octets(_KEY_OCTETS).hex())

        def work(book: Book) -> str:
            found = vendor_of(book, vendor, caller)
            book.put_vendor(replace(found, key_hash=digest(key.reveal())))
            return found.tenant

        await self._change((vendor, "", ""), "vendor_key", vendor, caller, work)
        return key

    # -- another tenant --------------------------------------------------------------------------------------------

    async def devices(
        self, vendor: ThingVendor, after: tuple[str, str, str] = ("", "", ""), limit: int = 200
    ) -> Sequence[Thing]:
        """Devices of the vendor's tenant that are its own or were enabled by it, in the order of their keys."""
        return await self._ledger.read(lambda book: book.of_tenant(vendor.tenant, vendor.vendor, after, limit))

    async def move(self, vendor: str, tenant: str, caller: Caller) -> None:
        """Give a vendor to another tenant with its models and contents; its devices move by themselves, before.

        Its tokens and its key are ended: they are in the hands of those who had it. Raises ConflictError.
        """
        caller.need_all_tenants()

        def work(book: Book) -> str:
            was = vendor_of(book, vendor, caller)
            if was.tenant == tenant:
                raise ConflictError(f"{vendor} is a vendor of tenant {tenant!r} already")
            book.put_vendor(replace(was, tenant=tenant, key_hash=""))
            book.forget(VendorToken, vendor=vendor)
            return was.tenant

        await self._change((vendor, "", ""), "vendor_move", f"{vendor} to {tenant}", caller, work)
