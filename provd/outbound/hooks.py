"""Letters to webhooks by HTTP: one POST each, JSON, signed where there is a secret.

Every endpoint has connections of its own: one that hangs takes none from another. What an endpoint says beside its
status is not read.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Iterable
from dataclasses import field
from datetime import UTC, datetime

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.domain.hooks import Heard, Letter, heard_of
from provd.net.authorities import trusting
from provd.outbound.web import NotPermittedError, Permit, asked_pause, guarded_session, plain, signature, unfit

SECONDS = 10.0
"""For a whole exchange."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the letters of a hook go. ``secret`` signs them, ``header`` carries ``token``."""

    name: str
    url: str
    secret: Secret = field(default_factory=lambda: Secret(""))
    header: str = "Authorization"
    token: Secret = field(default_factory=lambda: Secret(""))
    permit: Permit = field(default_factory=lambda: Permit(setting="webhook.allow"))


class HookSender:
    """Implements the port ``Sender``."""

    def __init__(
        self,
        endpoints: Iterable[Endpoint],
        clock: Clock,
        *,
        seconds: float = SECONDS,
        resolver: Callable[[], AbstractResolver] = aiohttp.ThreadedResolver,
    ) -> None:
        self._endpoints = {endpoint.name: endpoint for endpoint in endpoints}
        self._clock = clock
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._resolver = resolver
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._trusted: ssl.SSLContext | None = None

    async def close(self) -> None:
        """End what is in hand."""
        while self._sessions:
            _, session = self._sessions.popitem()
            await session.close()

    async def send(self, hook: str, letter: Letter) -> Heard:
        """Send a letter and say what was heard."""
        endpoint = self._endpoints.get(hook)
        if endpoint is None:
            return Heard("its secret cannot be read")
        url = URL(endpoint.url, encoded=True)
        refusal = unfit(url, endpoint.permit)
        return Heard(refusal) if refusal else await self._posted(endpoint, url, letter)

    async def _posted(self, endpoint: Endpoint, url: URL, letter: Letter) -> Heard:
        body = text_of(letter).encode()
        try:
            session = await self._session(endpoint)
            async with session.post(
                url,
                data=body,
                headers=self._headers(endpoint, letter, body),
                allow_redirects=False,
                timeout=self._timeout,
            ) as answer:
                return heard_of(answer.status, asked_pause(answer.headers.get("Retry-After", ""), self._clock.now()))
        except TimeoutError:
            return Heard(f"{url.host} does not answer in time")
        except aiohttp.ClientConnectorError as error:
            if isinstance(error.os_error, NotPermittedError):
                return Heard(str(error.os_error))
            return Heard(f"{url.host}: {plain(error.os_error.strerror or error)}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Heard(f"{url.host}: {plain(error)}")

    def _headers(self, endpoint: Endpoint, letter: Letter, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Provd-Event": letter.fact,
            "Provd-Delivery": letter.id,
            # What other tools look at; it is the same however often the letter is sent.
            "Idempotency-Key": letter.id,
        }
        if endpoint.token:
            headers[endpoint.header] = endpoint.token.reveal()
        if endpoint.secret:
            headers["Provd-Signature"] = signature(endpoint.secret, body, int(self._clock.now()))
        return headers

    async def _session(self, endpoint: Endpoint) -> aiohttp.ClientSession:
        trusted = self._trusted = self._trusted or await trusting()
        session = self._sessions.get(endpoint.name)
        if session is None:
            session = self._sessions[endpoint.name] = guarded_session(endpoint.permit, self._resolver, trusted)
        return session


def text_of(letter: Letter) -> str:
    """The body: ``{"id", "event", "at", …}`` with what the letter says."""
    at = datetime.fromtimestamp(letter.at, UTC).isoformat(timespec="milliseconds")
    return json.dumps({"id": letter.id, "event": letter.fact, "at": at, **json.loads(letter.body)})
