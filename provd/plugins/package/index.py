"""The list of packages that a publisher offers: ``index.json`` and its signature ``index.json.minisig``.

The list carries a number that only rises and a date after which it counts no more. Whoever sits between a site and its
publisher can therefore neither hand out an old list (with packages whose faults are known) nor keep a site on the
present one for ever.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provd.base.dataclass import dataclass
from provd.base.errors import PluginError
from provd.plugins.package.version import Version

INDEX = "index.json"
SIGNATURE = ".minisig"
LARGEST = 4 << 20

_FILE = re.compile(r"[a-z][a-z0-9_]{1,39}-[0-9A-Za-z.-]{1,80}\.zip")


class IndexRefusedError(PluginError):
    """A list of packages that cannot be used."""


class _Row(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    id: str = Field(pattern=r"^[a-z][a-z0-9_]{1,39}$")
    version: str
    contract: int
    vendor: str = Field(max_length=60)
    description: str = Field(max_length=500)
    file: str
    size: int = Field(ge=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _File(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    serial: int = Field(ge=1, le=2**53)
    expires: str
    packages: list[_Row] = Field(max_length=10_000)


@dataclass(frozen=True, slots=True)
class Offer:
    """One package of an index. ``file`` lies beside the index; ``size`` is in octets."""

    id: str
    version: str
    contract: int
    vendor: str
    description: str
    file: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Index:
    """A publisher's list. ``expires`` is in seconds since 1970."""

    serial: int
    expires: float
    offers: tuple[Offer, ...]

    def newest(self, plugin: str, contract: int) -> Offer | None:
        """The newest release of a plugin that this provd can use, else its newest pre-release, else None."""
        fitting = [offer for offer in self.offers if offer.id == plugin and offer.contract == contract]
        return max(fitting, key=lambda offer: ("-" not in offer.version, Version(offer.version)), default=None)

    def find(self, plugin: str, version: str) -> Offer | None:
        """A certain version."""
        return next((offer for offer in self.offers if (offer.id, offer.version) == (plugin, version)), None)


def read(content: bytes) -> Index:
    """The index in ``index.json``, whose signature was checked before. Raises IndexRefusedError."""
    if len(content) > LARGEST:
        raise IndexRefusedError(f"the index is larger than {LARGEST >> 20} MiB")
    try:
        file = _File.model_validate(json.loads(content))
        expires = datetime.fromisoformat(file.expires)
        offers = tuple(_offer(row) for row in file.packages)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise IndexRefusedError(
            f"the index is not usable: {'.'.join(map(str, first['loc']))}: {first['msg']}"
        ) from None
    except (ValueError, RecursionError) as error:
        raise IndexRefusedError(f"the index is not usable: {error}") from None
    if expires.tzinfo is None:
        raise IndexRefusedError("the index is not usable: expires has no time zone")
    return Index(file.serial, expires.timestamp(), offers)


def check(index: Index, *, now: float, seen: int) -> None:
    """Raises IndexRefusedError for a list that ran out, or is older than one seen before, whose serial is ``seen``."""
    if index.serial < seen:
        raise IndexRefusedError(
            f"the index is number {index.serial}, and number {seen} was seen before: somebody hands out an old one"
        )
    if now >= index.expires:
        ended = datetime.fromtimestamp(index.expires, UTC).date()
        raise IndexRefusedError(
            f"the index counted until {ended}: its publisher has to sign a new one (is the clock right?)"
        )


def write(serial: int, expires: float, offers: Iterable[Offer]) -> bytes:
    """``index.json`` for these packages, sorted, so that the same list is the same octets."""
    rows = sorted(offers, key=lambda offer: (offer.id, Version(offer.version)))
    ends = datetime.fromtimestamp(expires, UTC).isoformat(timespec="seconds")
    content = {"serial": serial, "expires": ends, "packages": [asdict(row) for row in rows]}
    return json.dumps(content, indent=1, ensure_ascii=False).encode() + b"\n"


def _offer(row: _Row) -> Offer:
    if not _FILE.fullmatch(row.file):
        raise ValueError(f"{row.file!r} is no name of a package")
    Version(row.version)
    return Offer(**row.model_dump())
