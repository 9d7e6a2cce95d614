"""The section about webhooks: who hears of what."""

from __future__ import annotations

from pydantic import Field, field_validator

from provd.config.section import Section
from provd.config.values import Duration, Network, with_host
from provd.domain.hooks import Hook


class WebhookSection(Section):
    """A server that is told of facts by HTTP POST."""

    name: str = Field(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$")
    url: str = Field(pattern=r"^https?://[^\s#@]+$", description="where each fact is sent to")
    facts: tuple[str, ...] = Field(
        min_length=1, description='ids of facts, with wildcards: "DEVICE-*", "THING-ACTIVATED"'
    )
    tenant: str = Field(default="", description="only what concerns this tenant's devices")
    secret_file: str = Field(default="", description="file with the secret that letters are signed with (HMAC-SHA256)")
    header: str = Field(default="Authorization", pattern=r"^[A-Za-z0-9-]+$", description="what carries the token")
    prefix: str = Field(default="Bearer ", description="stands before the token")
    token_file: str = Field(default="", description="file with a token and nothing else; empty: none is sent")
    allow: tuple[Network, ...] = Field(
        default=(), description="networks that it may be in, besides public addresses: 10.0.5.0/24"
    )
    most: int = Field(
        default=10_000, ge=1, le=1_000_000, description="how many letters may wait for it; more are not kept"
    )
    keep: Duration = Field(default=86400, ge=60, description="how long a letter is tried until it counts as dead")

    @field_validator("url")
    @classmethod
    def _whole(cls, url: str) -> str:
        return with_host(url)

    @field_validator("facts")
    @classmethod
    def _there(cls, facts: tuple[str, ...]) -> tuple[str, ...]:
        from provd.base.facts.catalogue import catalogue  # noqa: PLC0415 - all facts, for the few who name one

        for pattern in facts:
            hook = Hook(name="", url="", facts=(pattern,))
            if not any(hook.hears(name) for name in catalogue()):
                raise ValueError(f"no fact is called {pattern!r}, or none that is sent; see provd explain")
        return facts
