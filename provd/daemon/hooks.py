"""Webhooks: from the settings to endpoints, the outbox between facts and them."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import secrets
from collections.abc import Coroutine, Mapping, Sequence

from provd.app.hooks.outbox import AFTER_STORAGE, Outbox
from provd.base.errors import ConfigError, StorageError
from provd.base.facts import Fact
from provd.base.facts.daemon import Degraded, Recovered
from provd.base.types import is_thing, mac_text
from provd.config.hooks import WebhookSection
from provd.config.settings import Settings
from provd.daemon.core import Core
from provd.daemon.secret_files import secret_in
from provd.domain.hooks import Heard, Hook, Letter
from provd.observe.plain import data_of
from provd.outbound.hooks import Endpoint, HookSender
from provd.outbound.web import Permit
from provd.storage.letters import StoredLetters


class Hooking:
    """The outbox over the endpoints that the settings name. Implements its port to them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._sections = core.settings.webhook
        self._sender: HookSender | None = None
        self._working: set[asyncio.Task[None]] = set()
        self._degraded = ""
        self.outbox = Outbox(
            journal=core.store,
            letters=StoredLetters(core.store),
            sender=self,
            clock=core.clock,
            emit=core.emit,
            write=text_of,
            owner=self._owner,
            octets=secrets.token_bytes,
        )

    async def open(self) -> None:
        """Serve, and send what an earlier life has left."""
        self._reach()
        await self.outbox.change(map(hook_of, self._sections))

    def reload(self, settings: Settings) -> None:
        """Take over other endpoints, and secrets that are others by now."""
        if settings.webhook == self._sections and not self._degraded:
            return
        self._sections = settings.webhook
        former = self._sender
        self._reach()
        self._begin(self._changed(former))

    def _begin(self, work: Coroutine[object, object, None]) -> None:
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _changed(self, former: HookSender | None) -> None:
        while True:
            try:
                await self.outbox.change(map(hook_of, self._sections))
            except StorageError:
                # The store has told of itself as degraded.
                await asyncio.sleep(AFTER_STORAGE)
            else:
                break
        if former is not None:
            await former.close()

    async def close(self) -> None:
        """Stop; what waits goes on waiting."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)
        await self.outbox.close()
        if self._sender is not None:
            await self._sender.close()

    async def send(self, hook: str, letter: Letter) -> Heard:
        """Hand on to the endpoints as they are at present."""
        if self._sender is None:
            return Heard("the daemon only begins")
        return await self._sender.send(hook, letter)

    def counters(self) -> Mapping[str, float]:
        """Letters by endpoint and state."""
        return {
            f"{name} {word}": float(count)
            for name, box in self.outbox.boxes.items()
            for word, count in (("waiting", box.waiting), ("dead", box.dead))
        }

    def _owner(self, fact: Fact) -> str:
        named = getattr(fact, "tenant", "")
        if named or not fact.mac:
            return str(named)
        device = self._core.fleet.tables.device(fact.mac)
        return "" if device is None else device.tenant

    def _reach(self) -> None:
        now, endpoints, faults = self._core.clock.now(), list[Endpoint](), list[str]()
        for section in self._sections:
            try:
                endpoints.append(endpoint_of(section))
            except ConfigError as error:
                # What is wrong with one secret must not keep others from their letters.
                faults.append(str(error))
        self._sender = HookSender(endpoints, self._core.clock)
        if faults:
            self._core.emit(Degraded(at=now, part="webhooks", reason="; ".join(faults)))
        elif self._degraded:
            self._core.emit(Recovered(at=now, part="webhooks"))
        self._degraded = "; ".join(faults)


def hook_of(section: WebhookSection) -> Hook:
    """What the outbox knows of an endpoint."""
    return Hook(
        name=section.name,
        url=section.url,
        facts=section.facts,
        tenant=section.tenant,
        most=section.most,
        keep=float(section.keep),
    )


def endpoint_of(section: WebhookSection) -> Endpoint:
    """What the way to it knows. Raises ConfigError when a secret cannot be read."""
    where = f"webhook {section.name}"
    token = secret_in(section.token_file, where)
    return Endpoint(
        name=section.name,
        url=section.url,
        secret=secret_in(section.secret_file, where),
        header=section.header,
        token=secret_in("", where) if not token else type(token)(section.prefix + token.reveal()),
        permit=Permit(tuple(ipaddress.ip_network(network) for network in section.allow), "webhook.allow"),
    )


def text_of(fact: Fact) -> str:
    """What a letter says of a fact: its level, whose it is, and its own fields."""
    about: dict[str, object] = {"level": fact.LEVEL.name.lower()}
    if fact.mac:
        about["device"] = fact.mac
        about |= {} if is_thing(fact.mac) else {"mac": mac_text(fact.mac)}
    if fact.boot:
        about["boot"] = fact.boot
    return json.dumps({**about, "data": data_of(fact)}, separators=(",", ":"))


__all__: Sequence[str] = ("Hooking", "endpoint_of", "hook_of", "text_of")
