"""Which file of which plugin a name asks for, and which DHCP options a device understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from provd.base.types import Mac
from provd.domain.evidence import Identity
from provd.domain.names import LONGEST_NAME, MODEL_MARK, NameTable
from provd.plugin import DhcpAdvice, FileRule, Manifest

COMMON_MARK = "{common}"
SITE = "site-"
"""The ids of models that have no plugin begin so."""

SURE = 50
"""From this confidence on, the plugin of an identity is taken at its word."""


class Route(NamedTuple):
    """One candidate for a name. ``models`` are those that share a common file; ``model`` is the one to assume."""

    plugin: str
    rule: FileRule
    model: str = ""
    mac: Mac | None = None
    models: tuple[str, ...] = ()
    prefix_claimed: bool = False
    """The plugin claims the MAC's first six digits, even if only as a hint."""


class Routes:
    """Names to candidates over all plugins. Cost does not grow with the number of plugins."""

    __slots__ = ("_prefixes", "_table")

    def __init__(self, routes: Iterable[tuple[str, Route]], prefixes: frozenset[tuple[str, str]]) -> None:
        self._table = NameTable(routes)
        self._prefixes = prefixes

    @classmethod
    def build(cls, manifests: Iterable[Manifest]) -> Routes:
        """Index the file rules of all manifests; the order of manifests is the order of candidates."""
        plugins = tuple(manifests)
        prefixes = {(manifest.id, prefix) for manifest in plugins for oui in manifest.ouis for prefix in oui.prefixes}
        return cls((named for manifest in plugins for named in expand(manifest)), frozenset(prefixes))

    def find(self, name: str) -> tuple[Route, ...]:
        """Every candidate for a file name (the last path segment, no slash in front), or an empty tuple."""
        if len(name) > LONGEST_NAME:
            return ()
        routes, mac = self._table.find(name.lower())
        if mac is None:
            return routes
        head = mac[:6]
        return tuple(
            Route(route.plugin, route.rule, mac=mac, prefix_claimed=(route.plugin, head) in self._prefixes)
            for route in routes
        )


def choose(routes: tuple[Route, ...], identity: Identity) -> Route | None:
    """The candidate for this device: of its plugin, else of the plugin that claims the MAC's prefix, else the only one.

    ``identity`` is what is known of the device by now. None means that nothing tells the candidates apart, or that the
    device certainly belongs to another plugin.
    """
    if len(routes) == 1 and not identity.plugin:
        return routes[0]  # what all of the following comes to, for most requests of strangers
    for route in routes:
        if route.plugin == identity.plugin:
            return route._replace(model=identity.model) if identity.model in route.models else route
    if routes and all(route.rule.kind == "absent" for route in routes):
        return routes[0]
    if identity.plugin and identity.confidence >= SURE and any(route.mac for route in routes):
        return None
    # A model that is described here without evidence is for devices that are recorded as such.
    known = [route for route in routes if not route.plugin.startswith(SITE)] or routes
    claimed = [route for route in routes if route.prefix_claimed] or known
    return claimed[0] if len(claimed) == 1 else None


def advice_for(manifest: Manifest, model: str, mac: Mac | None = None) -> DhcpAdvice | None:
    """The DHCP advice for a model: the first block that names it, else the block that names none.

    When only the MAC's prefix is known (``model`` is empty) the prefix may say whose advice to take.
    """
    if not model and mac is not None:
        model = next((oui.models[0] for oui in manifest.ouis if oui.models and mac[:6] in oui.prefixes), "")
    default = None
    for block in manifest.dhcp:
        if model and model in block.models:
            return block
        if not block.models and default is None:
            default = block
    return default


def ambiguities(manifest: Manifest) -> tuple[str, ...]:
    """Names that two rules of one plugin would answer, lower case, sorted."""
    owners: dict[str, str] = {}
    clashes = set()
    for name, route in expand(manifest):
        key = name.lower()
        if key in owners:
            clashes.add(key)
        owners[key] = route.rule.name
    return tuple(sorted(clashes))


def expand(manifest: Manifest) -> Iterator[tuple[str, Route]]:
    """Every name that the plugin's rules stand for; ``{mac}`` stays a placeholder."""
    commons = _commons(manifest)
    words = [word for model in manifest.models for word in (model.name, *model.aliases)]
    for rule in manifest.files:
        if rule.kind == "thing":
            continue  # nobody gets it by its name alone
        if MODEL_MARK in rule.name:
            yield from ((rule.name.replace(MODEL_MARK, word), Route(manifest.id, rule)) for word in words)
            continue
        if COMMON_MARK not in rule.name:
            yield rule.name, Route(manifest.id, rule)
            continue
        for name, models in commons.items():
            yield rule.name.replace(COMMON_MARK, name), Route(manifest.id, rule, models[0], models=models)


def _commons(manifest: Manifest) -> dict[str, tuple[str, ...]]:
    """Common file names (lower case) and the models that ask for them, in the order of the manifest."""
    sharing: dict[str, tuple[str, ...]] = {}
    for model in manifest.models:
        for name in model.common:
            key = name.lower()
            sharing[key] = (*sharing.get(key, ()), model.name)
    return sharing
