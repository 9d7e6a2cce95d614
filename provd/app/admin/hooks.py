"""Operations on webhooks: how endpoints are, what was given up, and sending it again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from provd.app.admin import views
from provd.app.admin.desk import Desk, Operation
from provd.app.admin.params import LISTING, Args, Param
from provd.app.caller import Caller, Scope
from provd.base.errors import ConflictError, NotFoundError
from provd.domain.hooks import DeadLetter

if TYPE_CHECKING:
    from provd.app.hooks.outbox import Box, Outbox

_NAME = Param("id", required=True)
MOST = 1000


class Webhooks:
    """``webhook.…``: for who may see all tenants. Without a daemon nothing is sent."""

    def __init__(self, desk: Desk, outbox: Outbox | None) -> None:
        self._desk = desk
        self._outbox = outbox

    def operations(self) -> Sequence[Operation]:
        """What this group offers."""
        replay = (_NAME, Param("letters", "texts", doc="ids of dead letters; all of them unless said"))
        read, write = Scope.READ, Scope.WRITE
        return (
            Operation("webhook.list", "List endpoints and how they are.", self._list, LISTING, read, site=True),
            Operation("webhook.show", "Show an endpoint.", self._show, (_NAME,), read, site=True),
            Operation(
                "webhook.dead", "List the letters that were given up.", self._dead, (_NAME, *LISTING), read, site=True
            ),
            Operation("webhook.replay", "Send dead letters again.", self._replay, replay, write, site=True),
        )

    def visible(self) -> list[Box]:
        """All endpoints; none without a daemon."""
        return [] if self._outbox is None else list(self._outbox.boxes.values())

    def find(self, name: str) -> Box:
        """The endpoint. Raises NotFoundError."""
        return self._found(name)[1]

    def _found(self, name: str) -> tuple[Outbox, Box]:
        if self._outbox is None:
            raise NotFoundError("no daemon runs: only it sends anything")
        box = self._outbox.boxes.get(name)
        if box is None:
            raise NotFoundError(f"there is no webhook {name[:60]!r}")
        return self._outbox, box

    async def _list(self, args: Args, _caller: Caller) -> object:
        if self._outbox is None:
            raise ConflictError("no daemon runs: only it sends anything")
        return await views.page(self.visible(), args, lambda box: box.hook.name, view)

    async def _show(self, args: Args, _caller: Caller) -> object:
        return view(self.find(args.text("id")))

    async def _dead(self, args: Args, _caller: Caller) -> object:
        outbox, box = self._found(args.text("id"))
        name = box.hook.name
        return await views.page(
            await outbox.dead(name, MOST), args, lambda each: f"{each.died:020.3f} {each.id}", dead_view
        )

    async def _replay(self, args: Args, caller: Caller) -> object:
        outbox, box = self._found(args.text("id"))
        name = box.hook.name
        await self._desk.audit("webhook.replay", name, caller)
        return {"id": name, "replayed": await outbox.replay(name, args.texts("letters"))}


def view(box: Box) -> views.View:
    """An endpoint. Of its URL only what is no secret."""
    hook = box.hook
    return {
        "id": hook.name,
        "url": hook.url.partition("?")[0],
        "facts": list(hook.facts),
        "tenant": hook.tenant,
        "state": "failing" if box.failures else "ok",
        "reason": box.reason,
        "failures": box.failures,
        "waiting": box.waiting,
        "dead": box.dead,
        "last": views.when(box.last),
    }


def dead_view(letter: DeadLetter) -> views.View:
    """A letter that was given up."""
    return {
        "id": letter.id,
        "fact": letter.fact,
        "at": views.when(letter.at),
        "died": views.when(letter.died),
        "attempts": letter.attempts,
        "reason": letter.reason,
        "body": json.loads(letter.body),
    }
