"""What two plugins claim alike: which of them wins would be chance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from provd.domain.names import MAC_MARK
from provd.domain.route import expand
from provd.plugin import Manifest

Claim = tuple[str, ...]
"""What is claimed, in words of which the first says the kind."""


def claimed_twice(manifest: Manifest, others: Iterable[Manifest]) -> Iterator[tuple[str, str]]:
    """Each other plugin that claims something as this one does, and a sentence about what that is."""
    own = _claims(manifest)
    for other in others:
        if other.id == manifest.id:
            continue
        for claim, harmless in _claims(other).items():
            # A name that neither offers is refused by both.
            if claim in own and not (harmless and own[claim]):
                yield other.id, _told(claim, other.id)


def _claims(manifest: Manifest) -> dict[Claim, bool]:
    """Whatever no two plugins may have alike, and whether it does no harm if the other has it in the same way."""
    found: dict[Claim, bool] = {}
    for name, route in expand(manifest):
        # Names with a MAC in them are everybody's: the device says whose it is.
        if MAC_MARK not in name:
            found["file", name.lower()] = route.rule.kind == "absent"
    for match in manifest.matches:
        found |= {(match.source, start, str(match.confidence)): False for start in match.starts}
    for oui in manifest.ouis:
        found |= {("oui", prefix, str(oui.confidence)): False for prefix in oui.prefixes}
    if manifest.pnp is not None:
        found |= {("pnp", vendor, str(manifest.pnp.confidence)): False for vendor in manifest.pnp.vendors}
    return found


def _told(claim: Claim, other: str) -> str:
    kind, what = claim[0], claim[1]
    match kind:
        case "file":
            return f"file {what}: plugin {other} offers it, too"
        case "oui":
            return f"MAC prefix {what}: plugin {other} has it with the same confidence"
        case "pnp":
            return f"pnp vendor {what!r}: plugin {other} has it with the same confidence"
        case _:
            return f"{kind} {what!r}: plugin {other} has it with the same confidence"


def clashes(manifests: Iterable[Manifest]) -> frozenset[tuple[str, str, str]]:
    """Among all of them: one plugin, the other one, and the sentence."""
    owners: dict[Claim, list[tuple[str, bool]]] = {}
    for manifest in manifests:
        for claim, harmless in _claims(manifest).items():
            owners.setdefault(claim, []).append((manifest.id, harmless))
    found = set()
    for claim, all_of_it in owners.items():
        for place, (plugin, harmless) in enumerate(all_of_it):
            found |= {
                (plugin, other, _told(claim, other)) for other, too in all_of_it[:place] if not (harmless and too)
            }
    return frozenset(found)
