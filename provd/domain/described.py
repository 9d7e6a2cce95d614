"""What a plugin would say of a model that an operator has described."""

from __future__ import annotations

import re
from typing import cast

from provd.domain.settings import KNOWN, NUMBERED
from provd.domain.site_models import GENERIC, SPECIFIC, SiteModel
from provd.plugin import (
    CONTRACT,
    DhcpAdvice,
    FileRule,
    Manifest,
    Match,
    Model,
    OptionValue,
    OuiRule,
    ResyncAdvice,
    Writes,
)
from provd.plugin.contract import FileFormat

_CONFIDENCE_AGENT, _CONFIDENCE_OUI = 95, 25
_ALL = tuple(sorted({name.partition(".")[0] for name in (*KNOWN, *NUMBERED)}))


def manifest_of(own: SiteModel) -> Manifest:
    """The model as a plugin would say it."""
    form = cast("FileFormat", own.format)
    common = FileRule("{common}", "common", GENERIC, form, own.content_type, secrets=False)
    return Manifest(
        id=own.plugin,
        version="1.0.0",
        contract=CONTRACT,
        vendor=own.vendor,
        license="",
        description=f"{own.vendor} {own.model}, described here",
        models=(Model(own.model, lines=own.lines, common=own.generic),),
        matches=tuple(
            Match("user_agent", (start.lower(),), _agent(start), _CONFIDENCE_AGENT, own.model)
            for start in own.user_agents
        ),
        ouis=(OuiRule(own.ouis, _CONFIDENCE_OUI),) if own.ouis else (),
        files=(
            *((common,) if own.generic else ()),
            *(FileRule(name, "device", SPECIFIC, form, own.content_type) for name in own.specific),
        ),
        dhcp=(DhcpAdvice(options_of(own.dhcp)),) if own.dhcp else (),
        resync=ResyncAdvice("check-sync"),
        # What its templates write only their author knows.
        writes=(Writes(_ALL),),
    )


def options_of(texts: tuple[str, ...]) -> dict[int, OptionValue]:
    """``CODE=TEXT`` as option values. Raises ValueError for what is none."""
    found: dict[int, OptionValue] = {}
    for text in texts:
        code, equals, value = text.partition("=")
        if not equals or not value or not code.isdecimal() or not 1 <= int(code) <= 254 or int(code) in found:
            raise ValueError(f"{text!r} is not CODE=TEXT with a code from 1 to 254, once each")
        found[int(code)] = OptionValue("text", value)
    return found


def _agent(start: str) -> str:
    return rf"{re.escape(start)}(?:[ /]?(?P<version>\d{{1,4}}(?:\.\d{{1,4}}){{1,4}}))?.*"
