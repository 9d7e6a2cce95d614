"""The shape of ``plugin.toml``. Values are checked here one by one; what they mean together, in the loader."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._()+-]*$")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[A-Za-z0-9{][A-Za-z0-9{}._-]*$")]
Below = Annotated[str, StringConstraints(max_length=200, pattern=r"^(?:[A-Za-z0-9][A-Za-z0-9._-]*)?$")]
Confidence = Annotated[int, Field(ge=1, le=100)]
Prefix = Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-Fa-f]{6}|[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){2})$")]
Start = Annotated[str, StringConstraints(min_length=3, max_length=60)]
SipEvent = Annotated[
    str,
    # RFC 6665 section 8.2.1: an event type and its parameters, both made of tokens (RFC 3261 section 25.1).
    StringConstraints(max_length=80, pattern=r"^[A-Za-z0-9!%*_+`'~.-]+(?:;[A-Za-z0-9-]+=[A-Za-z0-9_.-]+)*$"),
]
# A PBX takes it as the value of a variable, which a comma would end.
BodyLine = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern=r"^[ -+.-~-]+$")]
ActionPath = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^(?:/[A-Za-z0-9._~-]+)+(?:\?[A-Za-z0-9._~=&;/-]*)?$")
]
PnpVendor = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[ -~]+$")]
Code = Annotated[int, Field(ge=1, le=254)]
Trait = str | int | bool


class Strict(BaseModel):
    """A table without room for misspelt keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ModelRow(BaseModel):
    """``[[model]]``: the further keys are the model's traits, declared in ``[traits]``."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    name: Name
    aliases: list[Name] = []
    lines: int = Field(default=1, ge=0, le=1000)
    keys: int = Field(default=0, ge=0, le=1000)
    common: FileName | list[FileName] = []
    ports: bool = False


class MatchRow(Strict):
    """``[[match]]``."""

    source: Literal["option60", "option77", "user_agent", "file"]
    starts: list[Start] = Field(min_length=1)
    regex: str = Field(max_length=600)
    confidence: Confidence
    model: str = ""


class OuiRow(Strict):
    """``[[oui]]``."""

    prefixes: list[Prefix] = Field(min_length=1)
    confidence: Confidence = 20
    only_without_option60: bool = False
    nameless: list[str] = []
    models: list[str] = []


class FileRow(Strict):
    """``[[file]]``."""

    name: FileName
    kind: Literal["common", "device", "static", "absent", "thing"]
    template: Below = ""
    format: Literal["xml", "keyvalue", "text"] = "text"
    content_type: str = Field(
        default="text/plain; charset=utf-8", pattern=r"^[a-z]+/[a-z0-9.+-]+(; charset=[a-z0-9-]+)?$"
    )
    secrets: bool = True
    elsewhere: Below = ""
    encryption: Literal["", "salted-aes-256-cbc", "aes-128-ecb", "aes128gcm"] = ""
    encrypted_only: bool = False
    hands_over: bool = False
    brings_key: bool = False


class OptionRow(Strict):
    """The value of one DHCP option: exactly one of the encodings."""

    text: str | None = None
    ip: str | None = None
    hex: str | None = None
    suboptions: dict[str, str] | None = None


class DhcpRow(Strict):
    """``[[dhcp]]``."""

    models: list[str] = []
    options: dict[str, OptionRow] = Field(min_length=1)
    force: list[Code] = []


class ActionRow(Strict):
    """``[resync.action]``."""

    paths: list[ActionPath] = Field(min_length=1, max_length=4)
    auth: Literal["none", "basic", "digest"] = "digest"
    user: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[!-9;-~]+$")] = "admin"
    password: Annotated[str, StringConstraints(max_length=63, pattern=r"^[!-~]*$")] = ""
    tls: bool = False
    port: int = Field(default=0, ge=0, le=65535)
    later: Annotated[str, StringConstraints(max_length=80)] = ""


class ResyncRow(Strict):
    """``[resync]``."""

    event: SipEvent
    event_claimed: SipEvent | Literal[""] = ""
    body: list[BodyLine] = Field(default=[], max_length=10)
    reboots: Literal["never", "changed", "always"] = "never"
    daily: bool = False
    spread: int = Field(default=0, ge=0, le=86400)
    step: int = Field(default=1, ge=1, le=1440)
    action: ActionRow | None = None


class PnpRow(Strict):
    """``[pnp]``."""

    vendors: list[PnpVendor] = Field(min_length=1)
    url: str = Field(max_length=200, pattern=r"^[!-~]+$")
    model: str = Field(default="(?P<model>.+)", max_length=200)
    confidence: Confidence = 90


class StepRow(Strict):
    """``[[step]]``."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?$")]
    template: Annotated[Below, StringConstraints(min_length=1)]
    reply: Below = ""
    take: dict[str, str] = {}
    needs: list[Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,39}$")]] = []
    accepts: list[Annotated[int, Field(ge=400, le=599)]] = []


class WritesRow(Strict):
    """``[[writes]]``."""

    settings: list[Annotated[str, StringConstraints(pattern=r"^[a-z_]+(?:\.(?:N|[a-z_]+))*$")]] = Field(min_length=1)
    when: dict[str, bool | int | list[str]] = {}
    otherwise: Annotated[str, StringConstraints(max_length=80)] = ""
    values: list[str] = []
    upto: list[str] = []
    never: Annotated[str, StringConstraints(max_length=80)] = ""
    since: Annotated[str, StringConstraints(pattern=r"^(?:\d{1,5}(?:\.\d{1,5}){0,3}[a-z]?)?$")] = ""


class ManifestFile(Strict):
    """The whole of ``plugin.toml``."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    version: str = Field(pattern=r"^(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[0-9A-Za-z.-]+)?$")
    contract: int
    vendor: Name
    license: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    description: str = Field(min_length=1, max_length=400)
    traits: dict[str, Trait] = {}
    model: list[ModelRow] = Field(min_length=1)
    showcase: list[Name] = []
    limits: Below = ""
    star_codes: list[Annotated[str, StringConstraints(pattern=r"^[0-9*#]{2,16}$")]] = []
    match: list[MatchRow] = []
    oui: list[OuiRow] = []
    file: list[FileRow] = []
    dhcp: list[DhcpRow] = []
    resync: ResyncRow | None = None
    pnp: PnpRow | None = None
    writes: list[WritesRow] = []
    version_from: int = Field(default=0, ge=0, le=3)
    names: Literal["", "names.txt"] = ""
    step: list[StepRow] = []


def keys_at(location: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at that place of the file may have."""
    table: type[BaseModel] | None = ManifestFile
    for part in location:
        if isinstance(part, str) and table is not None and part in table.model_fields:
            table = _table_in(table.model_fields[part].annotation)
    return sorted(table.model_fields) if table is not None else []


def _table_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for inner in get_args(annotation):
        found = _table_in(inner)
        if found is not None:
            return found
    return None
