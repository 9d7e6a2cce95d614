"""What happened lately, in memory: a device's last facts as boots with their gaps, and the last warnings."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from provd.base.dataclass import dataclass
from provd.base.facts import Fact, Level, kinds_of
from provd.base.types import Mac


@dataclass(frozen=True, slots=True)
class Step:
    """A fact and the seconds since the one before it in the same boot (0 for the first)."""

    fact: Fact
    gap: float


@dataclass(frozen=True, slots=True)
class Boot:
    """The steps that carry one boot id, oldest first; ``id`` is empty for what happened outside any boot."""

    id: str
    steps: tuple[Step, ...]

    @property
    def seconds(self) -> float:
        """From the first step to the last."""
        return self.steps[-1].fact.at - self.steps[0].fact.at


class Timeline:
    """A reader of facts that remembers the last ones of every device.

    ``devices`` are kept with up to ``facts`` facts each, ``total`` facts altogether; the device that was silent
    for longest is forgotten first.
    """

    def __init__(self, *, devices: int = 20_000, facts: int = 64, total: int = 300_000, warnings: int = 1000) -> None:
        self._devices = devices
        self._facts = facts
        self._total = total
        self._held = 0
        self._by_mac: OrderedDict[Mac, list[Fact]] = OrderedDict()
        self._warnings: deque[Fact] = deque(maxlen=warnings)

    def __call__(self, facts: Sequence[Fact]) -> None:
        """Remember a batch."""
        grave = {kind for kind in kinds_of(facts) if kind.LEVEL >= Level.WARNING}
        if grave:
            self._warnings.extend([fact for fact in facts if type(fact) in grave])
        by_mac, most, added = self._by_mac, self._facts, 0
        for fact in facts:
            mac = fact.mac
            if mac is None:
                continue
            held = by_mac.get(mac)
            if held is None:
                # A list: most devices have a handful of facts, and a deque sets out with room for sixty-four.
                by_mac[mac] = [fact]
                added += 1
                continue
            by_mac.move_to_end(mac)
            if len(held) < most:
                added += 1
            else:
                del held[0]
            held.append(fact)
        self._held += added
        while len(by_mac) > self._devices or (self._held > self._total and len(by_mac) > 1):
            _, forgotten = by_mac.popitem(last=False)
            self._held -= len(forgotten)

    def facts(self, mac: Mac) -> tuple[Fact, ...]:
        """The last facts of a device, oldest first."""
        return tuple(self._by_mac.get(mac, ()))

    def boots(self, mac: Mac) -> tuple[Boot, ...]:
        """The same, as boots: newest boot first, its steps oldest first.

        A fact without a boot id belongs to the boot that was going on before it, if there was one.
        """
        gathered: list[tuple[str, list[Step]]] = []
        for fact in self.facts(mac):
            if not gathered or (fact.boot and fact.boot != gathered[-1][0]):
                gathered.append((fact.boot, [Step(fact, 0.0)]))
            else:
                steps = gathered[-1][1]
                steps.append(Step(fact, max(0.0, fact.at - steps[-1].fact.at)))
        return tuple(Boot(boot, tuple(steps)) for boot, steps in reversed(gathered))

    def warnings(self) -> tuple[Fact, ...]:
        """The last warnings, refusals and errors of all devices and of none, newest first."""
        return tuple(reversed(self._warnings))
