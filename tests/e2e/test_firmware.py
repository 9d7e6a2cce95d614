"""Twenty phones are told to run another version, ring by ring, and do: they fetch the image, restart and say so."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provd.app.admin import Admin
from provd.app.firmware.choosing import Images
from provd.app.firmware.rollouts import Rollouts
from provd.app.firmware.warehouse import Warehouse
from provd.app.packages import Shop
from provd.app.packages.switching import Switching
from provd.app.packages.trial import Trial
from provd.app.works import Works
from provd.app.zones import zone
from provd.base.types import Mac
from provd.plugin.phone import Handset, Phone
from provd.plugins.catalogue import PluginCatalogue
from provd.plugins.firmware.supply import Supply
from provd.simulate.load import phone_class
from provd.simulate.memory import PluggedIn
from tests.app.packages.shelf import acme_shelf
from tests.e2e.world import BASE, PLUGINS, House, model
from tests.kit.clock import FakeClock

IMAGE = bytes(range(256)) * 20


class Site(House):
    """A house with a folder for firmware, and phones that have users."""

    def __init__(self, state: Path) -> None:
        super().__init__(plugins=PluginCatalogue((PLUGINS,), state, FakeClock(), lambda _: None))
        knowledge = self.boot.station.knowledge
        images = Images(self.plugins.stock)
        works = Works(self.fleet, self.clock, self.facts.append, patient=True)
        self.supply = Supply(self.plugins.stock, self.clock)
        warehouse = Warehouse(self.supply, knowledge, self.fleet.tables, works, self.clock, self.facts.append)
        self.rollouts = Rollouts(self.fleet, images, self.notes, self.clock, self.facts.append)
        warehouse.needed = lambda held: self.rollouts.needed(held.name, held.version)
        packages = acme_shelf()
        trial = Trial(self.boot.station, lambda: self.boot.previews._maker, packages)
        switching = Switching(self.fleet, packages, trial, works)
        self._admin = Admin(
            fleet=self.fleet,
            boot=self.boot,
            clock=self.clock,
            emit=self.facts.append,
            zone=zone,
            shop=Shop(packages, switching, works, warehouse),
            rollouts=self.rollouts,
        )
        self.plugged: dict[Mac, PluggedIn] = {}
        self.admin("tenant.add", id="acme", settings={"sip.server": "192.0.2.5"})

    def keep(self, name: str, version: str, called: str, octets: bytes = IMAGE) -> None:
        """The operator uploads an image."""
        self.supply.entry.mkdir(parents=True, exist_ok=True)
        (self.supply.entry / "x.sent").write_bytes(octets)
        self.admin("firmware.upload", entry="x.sent", called=called, name=name, version=version)

    def crowd(self, plugin: str, name: str, count: int, version: str, stubborn: int = 0) -> list[Phone]:
        """Phones with users, at rest. The last ones take no other firmware."""
        made = phone_class(PLUGINS / plugin)
        assert made is not None
        phones = []
        for number in range(count):
            mac = Mac(f"02005e{len(self.plugged):06x}") if plugin == "cisco_spa" else Mac(f"805ec0{number:06x}")
            handset = Handset(mac, version=version, stubborn=number >= count - stubborn)
            phone = made(model(plugin, name), handset, random.Random(str(mac)))
            self.admin("device.add", mac=mac, model=name, vendor="Cisco" if plugin == "cisco_spa" else "Yealink")
            self.admin(
                "line.add", id=f"l{len(self.plugged)}", tenant="acme", username=f"u{len(self.plugged)}", password="x"
            )
            self.admin("device.assign", mac=mac, line=[f"l{len(self.plugged)}"])
            self.plugged[mac] = self.plug_in(phone)
            phones.append(phone)
        self.live()
        return phones

    def live(self, seconds: float = 900.0) -> None:
        """Every phone comes, and asks for what it is to have; then so much time has passed."""
        for plugged in self.plugged.values():
            plugged.live(0.0)
            plugged.notify("check-sync") if plugged.phone.accounts else None
            plugged.live(seconds / max(1, len(self.plugged)))
        self.step()

    def step(self) -> None:
        self._tick()
        self.loop.run_until_complete(self.rollouts.step())

    def show(self, name: str = "spring") -> Any:
        return self.admin("rollout.show", id=name)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as made:
        yield made


def images_of(site: Site, phone: Phone) -> list[str]:
    """The images that a phone has fetched, in their order."""
    return [url.rpartition("/")[2] for mac, url, reply in site.replies if mac == phone.mac and reply.kind == "static"]


def test_twenty_phones_in_two_rings_by_way_of_a_step(site: Site) -> None:
    site.keep("spa50x-30x", "7.5.2b", "spa50x-30x-7-5-2b.bin")
    site.keep("spa50x-30x", "7.5.5", "spa50x-30x-7-5-5.bin", IMAGE + b"new")
    phones = site.crowd("cisco_spa", "SPA504G", 20, "7.4.9c")
    assert {site.device(phone.mac).version for phone in phones} == {"7.4.9c"}
    before = {phone.mac: site.device(phone.mac).revision for phone in phones}
    site.admin(
        "rollout.add",
        id="spring",
        package="spa50x-30x",
        version="7.5.5",
        rings=["pilot=10", "rest=100"],
        patience="2h",
    )
    site.admin("rollout.start", id="spring")
    site.step()
    pilots = [phone for phone in phones if site.device(phone.mac).revision != before[phone.mac]]
    assert len(pilots) == 2
    site.live(20_000)
    site.live(20_000)
    shown = site.show()
    assert (shown["state"], shown["on"], shown["of"]) == ("done", 20, 20)
    assert shown["missing"] == []
    assert [row["on"] for row in shown["by_ring"]] == [2, 18]
    for phone in phones:
        assert images_of(site, phone) == ["spa50x-30x-7-5-2b.bin", "spa50x-30x-7-5-5.bin"]
        assert phone.sip_user_agent == "Cisco/SPA504G-7.5.5"
    rule = site.admin("device.render", mac=phones[0].mac, local="10.20.0.1")["text"]
    assert (
        f"<Upgrade_Rule>($SWVER lt 7.5.2b)? {BASE}/spa50x-30x-7-5-2b.bin | {BASE}/spa50x-30x-7-5-5.bin</Upgrade_Rule>"
        in rule
    )
    reached = [fact for fact in site.facts if fact.ID == "ROLLOUT-REACHED"]
    assert {fact.was for fact in reached} == {"7.5.2b"}
    # The pilots were through before anybody else was told.
    order = [(fact.ID, fact.mac) for fact in site.facts if fact.ID in {"ROLLOUT-GIVEN", "ROLLOUT-REACHED"}]
    first = [place for place, (name, mac) in enumerate(order) if name == "ROLLOUT-GIVEN"][2]
    assert {mac for name, mac in order[:first] if name == "ROLLOUT-REACHED"} == {phone.mac for phone in pilots}


def test_a_name_with_parentheses_and_phones_that_refuse_the_image(site: Site) -> None:
    site.keep("T46S", "66.86.0.15", "T46S.rom")
    phones = site.crowd("yealink", "T46S", 10, "66.84.0.125", stubborn=1)
    site.admin("rollout.add", id="spring", package="T46S", version="66.86.0.15", patience="30m", tolerance=5)
    site.admin("rollout.start", id="spring")
    site.step()
    site.live(6000)
    assert images_of(site, phones[0]) == ["T46S%28T48S%2CT42S%2CT41S%29-66.86.0.15.rom"]
    site.live(6000)
    shown = site.show()
    assert (shown["state"], shown["on"], shown["of"]) == ("paused", 9, 10)
    assert [(row["standing"], row["runs"]) for row in shown["missing"]] == [("old", "66.84.0.125")]
    assert any("this board takes no other firmware" in each for each in site.lan.complaints)
    # One in ten is borne with; the others may have the old one back.
    site.admin("rollout.set", id="spring", tolerance=10)
    site.admin("rollout.resume", id="spring")
    site.live(6000)
    site.keep("T46S", "66.84.0.125", "old.rom", IMAGE + b"old")
    site.admin("rollout.rollback", id="spring")
    site.step()
    site.live(6000)
    assert {phone.sip_user_agent for phone in phones} == {"Yealink SIP-T46S 66.84.0.125"}


def test_a_text_is_no_image(site: Site) -> None:
    site.keep("T46S", "66.86.0.15", "T46S.rom", b"<html><body>please sign in</body></html>" * 20)
    (phone,) = site.crowd("yealink", "T46S", 1, "66.84.0.125")
    site.admin("rollout.add", id="spring", package="T46S", version="66.86.0.15", patience="10m")
    site.admin("rollout.start", id="spring")
    site.step()
    site.live(3600)
    site.live(3600)
    assert any("it is a text and no image" in each for each in site.lan.complaints)
    assert phone.sip_user_agent == "Yealink SIP-T46S 66.84.0.125"
    assert site.show()["state"] == "paused"
