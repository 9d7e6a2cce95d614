"""Operations on the bearer tokens of the REST interface."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence

from provd.app import bearer
from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import Args, Param
from provd.app.caller import SCOPES, Caller, Scope
from provd.app.ports import Change, Delete, Put
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, UsageError
from provd.domain.records import MASTER_TENANT, ApiToken

MOST = 1000
"""Tokens that one tenant, or the site, may have at a time."""


class Tokens:
    """``token.…``; a caller of one tenant handles the tokens of that tenant."""

    def __init__(self, desk: Desk, octets: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._desk = desk
        self._octets = octets

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        add = (Param("name", required=True), Param("tenant"), Param("scopes", "texts"), Param("expires", "duration"))
        return (
            Operation(
                "token.list", "List tokens.", self._list, (Param("limit", "number"), Param("after")), Scope.ADMIN
            ),
            Operation("token.show", "Show a token's record.", self._show, (Param("id", required=True),), Scope.ADMIN),
            Operation("token.add", "Make a token; it is shown this once.", self._add, add, Scope.ADMIN),
            Operation("token.revoke", "End a token.", self._revoke, (Param("id", required=True),), Scope.ADMIN),
        )

    def view(self, token: ApiToken) -> views.View:
        """A token's record; the token itself is not in it."""
        return views.api_token(token, self._desk.clock.now())

    def visible(self, caller: Caller) -> list[ApiToken]:
        """The tokens that exist for this caller."""
        return [token for token in self._desk.tables.api_tokens.values() if caller.owns(token.tenant or None)]

    def find(self, name: str, caller: Caller) -> ApiToken:
        """The token with that id. Raises NotFoundError, also when it is another tenant's."""
        token = self._desk.tables.api_token(name)
        if token is None or not caller.owns(token.tenant or None):
            raise NotFoundError(f"there is no token {name[:60]!r}")
        return token

    async def _list(self, args: Args, caller: Caller) -> object:
        return await views.page(self.visible(caller), args, lambda token: token.id, self.view)

    async def _show(self, args: Args, caller: Caller) -> object:
        return self.view(self.find(args.text("id"), caller))

    async def _add(self, args: Args, caller: Caller) -> object:
        tenant, scopes = self._tenant(args, caller), _scopes(args, caller)
        now, lasting = self._desk.clock.now(), args.number("expires")
        issued = bearer.issue(self._octets)
        token = ApiToken(
            id=issued.id,
            name=args.text("name"),
            tenant=tenant,
            scopes=tuple(scope.value for scope in scopes),
            hash=issued.hash,
            created=now,
            expires=now + lasting if lasting else 0.0,
        )

        def plan() -> list[Change]:
            tokens = self._desk.tables.api_tokens
            if sum(other.tenant == tenant for other in tokens.values()) >= MOST or token.id in tokens:
                raise ConflictError("there is no room for another token")
            return [Put(token)]

        await self._desk.change("token.add", token.id, caller, plan)
        return {**self.view(token), "token": issued.text.reveal()}

    def _tenant(self, args: Args, caller: Caller) -> str:
        name = args.text("tenant") or caller.tenant or ""
        if name == MASTER_TENANT:
            raise UsageError("tenant: a token is bound to a tenant that somebody is, or to none for all of them")
        return self._desk.tenant(name, caller).id if name else ""

    async def _revoke(self, args: Args, caller: Caller) -> object:
        await self._desk.change(
            "token.revoke", args.text("id"), caller, lambda: [Delete(self.find(args.text("id"), caller))]
        )
        return {"revoked": args.text("id")}


def _scopes(args: Args, caller: Caller) -> list[Scope]:
    """The scopes to be granted, none of which the caller is without. Raises UsageError, ForbiddenError."""
    wanted = args.texts("scopes") or (Scope.READ.value,)
    unknown = [name for name in wanted if name not in set(Scope)]
    if unknown:
        raise UsageError(f"scopes: must be of {', '.join(SCOPES)}, not {unknown[0][:60]!r}")
    scopes = [scope for scope in SCOPES if scope.value in wanted]
    if not all(caller.has(scope) for scope in scopes):
        raise ForbiddenError("a token cannot grant more than its maker has")
    return scopes
