"""From evidence to identity: who made this device, which model and firmware it is, and why we think so.

Expressions are found by their literal prefix, MAC prefixes and file names by dictionary, so that the cost of an
answer does not grow with the number of plugins. Nothing longer than 255 characters meets an expression.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

from provd.base.dataclass import dataclass
from provd.base.drafts import drafted
from provd.base.types import Mac, mac_text
from provd.domain.evidence import Evidence, Identity
from provd.domain.names import LONGEST_NAME, SEPARATORS, NameTable, last_segment, loose_mac, with_folders
from provd.domain.prefixes import Prefixes
from provd.domain.records import Device
from provd.domain.route import Route, Routes, expand
from provd.plugin import Manifest, Match
from provd.plugin.contract import MatchSource

LONGEST_TEXT = 255
"""Characters of one text that are looked at."""
COMMON_NAME = 60
"""Confidence in the model that a common file name tells."""
SHARED_NAME = 55
"""The same, when several models share the name."""
DOUBTED = 40
"""Confidence is cut to this when a User-Agent names another MAC than the file it asks for."""

VENDOR_ONLY = 45
"""Confidence in a device that names its vendor over multicast PnP, but no model that is known."""

_SHOWN = 80


@dataclass(frozen=True, slots=True)
class Rule:
    """A compiled :class:`~provd.plugin.Match` with what it needs of its plugin."""

    plugin: str
    vendor: str
    regex: re.Pattern[str]
    confidence: int
    model: str
    has_model: bool
    models: dict[str, str]
    """Name or alias, lower case, to the model's name."""


class _Claim(NamedTuple):
    """What one piece of evidence says. Compared by confidence only."""

    confidence: int
    plugin: str
    vendor: str
    model: str
    version: str
    mac: Mac | None
    serial: str
    reason: str


class _Oui(NamedTuple):
    claim: _Claim
    needs_no_class: bool
    nameless: tuple[str, ...]


class Index:
    """All that the plugins know about evidence. Immutable; build another one when the plugins change."""

    __slots__ = ("_names", "_ouis", "_pnp", "_prefixes", "_routes")

    def __init__(
        self,
        prefixes: dict[MatchSource, Prefixes[Rule]],
        ouis: dict[str, tuple[_Oui, ...]],
        names: NameTable[tuple[_Claim, ...]],
        routes: Routes,
        pnp: dict[str, tuple[Rule, ...]],
    ) -> None:
        self._pnp = pnp
        self._prefixes = prefixes
        self._ouis = ouis
        self._names = names
        self._routes = routes

    @classmethod
    def build(cls, manifests: Iterable[Manifest]) -> Index:
        """Index all manifests. Expressions must have passed the loader: they are compiled here unguarded."""
        plugins = tuple(manifests)
        rules: dict[MatchSource, list[tuple[str, Rule]]] = {
            "option60": [],
            "option77": [],
            "user_agent": [],
            "file": [],
        }
        ouis: dict[str, tuple[_Oui, ...]] = {}
        names: dict[str, tuple[_Claim, ...]] = {}
        pnp: dict[str, tuple[Rule, ...]] = {}
        for manifest in plugins:
            models = _models(manifest)
            for match in manifest.matches:
                rule = _rule(manifest, match, models)
                rules[match.source] += [(start, rule) for start in match.starts]
            for vendor, rule in _pnp(manifest, models):
                pnp[vendor] = (*pnp.get(vendor, ()), rule)
            for prefix, oui in _ouis(manifest):
                ouis[prefix] = (*ouis.get(prefix, ()), oui)
            for name, route in expand(manifest):
                # A name that says nothing of its asker is in there, too: it is known where its MAC stands.
                names[name.lower()] = names.get(name.lower(), ()) + _common(name, route, manifest.vendor)
        prefixes = {source: Prefixes(found) for source, found in rules.items()}
        return cls(prefixes, ouis, NameTable(names.items()), Routes.build(plugins), pnp)

    @property
    def routes(self) -> Routes:
        """The file routes of the same manifests."""
        return self._routes

    def candidates(self, source: MatchSource, text: str) -> tuple[Rule, ...]:
        """The expressions that this text would be tried against: the work that an identification does."""
        return self._prefixes[source].of(text) if len(text) <= LONGEST_TEXT else ()

    def identify(self, evidence: Evidence) -> Identity:
        """What the evidence says, all of it taken together. Never raises; an empty identity when it says nothing."""
        claims: list[_Claim] = []
        name_mac = self._from_name(evidence.name, claims) if evidence.name else None
        if evidence.user_agent:
            claim = self._match("user_agent", evidence.user_agent, "User-Agent")
            if claim is not None:
                claims.insert(0, _doubted(claim, name_mac))
        if evidence.option60:
            claim = self._match("option60", evidence.option60.rstrip("\0 "), "option 60")
            if claim is not None:
                claims.append(claim)
        if evidence.option77:
            claim = self._match("option77", evidence.option77, "option 77")
            if claim is not None:
                claims.append(claim)
        if evidence.vendor and len(evidence.vendor) + len(evidence.model) + len(evidence.version) <= LONGEST_TEXT:
            claims += [_said(rule, evidence) for rule in self._pnp.get(evidence.vendor.lower(), ())]
        mac = evidence.mac or name_mac or next((claim.mac for claim in claims if claim.mac), None)
        if mac is not None:
            self._from_oui(evidence, mac, claims)
        return _concluded(claims, mac)

    def _match(self, source: MatchSource, text: str, what: str) -> _Claim | None:
        if len(text) > LONGEST_TEXT:
            return None
        best: _Claim | None = None
        for rule in self._prefixes[source].of(text):
            if best is not None and rule.confidence <= best.confidence:
                continue
            found = rule.regex.fullmatch(text)
            if found is not None:
                best = _claim(rule, found, what) or best
        return best

    def _from_name(self, path: str, claims: list[_Claim]) -> Mac | None:
        name = last_segment(path)
        if len(name) > LONGEST_NAME:
            return None
        lower = name.lower()
        commons, mac = self._names.find(lower)
        if commons:
            # A common file's name says more than any expression could.
            claims += commons
            return mac
        for text in with_folders(path):
            claim = self._match("file", text, "file name")
            if claim is not None:
                claims.append(claim)
                mac = claim.mac or mac
                break
        return mac or loose_mac(lower)

    def _from_oui(self, evidence: Evidence, mac: Mac, claims: list[_Claim]) -> None:
        claims += [
            oui.claim
            for oui in self._ouis.get(mac[:6], ())
            if not oui.needs_no_class or _names_no_class(evidence, oui.nameless)
        ]


_identity = drafted(Identity)

Known = Identity | Device
"""What is known of a device already."""


def merge(known: Known, new: Identity) -> Identity:
    """What is known after new evidence: a more precise source replaces a vaguer one, never the reverse.

    A model is kept when the newer evidence names none; a version is taken over whenever the evidence is as good as
    what named the last one, because firmware changes.
    """
    same_plugin = not known.plugin or not new.plugin or known.plugin == new.plugin
    better = bool(new.plugin) and (new.confidence >= known.confidence or not known.plugin)
    mac = known.mac or new.mac
    if same_plugin and not (better and new.model and known.model and new.model != known.model):
        # One story: fill in what was missing, and prefer the newer value where it is as good.
        version = (new.version if better or not known.version else "") or known.version
        confidence = max(known.confidence, new.confidence)
        return _identity(
            known.vendor or new.vendor, known.model or new.model, version, mac, known.serial or new.serial,
            known.plugin or new.plugin, confidence, new.reasons,
        )  # fmt: skip
    if better:
        serial = new.serial or (known.serial if same_plugin else "")
        return replace(new, mac=mac, serial=serial)
    return _identity(
        known.vendor, known.model, known.version, mac, known.serial, known.plugin, known.confidence, new.reasons
    )


def _models(manifest: Manifest) -> dict[str, str]:
    """Name or alias, lower case, to the model's name."""
    found = {alias.lower(): model.name for model in manifest.models for alias in model.aliases}
    return found | {model.name.lower(): model.name for model in manifest.models}


def _ouis(manifest: Manifest) -> Iterator[tuple[str, _Oui]]:
    for oui in manifest.ouis:
        for prefix in oui.prefixes:
            reason = f"MAC prefix {prefix[:2]}:{prefix[2:4]}:{prefix[4:]} belongs to {manifest.vendor}"
            claim = _Claim(oui.confidence, manifest.id, manifest.vendor, "", "", None, "", reason)
            yield prefix, _Oui(claim, oui.only_without_option60, oui.nameless)


def _common(name: str, route: Route, vendor: str) -> tuple[_Claim, ...]:
    if not route.models:
        return ()
    confidence = COMMON_NAME if len(route.models) == 1 else SHARED_NAME
    reason = f"file name {name!r} is the common file of {vendor} {', '.join(route.models)}"
    return (_Claim(confidence, route.plugin, vendor, route.model, "", None, "", reason),)


def _rule(manifest: Manifest, match: Match, models: dict[str, str]) -> Rule:
    regex = re.compile(match.regex, re.IGNORECASE)
    has_model = "model" in regex.groupindex
    return Rule(manifest.id, manifest.vendor, regex, match.confidence, match.model, has_model, models)


def _pnp(manifest: Manifest, models: dict[str, str]) -> Iterator[tuple[str, Rule]]:
    if manifest.pnp is not None:
        regex = re.compile(manifest.pnp.model, re.IGNORECASE)
        rule = Rule(manifest.id, manifest.vendor, regex, manifest.pnp.confidence, "", has_model=True, models=models)
        for vendor in manifest.pnp.vendors:
            yield vendor, rule


def _said(rule: Rule, evidence: Evidence) -> _Claim:
    """What a device says of itself over multicast PnP."""
    found = rule.regex.fullmatch(evidence.model)
    model = rule.models.get((found["model"] or "").lower(), "") if found is not None else ""
    reason = f"over PnP it calls itself {evidence.vendor} {evidence.model} {evidence.version}".rstrip()[:_SHOWN]
    confidence = rule.confidence if model else min(rule.confidence, VENDOR_ONLY)
    return _Claim(confidence, rule.plugin, rule.vendor, model, evidence.version, None, "", reason)


def _claim(rule: Rule, found: re.Match[str], what: str) -> _Claim | None:
    groups = found.groupdict("")
    model = rule.model
    if rule.has_model:
        model = rule.models.get(groups["model"].lower(), "")
        if not model:
            return None
    # Some write the dots of a version as underscores.
    version = groups.get("version", "").replace("_", ".")
    reason = f"{what} {found.string[:_SHOWN]!r} names {rule.vendor} {model}".rstrip()
    if version:
        reason += f", firmware {version}"
    mac = groups.get("mac", "").lower().translate(SEPARATORS)
    return _Claim(
        rule.confidence,
        rule.plugin,
        rule.vendor,
        model,
        version,
        Mac(mac) if len(mac) == 12 else None,
        groups.get("serial", ""),
        reason,
    )


def _doubted(claim: _Claim, name_mac: Mac | None) -> _Claim:
    """A User-Agent that names another MAC than the file it asks for speaks of another device, or lies."""
    if name_mac is None or claim.mac is None or claim.mac == name_mac:
        return claim
    reason = f"{claim.reason}, but it names MAC {mac_text(claim.mac)} while asking for {mac_text(name_mac)}"
    return claim._replace(confidence=min(claim.confidence, DOUBTED), reason=reason, serial="")


def _names_no_class(evidence: Evidence, nameless: tuple[str, ...]) -> bool:
    if evidence.via != "dhcp":
        return False
    return not evidence.option60 or evidence.option60.rstrip("\0 ").lower() in nameless


def _concluded(claims: list[_Claim], mac: Mac | None) -> Identity:
    """The strongest claim, completed by weaker ones of the same plugin."""
    if not claims:
        return Identity(mac=mac)
    claims.sort(key=_strength)
    best = claims[0]
    model, version, serial = best.model, best.version, best.serial
    for claim in claims:
        if claim.plugin == best.plugin:
            model = model or claim.model
            version = version or claim.version
            serial = serial or claim.serial
    return Identity(
        best.vendor,
        model,
        version,
        mac,
        serial,
        best.plugin,
        best.confidence,
        tuple(claim.reason for claim in claims),
    )


def _strength(claim: _Claim) -> int:
    return -claim.confidence
