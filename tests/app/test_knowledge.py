"""What the plugins in force know together."""

from __future__ import annotations

from dataclasses import replace

from provd.app.knowledge import Knowledge
from provd.app.roster import network_of
from tests.app.fakes import ACME, BOLTS, OTHER, PHONE, FakeCatalogue


def test_it_follows_the_catalogue():
    catalogue = FakeCatalogue(ACME)
    knowledge = Knowledge(catalogue)
    assert knowledge.manifest("bolt") is None
    assert not knowledge.refresh()
    catalogue.manifests = (ACME, BOLTS)
    catalogue.revision += 1
    assert knowledge.refresh()
    assert knowledge.manifest("bolt") is BOLTS
    assert len(knowledge.find(f"{PHONE}.cfg")) == 2


def test_a_remembered_answer_is_the_same_for_every_mac_of_a_prefix():
    knowledge = Knowledge(FakeCatalogue(ACME))
    assert knowledge.of_client(PHONE, "acme A1") is knowledge.of_client(OTHER, "acme A1")
    assert knowledge.of_client(PHONE, "acme A1").mac is None


def test_a_flood_of_invented_evidence_only_empties_the_memory():
    knowledge = Knowledge(FakeCatalogue(ACME))
    for number in range(10_000):
        knowledge.of_client(PHONE, f"invented {number}")
    assert knowledge.of_client(PHONE, "acme A1").model == "A1"
    assert len(knowledge._identities) <= 4096


def test_a_model_that_is_not_known_yet_is_a_plain_one():
    knowledge = Knowledge(FakeCatalogue(ACME, replace(BOLTS, models=())))
    plain = knowledge.model("acme", "")
    assert (plain.name, plain.lines, plain.keys, plain.traits) == ("", 1, 0, {"family": "old"})
    assert knowledge.model("acme", "a1g").name == "A1G"
    assert knowledge.model("bolt", "B9").traits == {}


def test_networks():
    assert network_of("10.1.2.3") == "10.1.2.0/24"
    assert network_of("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::/64"
    assert network_of("fe80::1%eth0") == "fe80::/64"
    assert network_of("somewhere") == "somewhere"
