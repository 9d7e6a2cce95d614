"""Which file of which plugin a name asks for, and which DHCP options a device understands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from provd.base.dataclass import dataclass
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
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Group:
    """All candidates for one pattern, prepared so that choosing among them asks nobody in turn.

    Many plugins have ``{mac}.cfg``; the first request of a phone must not pay for those of other vendors.
    """

    routes: tuple[Route, ...]
    of_plugin: dict[str, Route]
    claimed: dict[str, Route | None]
    """The only candidate whose plugin claims these first six digits of a MAC, even if only as a hint; None: several."""

    alone: Route | None
    """The only candidate; one whose model is described here without evidence is for devices recorded as such."""

    absent: bool
    """Nobody gives such a file."""

    @classmethod
    def of(cls, routes: tuple[Route, ...], prefixes: Mapping[str, frozenset[str]]) -> Group:
        """Prepare them; ``prefixes`` are the MAC prefixes of each plugin."""
        firsts: dict[str, Route] = {}
        claimed: dict[str, Route | None] = {}
        for route in routes:
            firsts.setdefault(route.plugin, route)
            for prefix in prefixes.get(route.plugin, ()):
                claimed[prefix] = None if prefix in claimed else route
        known = [route for route in routes if not route.plugin.startswith(SITE)] or routes
        alone = known[0] if len(known) == 1 else None
        return cls(routes, firsts, claimed, alone, all(route.rule.kind == "absent" for route in routes))


class Candidates(NamedTuple):
    """What a name may mean: whose files, and the MAC in it."""

    group: Group
    mac: Mac | None = None

    @property
    def routes(self) -> tuple[Route, ...]:
        """Every one, in the order of the plugins."""
        return self.group.routes

    def of(self, plugin: str) -> Route | None:
        """The candidate of that plugin."""
        return self.group.of_plugin.get(plugin)


NOBODYS = Candidates(Group((), {}, {}, None, absent=False))
"""Of a name that no rule knows."""


class Routes:
    """Names to candidates over all plugins. Cost does not grow with the number of plugins."""

    __slots__ = ("_table",)

    def __init__(self, routes: Iterable[tuple[str, Route]], prefixes: Mapping[str, frozenset[str]]) -> None:
        found: dict[str, list[Route]] = {}
        for name, route in routes:
            found.setdefault(name.lower(), []).append(route)
        groups = ((name, Group.of(tuple(each), prefixes)) for name, each in found.items())
        self._table = NameTable((name, Candidates(group)) for name, group in groups)

    @classmethod
    def build(cls, manifests: Iterable[Manifest]) -> Routes:
        """Index the file rules of all manifests; the order of manifests is the order of candidates."""
        plugins = tuple(manifests)
        prefixes = {
            manifest.id: frozenset(prefix for oui in manifest.ouis for prefix in oui.prefixes) for manifest in plugins
        }
        return cls((named for manifest in plugins for named in expand(manifest)), prefixes)

    def find(self, name: str) -> Candidates:
        """Every candidate for a file name (the last path segment, no slash in front)."""
        if len(name) > LONGEST_NAME:
            return NOBODYS
        found, mac = self._table.find(name.lower())
        if found is None:
            return NOBODYS
        return found if mac is None else Candidates(found.group, mac)


def choose(candidates: Candidates, identity: Identity) -> Route | None:
    """The candidate for this device: of its plugin, else of the plugin that claims the MAC's prefix, else the only one.

    ``identity`` is what is known of the device by now. None means that nothing tells the candidates apart, or that the
    device certainly belongs to another plugin.
    """
    group, mac = candidates
    route = group.of_plugin.get(identity.plugin)
    if route is not None:
        return route._replace(model=identity.model) if identity.model in route.models else route
    if group.absent:
        return group.routes[0]
    if mac is None:
        return group.alone
    if identity.plugin and identity.confidence >= SURE:
        return None
    return group.claimed.get(mac[:6], group.alone)


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
