"""Tokens that a vendor makes for itself: ``/provision/admin/auth/…``"""

from __future__ import annotations

from provd.app.activation.badges import Badges
from provd.base.errors import NotFoundError, UsageError
from provd.domain.activation.form import only
from provd.domain.activation.standing import VendorToken
from provd.http.activation.standing import Standing
from provd.http.activation.wire import DONE, READING, Reply, ThingRequest, not_allowed, rows_reply, text_reply


class TokenPaths:
    """Answers vendors about their tokens. A token is in the answer to its making and nowhere else."""

    def __init__(self, badges: Badges) -> None:
        self._badges = badges

    async def answer(self, request: ThingRequest, who: Standing, name: str) -> Reply:
        """A request for what stands behind ``/provision/admin/auth/``; a token that has expired is not there.

        Raises ProvdErrors: they become statuses.
        """
        if who.partner:
            raise NotFoundError("there is no such vendor")
        if name and request.method == "DELETE":
            await self._badges.delete_token(who.vendor, name, who.caller)
            return DONE
        if request.method in READING:
            tokens = await self._good(who)
            if not name:
                return rows_reply([(each.id,) for each in tokens])
            found = next((each for each in tokens if each.id == name), None)
            if found is None:
                raise NotFoundError("there is no such token")
            return rows_reply([(found.id, int(found.created), int(found.expires) or "")])
        if name or request.method != "POST":
            return not_allowed("GET", "HEAD", "DELETE" if name else "POST")
        form = request.form()
        wanted, expire = only(form, "id") or "", only(form, "expire") or ""
        if only(form, "delete") == "true":
            await self._badges.delete_token(who.vendor, wanted, who.caller)
            return DONE
        if expire and not (expire.isascii() and expire.isdigit() and len(expire) < 13):
            raise UsageError("expire: must be seconds since 1970")
        made = await self._badges.add_token(who.vendor, wanted, float(expire or 0), who.caller)
        return text_reply(made.reveal())

    async def _good(self, who: Standing) -> list[VendorToken]:
        now = self._badges.now()
        return [each for each in await self._badges.tokens(who.vendor, who.caller) if each.valid_at(now)]
