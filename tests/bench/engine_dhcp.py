"""Microseconds per exchange of decode + engine + encode, with a store that is durable at once.

    python -m tests.bench.engine_dhcp [--profile]

A phone's DISCOVER and REQUEST arrive through a relay, with the options that phones send; every fact is made and
thrown away. The second column is the same with 40,000 leases already there.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import pstats
import time

from provd.base.types import ip_int
from provd.dhcp.advice import Advice, ClientInfo
from provd.dhcp.effects import Effect, Persist
from provd.dhcp.engine import DhcpEngine
from provd.dhcp.ingress import Link
from provd.dhcp.lease import Lease, LeaseState
from provd.dhcp.packet import discover, request
from provd.dhcp.subnet import DhcpSettings, Mode, Subnet

SERVER = ip_int("10.77.0.1")
RELAY = ip_int("10.77.0.2")
FIRST = ip_int("10.77.16.0")
ROUNDS = 2000
Door = tuple[Link, str, bytes]
"""Where datagrams come in: link, sender, destination."""


class Phones:
    """An advisor for whom everybody is a phone of one model."""

    advice = Advice("model", {66: b"http://10.77.0.1:8667/", 42: b"\x0a\x4d\0\1"}, phone=True, boot="b1")

    def advise(self, client: ClientInfo, now: float) -> Advice:
        del client, now
        return self.advice

    def bound(self, lease: Lease, boot: str, now: float) -> None:
        pass

    def unbound(self, lease: Lease, now: float) -> None:
        pass


def options(mac: bytes) -> dict[int, bytes]:
    asked = bytes((1, 3, 6, 12, 15, 42, 43, 66, 67, 120, 150, 159, 160))
    return {61: b"\1" + mac, 60: b"yealphone", 55: asked, 57: b"\5\xdc", 12: b"SIP-T21P_E2"}


def mac_of(number: int) -> bytes:
    return (0x805EC0 << 24 | number).to_bytes(6, "big")


def make(leases: int) -> DhcpEngine:
    subnet = Subnet(
        name="lan",
        network=ip_int("10.77.0.0"),
        prefixlen=16,
        pools=((FIRST, ip_int("10.77.255.254")),),
        routers=(SERVER,),
        dns=(SERVER,),
        domain="phones.example",
    )
    stored = [
        Lease(
            ip=FIRST + n,
            client=b"\1" + mac_of(1 << 20 | n),
            mac=mac_of(1 << 20 | n).hex(),
            state=LeaseState.ACTIVE,
            starts=1000,
            expires=4600,
            subnet="lan",
        )
        for n in range(leases)
    ]
    settings = DhcpSettings(mode=Mode.FULL, subnets=(subnet,))
    return DhcpEngine(settings, Phones(), leases=stored, own=frozenset({SERVER}), now=1000.0)


def persist(effects: list[Effect]) -> list[Persist]:
    return [effect for effect in effects if type(effect) is Persist]


def doras(engine: DhcpEngine, first: int, ip: int, ingress: Door) -> float:
    """Seconds for ROUNDS exchanges of new clients."""
    pairs = []
    for n in range(ROUNDS):
        mac = mac_of(first + n)
        own = options(mac)
        pairs.append(
            (
                discover(n, mac, own, giaddr=RELAY),
                request(n, mac, own, server=SERVER, address=ip + n, giaddr=RELAY),
            )
        )
    started = time.process_time()
    for first_packet, second_packet in pairs:
        engine.receive(first_packet, *ingress, 1001.0)
        batch = persist(engine.receive(second_packet, *ingress, 1001.0))
        assert len(engine.persisted(batch, 1001.0)) == 2
    return time.process_time() - started


def renewals(engine: DhcpEngine, first: int, ip: int, ingress: Door) -> float:
    """Seconds for ROUNDS renewals of the clients of :func:`doras`."""
    packets = [request(n, mac_of(first + n), options(mac_of(first + n)), ciaddr=ip + n) for n in range(ROUNDS)]
    started = time.process_time()
    for packet in packets:
        assert len(engine.persisted(persist(engine.receive(packet, *ingress, 1002.0)), 1002.0)) == 2
    return time.process_time() - started


def measure(leases: int) -> tuple[float, float]:
    """Best-of-seven CPU microseconds of a DORA and of a renewal."""
    engine = make(leases)
    relayed = (Link("eth0", (SERVER,)), "10.77.0.2", SERVER.to_bytes(4, "big"))
    found: list[tuple[float, float]] = []
    gc.freeze()
    for turn in range(7):
        gc.collect()
        base = turn * ROUNDS
        dora = doras(engine, base, FIRST + leases + base, relayed)
        renewal = renewals(engine, base, FIRST + leases + base, relayed)
        found.append((dora, renewal))
    dora, renewal = (min(column) / ROUNDS * 1e6 for column in zip(*found, strict=True))
    return dora, renewal


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", action="store_true")
    if parser.parse_args().profile:
        profile = cProfile.Profile()
        profile.runcall(measure, 0)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    for leases in (0, 40_000):
        dora, renewal = measure(leases)
        print(f"{leases:6} leases: {dora:5.1f} us per DORA, {renewal:5.1f} us per renewal")


if __name__ == "__main__":
    main()
