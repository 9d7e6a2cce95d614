"""The registrations of temporary accounts (RFC 3261 section 10.3): one account is one device, and has one binding."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from provd.base.dataclass import dataclass
from provd.sip.address import NameAddress, name_address, uri_parts
from provd.sip.build import Field
from provd.sip.dialog import direct
from provd.sip.effects import Account, Flow
from provd.sip.message import Request

_LONGEST_CONTACT: Final = 256


@dataclass(frozen=True, slots=True)
class Terms:
    """How long registrations last, in seconds, and how many there may be."""

    shortest: int = 60
    longest: int = 3600
    behind_nat: int = 120
    """The longest where the phone is behind a NAT over UDP: the mapping there hardly outlives it."""
    usual: int = 3600
    """For requests that do not say."""
    most: int = 20_000


class Change(enum.Enum):
    """What a REGISTER did."""

    NONE = "none"
    """A query, or a removal of nothing."""
    NEW = "new"
    MOVED = "moved"
    """The same account by another way: the phone has started again, or has another address."""
    REFRESHED = "refreshed"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class Binding:
    """Where the device with this account is, and until when. ``flow.contact`` is its Contact URI as it came."""

    account: Account
    flow: Flow
    instance: str
    expires: float
    call_id: str
    cseq: int
    user_agent: str
    natted: bool


@dataclass(frozen=True, slots=True)
class Registration:
    """The answer to a REGISTER: status code, phrase, headers; what was changed, and the binding before and after."""

    code: int
    phrase: str
    fields: tuple[Field, ...] = ()
    change: Change = Change.NONE
    before: Binding | None = None
    after: Binding | None = None


@dataclass(frozen=True, slots=True)
class _Wish:
    """One Contact of a request."""

    address: NameAddress
    seconds: int


class Registrar:
    """The table of bindings. It knows time only as it is told, and removes nothing by itself."""

    def __init__(self, terms: Terms) -> None:
        self.terms = terms
        self._bindings: dict[str, Binding] = {}

    def __len__(self) -> int:
        return len(self._bindings)

    def find(self, username: str, now: float) -> Binding | None:
        """The live binding of the account."""
        binding = self._bindings.get(username)
        return binding if binding is not None and binding.expires > now else None

    def all(self) -> Iterator[Binding]:
        """Every binding, live or not yet removed."""
        return iter(list(self._bindings.values()))

    def drop(self, binding: Binding) -> bool:
        """Remove exactly this binding; False when it is not the account's any more."""
        if self._bindings.get(binding.account.username) is not binding:
            return False
        del self._bindings[binding.account.username]
        return True

    def prolong(self, binding: Binding, seconds: float) -> Binding:
        """The binding that takes the place of this one, and ends so much later."""
        later = self._bindings[binding.account.username] = replace(binding, expires=binding.expires + seconds)
        return later

    def register(self, request: Request, account: Account, flow: Flow, now: float) -> Registration:
        """Carry out a REGISTER that was proved to come from the account's device."""
        contacts = request.headers.elements("contact")
        before = self.find(account.username, now)
        if not contacts:
            return self._listed(Change.NONE, before, before, now)
        addresses = [name_address(contact) for contact in contacts]
        all_of_them = "*" in contacts
        if before is not None and before.call_id == request.call_id and request.cseq <= before.cseq:
            return Registration(500, "CSeq is not higher")
        if all_of_them and (contacts != ["*"] or request.headers.get("expires") != "0"):
            return Registration(400, "* needs Expires: 0")
        if not all_of_them and any(_unusable(address.uri) for address in addresses):
            return Registration(400, "Bad Contact")
        wishes = [] if all_of_them else [self._wish(address, request) for address in addresses]
        kept = next((wish for wish in wishes if wish.seconds), None)
        if kept is not None:
            return self._bind(kept, request, account, flow, before, now)
        named = all_of_them or (before is not None and any(_same(address, before) for address in addresses))
        return self._remove(before, now) if named else self._listed(Change.NONE, before, before, now)

    def _bind(
        self, wish: _Wish, request: Request, account: Account, flow: Flow, before: Binding | None, now: float
    ) -> Registration:
        terms = self.terms
        if wish.seconds < terms.shortest:
            return Registration(423, "Interval Too Brief", (("Min-Expires", str(terms.shortest)),))
        if before is None and account.username not in self._bindings and len(self._bindings) >= terms.most:
            return Registration(503, "Too many registrations", (("Retry-After", "60"),))
        contact = uri_parts(wish.address.uri)
        natted = flow.transport == "udp" and (contact is None or contact.host != flow.host)
        seconds = min(wish.seconds, terms.longest, max(terms.shortest, terms.behind_nat) if natted else terms.longest)
        after = Binding(
            account=account,
            flow=replace(direct(flow, wish.address.uri), contact=wish.address.uri),
            instance=wish.address.parameters.get("+sip.instance", ""),
            expires=now + seconds,
            call_id=request.call_id,
            cseq=request.cseq,
            user_agent=request.user_agent,
            natted=natted,
        )
        self._bindings[account.username] = after
        change = Change.NEW if before is None else Change.REFRESHED if before.flow == after.flow else Change.MOVED
        return self._listed(change, before, after, now)

    def _remove(self, before: Binding | None, now: float) -> Registration:
        if before is None:
            return self._listed(Change.NONE, None, None, now)
        self.drop(before)
        return self._listed(Change.REMOVED, before, None, now)

    def _listed(self, change: Change, before: Binding | None, after: Binding | None, now: float) -> Registration:
        """200 with every binding that there is now (step 8)."""
        fields: tuple[Field, ...] = ()
        if after is not None:
            seconds = max(1, round(after.expires - now))
            instance = f';+sip.instance="{after.instance}"' if after.instance else ""
            fields = (("Contact", f"<{after.flow.contact}>;expires={seconds}{instance}"), ("Expires", str(seconds)))
        return Registration(200, "OK", fields, change, before, after)

    def _wish(self, address: NameAddress, request: Request) -> _Wish:
        text = address.parameters.get("expires") or request.headers.get("expires")
        if not text:
            return _Wish(address, self.terms.usual)
        # A value that makes no sense is taken as the default (RFC 3261 section 20.19).
        number = text.isascii() and text.isdigit()
        return _Wish(address, min(int(text[:11]), 1 << 31) if number else self.terms.usual)


def _unusable(uri: str) -> bool:
    parts = uri_parts(uri)
    return parts is None or parts.scheme == "tel" or len(uri) > _LONGEST_CONTACT


def _same(address: NameAddress, binding: Binding) -> bool:
    """Whether a Contact means this binding (RFC 3261 section 19.1.4 as far as it matters, RFC 5626 for instances)."""
    if binding.instance and address.parameters.get("+sip.instance") == binding.instance:
        return True
    one, other = uri_parts(address.uri), uri_parts(binding.flow.contact)
    if one is None or other is None:
        return False
    return (one.user, one.host, one.port or 5060) == (other.user, other.host, other.port or 5060)
