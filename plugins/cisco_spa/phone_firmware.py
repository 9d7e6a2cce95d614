"""What a phone makes of its upgrade rule: the first alternative that applies, and the version in the image's name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from .phone_rules import alternatives

_IMAGE = re.compile(r"(?P<stem>[a-z0-9-]*?)-(?P<version>\d+-\d+-\d+[a-z]?)\.bin", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Image:
    """Where an image is, and which version it says it is."""

    url: str
    version: str


def image(rule: str, macros: Mapping[str, str], stem: str) -> tuple[Image | None, list[str]]:
    """The image that the rule leads to, and complaints about it. ``stem`` begins the names of the model's images."""
    complaints: list[str] = []
    for alternative in alternatives(rule, macros):
        complaints += alternative.complaints
        if not alternative.url:
            continue
        name = unquote(alternative.url).rpartition("/")[2]
        found = _IMAGE.fullmatch(name)
        if found is None or (stem and found["stem"].lower() != stem):
            complaints.append(f"{name} is no image of this model")
            return None, complaints
        return Image(alternative.url, found["version"].replace("-", ".")), complaints
    return None, complaints
