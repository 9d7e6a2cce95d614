"""The hand-over under every misfortune at once: packets lost, doubled and overtaken, processes that die before or
after any commit, regions chosen at random, people who change their minds. Real code on real databases.

Whatever happens, nobody is served twice; the first owner keeps a device until it has arrived elsewhere; and when the
misfortunes end, every device is at home and nothing is owed any more.
"""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from provd.app.regions.office import moved
from provd.base.errors import PeerError, UsageError
from provd.domain.regions.home import Home, HomeState, Role
from provd.domain.regions.rules import Rule
from tests.kit.federation import (
    CrashError,
    Disk,
    Instance,
    Network,
    Packet,
    body_of,
    everybody_to,
    key_hash,
    key_of,
    provision,
    query,
    run,
)

SEEDS, LOTS = int(os.environ.get("PROVD_SEEDS", "1000")), 20
CHAOS, PATIENCE = 150, 100
"""Steps in which anything may happen, and rounds until everything has to be at rest."""
WEIGHTS = (4, 4, 10, 2, 1.5)
AT_HOME = {HomeState.PROVISIONED, HomeState.ACTIVE}
CAR = {"system_id": "car-1", "sub_system_id": "s", "vin": "W" * 17}
DEVICES = {
    "tcu": {**CAR, "ecu_type": "TCU"},
    "ivi": {**CAR, "ecu_type": "IVI"},
    "sensor": {"ecu_type": "UNIT"},
}
HAPPENS = {"loss", "doubles", "reordering", "crashes", "home again", "tombstones", "identity kept"}
PRIMARY = {"tcu": True, "ivi": False, "sensor": True}


@pytest.fixture(scope="module")
def disks() -> Iterator[dict[str, Disk]]:
    made = {name: Disk() for name in ("world", "eu", "us")}
    yield made
    for disk in made.values():
        disk.close()


class World:
    """Three instances, three devices, and chance."""

    def __init__(self, disks: dict[str, Disk], seed: int, *, delete: bool | None = None) -> None:
        self.chance = random.Random(seed)
        self.at = 1_700_000_000.0
        self.numbers = itertools.count(1)
        self.calm = False
        self.steps = self.peers = 0
        self.old: list[Packet] = []
        self.arrived: set[str] = set()
        self.epochs: dict[tuple[str, str], int] = {}
        self.lost = self.doubled = self.overtaken = self.crashes = 0
        deletes = self.chance.random() < 0.8 if delete is None else delete
        self.instances = {
            name: Instance(
                name,
                Role.GLOBAL if name == "world" else Role.REGIONAL,
                disk,
                lambda: self.at,
                fault=self.fault,
                fresh=lambda: f"id-{next(self.numbers)}",
                rules=self.rules,
                delete=deletes,
            )
            for name, disk in disks.items()
        }
        for name, instance in self.instances.items():
            instance.disk.wipe()
            instance.disk.know(*(other for other in self.instances if other != name))
            instance.start()
        for name, header in DEVICES.items():
            known = {key: value for key, value in header.items() if key in {"system_id", "sub_system_id", "vin"}}
            home = Home(device_id=name, key_hash=key_hash(name), primary=PRIMARY[name], **known)
            self.instances["world"].register(home)
        self.network = Network(self.instances, self.chance)
        self.heading = dict.fromkeys(DEVICES, "world")

    def happened(self) -> Counter[str]:
        """What went wrong, or at least not straight on, in this one."""
        stones = [
            instance.disk.look(lambda book, device=device: book.tombstone(device))
            for instance in self.instances.values()
            for device in DEVICES
        ]
        left = [home for instance in self.instances.values() for home in instance.disk.homes().values()]
        found = {
            "loss": self.lost,
            "doubles": self.doubled,
            "reordering": self.overtaken,
            "crashes": self.crashes,
            "home again": sum(epoch > 1 for epoch in self.epochs.values()),
            "tombstones": sum(stone is not None for stone in stones),
            "identity kept": sum(home.state is HomeState.GONE for home in left),
        }
        return Counter({name: number for name, number in found.items() if number})

    def rules(self) -> tuple[Rule, ...]:
        return everybody_to(self.chance.choice(["eu", "us"]))

    def fault(self, _when: str) -> None:
        if not self.calm and self.chance.random() < 0.03:
            self.crashes += 1
            raise CrashError

    # --- what may happen

    def step(self) -> None:
        self.steps += 1
        happen = self.chance.choices([self.ask, self.carry, self.deliver, self.wait, self.change_of_mind], WEIGHTS)[0]
        happen()
        self.check()

    def round(self) -> None:
        """Everybody does what he should, and nothing is lost any more."""
        self.steps += 1
        for device in DEVICES:
            self.ask(device)
        for instance in self.instances.values():
            self.network.send_from(instance)
        while self.network.packets:
            self.deliver()
        self.at += 31.0
        self.check()

    def ask(self, device: str = "") -> None:
        """A device does what it was told last; now and then one goes somewhere of its own accord."""
        device = device or self.chance.choice(list(DEVICES))
        lost = not self.calm and self.chance.random() < 0.2
        strays = not self.calm and self.chance.random() < 0.2
        place = self.chance.choice(list(self.instances)) if strays else self.heading[device]
        instance = self.instances[place]
        number = f"m-{next(self.numbers)}"
        make = self.chance.choice([query, provision])
        octets = make(device, number, primary=PRIMARY[device], **DEVICES[device])
        with Survivor(instance):
            self.peers += 1
            peer = f"10.{self.peers // 62500}.{self.peers // 250 % 250}.{self.peers % 250}"
            reply = run(instance.desk.handle(octets, key_of(device), peer))
            if lost:
                return
            said = body_of(reply)
            if reply.status == 200 and said.get("endpoint", "") and said["region"] in self.instances:
                self.heading[device] = said["region"]
            elif reply.status >= 400 and self.chance.random() < 0.5:
                self.heading[device] = "world"

    def carry(self) -> None:
        instance = self.chance.choice(list(self.instances.values()))
        with Survivor(instance):
            self.network.send_from(instance)

    def deliver(self) -> None:
        packets = self.network.packets
        fate = 1.0 if self.calm else self.chance.random()
        if fate < 0.1 and self.old:
            packets.append(self.chance.choice(self.old))
            self.doubled += 1
        if not packets:
            return
        place = self.chance.randrange(len(packets))
        self.overtaken += place > 0
        packet = packets.pop(place)
        if 0.1 <= fate < 0.3:
            self.lost += 1
            return
        # Whatever was sent once may arrive again at any time.
        self.old.append(packet)
        hearer = self.instances[packet.target if packet.heard is None else packet.sender]
        with Survivor(hearer):
            self.network.deliver(packet)

    def wait(self) -> None:
        self.at += self.chance.choice([1.0, 5.0, 70.0])

    def change_of_mind(self) -> None:
        """Somebody sends a device elsewhere, or takes a hand-over back."""
        instance = self.chance.choice(list(self.instances.values()))
        device = self.chance.choice(list(DEVICES))
        others = [name for name in self.instances if name != instance.name] + [""]
        then, transfer = self.chance.choice(others), f"id-{next(self.numbers)}"
        with Survivor(instance):
            run(
                instance.neighbour._ledger.change(
                    (device,), lambda book: moved(book, device, then, instance.terms(), self.at, transfer)
                )
            )

    # --- what must hold

    def check(self) -> None:
        disks = {name: instance.disk.homes() for name, instance in self.instances.items()}
        for device in DEVICES:
            homes = {name: found.get(device) for name, found in disks.items()}
            serving = [name for name, home in homes.items() if home is not None and home.served]
            assert len(serving) <= 1, f"{device} is served by {serving}"
            here = {name for name, home in homes.items() if home is not None and home.state in AT_HOME}
            if here:
                self.arrived.add(device)
            first = homes["world"]
            if first is None or first.state is HomeState.GONE:
                assert device in self.arrived, f"{device} has left the world and arrived nowhere"
            for name, home in homes.items():
                if home is not None:
                    assert home.epoch >= self.epochs.get((device, name), 0), f"{device} went back in time at {name}"
                    self.epochs[device, name] = home.epoch

    def at_rest(self) -> bool:
        """Every device is somewhere, nowhere else is anything left of it, and every trace leads there."""
        if self.network.packets or any(instance.owed() for instance in self.instances.values()):
            return False
        disks = {name: instance.disk.homes() for name, instance in self.instances.items()}
        for device in DEVICES:
            states = {name: found[device].state for name, found in disks.items() if device in found}
            left = {name: state for name, state in states.items() if state is not HomeState.GONE}
            if len(left) != 1 or not set(left.values()) <= AT_HOME:
                return False
            (home,) = left
            assert all(self.leads(name, device) == home for name in self.instances if self.leads(name, device)), device
        return True

    def leads(self, name: str, device: str) -> str:
        """Where somebody ends up who asks an instance for a device; empty when it knows nothing."""
        for _ in range(len(self.instances)):
            stone = self.instances[name].disk.look(lambda book: book.tombstone(device))
            home = self.instances[name].disk.homes().get(device)
            if home is not None and home.state in AT_HOME:
                return name
            if stone is None:
                return ""
            name = stone.region
        return "round and round"


class Survivor:
    """A process that dies in here is started again; a refusal is none of the simulation's business."""

    def __init__(self, instance: Instance) -> None:
        self.instance = instance

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, CrashError):
            self.instance.start()
        return isinstance(error, CrashError | PeerError | UsageError)


def play(disks: dict[str, Disk], seed: int) -> World:
    world = World(disks, seed)
    for _ in range(CHAOS):
        world.step()
    return settled(world)


def settled(world: World) -> World:
    """The same, at rest: everybody does what he should from now on."""
    world.calm = True
    for _ in range(PATIENCE):
        if world.at_rest():
            return world
        world.round()
    states = {
        (device, name): (home.state.value, home.epoch, home.region, home.transfer)
        for device in DEVICES
        for name, instance in world.instances.items()
        if (home := instance.home(device)) is not None
    }
    raise AssertionError(f"it never comes to rest: {states}, {world.heading}")


@pytest.mark.parametrize("lot", range(LOTS))
def test_nobody_is_served_twice_and_everybody_gets_home(disks: dict[str, Disk], lot: int) -> None:
    seen: Counter[str] = Counter()
    for seed in range(lot, SEEDS, LOTS):
        try:
            world = play(disks, seed)
        except AssertionError as error:
            raise AssertionError(f"seed {seed}: {error}") from error
        seen += world.happened()
    if SEEDS >= 1000:
        assert set(seen) == HAPPENS, "a simulation in which nothing goes wrong proves nothing"


@pytest.mark.parametrize("delete", [True, False])
def test_a_crash_at_each_single_commit_of_a_move_home_and_of_the_next_ones(
    disks: dict[str, Disk], *, delete: bool
) -> None:
    """To one region, on to the other and back to the world, with one crash: before or after each commit there is."""
    points = len(_crossing(disks, delete=delete, crash=-1).commits)
    assert points > 20
    for crash in range(points):
        world = _crossing(disks, delete=delete, crash=crash)
        assert world.crashes == 1, crash
        home = world.instances["world"].home("sensor")
        assert home is not None
        assert (home.state in AT_HOME, home.epoch) == (True, 3), crash


class Crossing(World):
    """One device that goes from the world to ``eu``, to ``us`` and back; nothing happens by chance."""

    def __init__(self, disks: dict[str, Disk], *, delete: bool, crash: int) -> None:
        self.commits: list[str] = []
        self.crash = crash
        self.target = "eu"
        self.crashes = 0
        super().__init__(disks, 1, delete=delete)
        self.crashes = 0
        self.commits.clear()

    def rules(self) -> tuple[Rule, ...]:
        return everybody_to("eu")

    def fault(self, when: str) -> None:
        self.commits.append(when)
        if len(self.commits) - 1 == self.crash and not self.crashes:
            self.crashes += 1
            raise CrashError

    def go(self, place: str, to: str) -> None:
        """Until the device is at home there. Who decides (``place``) says it again until it is so."""
        self.calm = True
        for _ in range(PATIENCE):
            home = self.instances[to].disk.homes().get("sensor")
            if home is not None and home.state in AT_HOME:
                return
            if place:
                self.decide(place, to)
            self.turn()
        raise AssertionError(f"it never comes to {to}")

    def decide(self, place: str, to: str) -> None:
        """Somebody at that instance sends the device there; that it is on its way already is no matter."""
        instance, number = self.instances[place], f"id-{next(self.numbers)}"
        with Survivor(instance):
            run(
                instance.neighbour._ledger.change(
                    ("sensor",), lambda book: moved(book, "sensor", to, instance.terms(), self.at, number)
                )
            )

    def turn(self) -> None:
        """The device asks, and says what it is to say; everything is carried."""
        for make in (query, provision):
            self.say(self.heading["sensor"], make)
        for instance in self.instances.values():
            with Survivor(instance):
                self.network.send_from(instance)
        while self.network.packets:
            packet = self.network.packets.pop(0)
            hearer = self.instances[packet.target if packet.heard is None else packet.sender]
            with Survivor(hearer):
                self.network.deliver(packet)
        self.at += 31.0
        self.check()

    def say(self, place: str, make: object) -> None:
        instance = self.instances[place]
        number = f"m-{next(self.numbers)}"
        octets = make("sensor", number, primary=True, **DEVICES["sensor"])  # type: ignore[operator]
        with Survivor(instance):
            self.peers += 1
            reply = run(instance.desk.handle(octets, key_of("sensor"), f"10.1.{self.peers // 250}.{self.peers % 250}"))
            said = body_of(reply)
            if reply.status == 200 and said.get("endpoint", "") and said["region"] in self.instances:
                self.heading["sensor"] = said["region"]
            elif reply.status >= 400:
                self.heading["sensor"] = "world"


def _crossing(disks: dict[str, Disk], *, delete: bool, crash: int) -> Crossing:
    world = Crossing(disks, delete=delete, crash=crash)
    world.go("", "eu")
    world.go("eu", "us")
    world.go("us", "world")
    return world
