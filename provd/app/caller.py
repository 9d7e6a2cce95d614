"""Who asks for an operation, and what that caller may see and do."""

from __future__ import annotations

import enum
from collections.abc import Callable

from provd.app.ownership import MARK
from provd.base.dataclass import dataclass
from provd.base.errors import ForbiddenError


class Scope(enum.StrEnum):
    """What a caller may do. Each one includes those before it."""

    READ = "read"
    """Look at everything of one's own, secrets excepted."""
    WRITE = "write"
    """Change what belongs to the daily work: devices, lines, codes, profiles."""
    ADMIN = "admin"
    """See secrets, change tenants, make tokens, read the audit trail."""


SCOPES = tuple(Scope)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks. ``name`` stands in the audit; ``tenant`` None means a caller of all tenants.

    To a caller of one tenant, what belongs to others does not exist.
    """

    name: str
    tenant: str | None = None
    scopes: frozenset[Scope] = frozenset(SCOPES)
    peer: str = ""
    """Where the request came from, for the audit."""
    condition: Callable[[], None] | None = None
    """Is called when everything stands still for this caller's change, and may raise what forbids it."""

    def has(self, scope: Scope) -> bool:
        """Whether this scope, or one that includes it, was granted."""
        return any(SCOPES.index(granted) >= SCOPES.index(scope) for granted in self.scopes)

    def need(self, scope: Scope) -> None:
        """Raises ForbiddenError without that scope."""
        if not self.has(scope):
            raise ForbiddenError(f"this needs the scope {scope.value!r}")

    def need_all_tenants(self) -> None:
        """Raises ForbiddenError when the caller is one of a single tenant."""
        if self.tenant is not None:
            raise ForbiddenError("this concerns all tenants: it needs a token that is not bound to one")

    def owns(self, tenant: str | None) -> bool:
        """Whether an object of that tenant (None: of the whole site) exists for this caller."""
        return self.tenant is None or self.tenant == tenant

    def names(self, given: str) -> tuple[str, ...]:
        """The keys that a name given by this caller may stand for, the likeliest first.

        Tenants name lines and profiles each for themselves: what tenant ``acme`` calls ``101`` is kept as
        ``acme:101``, so that no name that somebody else has taken can be noticed by trying it.
        """
        if self.tenant is None or MARK in given:
            return (given,)
        return f"{self.tenant}{MARK}{given}", given

    def new_name(self, given: str) -> str:
        """The key of an object that this caller makes."""
        return self.names(given)[0]

    def shown(self, key: str) -> str:
        """A key as this caller knows it."""
        return key if self.tenant is None else key.removeprefix(f"{self.tenant}{MARK}")
