"""The section about regions: what this instance is among others, and how a device's home is chosen."""

from __future__ import annotations

import re
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from provd.config.section import Section
from provd.config.values import Network

NAME = r"^[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?$"
_VALUED = frozenset({"serial", "mac", "country", "tenant", "attribute"})


class RegionRule(Section):
    """Which region is a device's home: the first rule that has an answer counts."""

    by: Literal["serial", "mac", "country", "tenant", "attribute", "table", "webhook", "all"] = Field(
        description="serial | mac (their beginning) | country | tenant | attribute | table | webhook | all"
    )
    value: str = Field(default="", description="what it is compared with, regardless of case")
    name: str = Field(default="", description="of an attribute")
    region: str = Field(default="", description="the home of what fits; table and webhook name it themselves")
    url: str = Field(default="", description='of a webhook: it is sent the device and answers { "region": "eu" }')
    secret_file: str = Field(
        default="", description="file with the secret that requests to it are signed with (HMAC-SHA256)"
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if (self.by in _VALUED) != bool(self.value):
            raise ValueError(f"{', '.join(sorted(_VALUED))}, and no other rule, has a value")
        if (self.by == "attribute") != bool(self.name):
            raise ValueError("attribute, and no other rule, has a name")
        if (self.by in {"table", "webhook"}) == bool(self.region):
            raise ValueError("table and webhook, and no other rule, have no region")
        parts = urlsplit(self.url)
        if (self.by == "webhook") != (parts.scheme in {"http", "https"} and bool(parts.hostname)):
            raise ValueError("webhook, and no other rule, has a URL with https:// and a host")
        if self.secret_file and self.by != "webhook":
            raise ValueError("only a webhook has a secret")
        return self


class RegionSection(Section):
    """Instances that hand devices over to each other: a global one, and regional ones that are their homes."""

    role: Literal["standalone", "global", "regional"] = Field(
        default="standalone", description="standalone | global | regional"
    )
    name: str = Field(default="", description="what the other instances call this one: eu")
    endpoint: str = Field(default="", description="where devices find this instance: https://eu.example")
    delete: bool = Field(default=True, description="false: the identity of a device that has gone home is kept")
    allow: tuple[Network, ...] = Field(
        default=(), description="networks with other instances and webhooks, besides public addresses: 10.0.5.0/24"
    )
    plain: bool = Field(default=False, description="true: they may be reached by http:// (inside a VPN)")
    ca: str = Field(default="", description="file with the certificates that theirs are checked against, if not public")
    client_certificate: str = Field(default="", description="file with a certificate to be shown to them, if they ask")
    client_key: str = Field(default="", description="file with its key")
    rule: tuple[RegionRule, ...] = ()

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.role != "standalone" and not re.match(NAME, self.name):
            raise ValueError("name: an instance that is not standalone has one, of a-z, 0-9, - and _")
        if bool(self.client_certificate) != bool(self.client_key):
            raise ValueError("client_certificate and client_key belong together")
        return self
