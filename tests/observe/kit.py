"""Small fakes for the readers of facts."""

from __future__ import annotations

from provd.base.facts.daemon import Degraded, Recovered
from provd.base.facts.devices import DeviceSighted
from provd.base.facts.files import FileRefused, FileServed
from provd.base.types import Mac

MAC = Mac("805ec0112233")
OTHER = Mac("805ec0445566")
T0 = 1_800_000_000.0


def sighted(at: float = T0, mac: Mac = MAC, boot: str = "b1") -> DeviceSighted:
    return DeviceSighted(at=at, mac=mac, boot=boot, via="dhcp", vendor="Acme", model="P1", ip="10.0.0.9")


def served(at: float = T0, mac: Mac = MAC, boot: str = "b1", size: int = 100) -> FileServed:
    return FileServed(at=at, mac=mac, boot=boot, name="a.cfg", via="http", peer="10.0.0.9", size=size)


def refused(at: float = T0, mac: Mac | None = MAC) -> FileRefused:
    return FileRefused(at=at, mac=mac, name="a.cfg", via="http", peer="10.0.0.66", reason="no lease")


def degraded(at: float = T0) -> Degraded:
    return Degraded(at=at, part="tftp", reason="port in use")


def recovered(at: float = T0) -> Recovered:
    return Recovered(at=at, part="tftp")


class Timer:
    """``call_later`` that only remembers; ``fire`` runs what is due."""

    def __init__(self) -> None:
        self.calls: list[tuple[float, object]] = []

    def __call__(self, seconds, callback):
        self.calls.append((seconds, callback))

    def fire(self) -> None:
        calls, self.calls = self.calls, []
        for _, callback in calls:
            callback()


class FixedClock:
    def __init__(self, now: float = T0) -> None:
        self.time = now

    def now(self) -> float:
        return self.time
