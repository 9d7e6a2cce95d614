"""``[plugins]``: where vendor plugins come from, and whose signatures count."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from provd.base.errors import PluginError
from provd.config.section import Section

_URL = re.compile(r"https?://[^\s/?#@]+(?:/[^\s?#]*)?")
_PROXY = re.compile(r"http://(?:[^\s/?#@]+@)?[^\s/?#@]+/?")


class PluginsSection(Section):
    """Vendor plugins."""

    paths: tuple[Path, ...] = Field(default=(), description="further folders with plugins, besides the bundled ones")
    trust: Literal["signed", "local"] = Field(
        default="signed", description="signed | local (a package from this machine's disk needs no signature)"
    )
    keys: tuple[str, ...] = Field(default=(), description="public keys of publishers, as minisign writes them (RW…)")
    sources: tuple[str, ...] = Field(default=(), description="folders of publishers, where their index.json lies")
    proxy: str = Field(default="", description="HTTP proxy on the way there, such as http://proxy:3128")

    @field_validator("keys")
    @classmethod
    def _keys(cls, keys: tuple[str, ...]) -> tuple[str, ...]:
        if keys:
            # Only who trusts a key waits for the cryptography with every command.
            from provd.plugins.package.gate import keys_of  # noqa: PLC0415

            try:
                keys_of(keys)
            except PluginError as error:
                raise ValueError(str(error)) from None
        return keys

    @field_validator("sources")
    @classmethod
    def _sources(cls, sources: tuple[str, ...]) -> tuple[str, ...]:
        for source in sources:
            if not _URL.fullmatch(source):
                raise ValueError(f"{source!r} is no URL of a folder (http:// or https://, without a query)")
        return sources

    @field_validator("proxy")
    @classmethod
    def _proxied(cls, proxy: str) -> str:
        if proxy and not _PROXY.fullmatch(proxy):
            raise ValueError("a proxy is http://HOST:PORT")
        return proxy
