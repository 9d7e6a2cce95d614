"""What a manifest says of re-synchronisation is what the vendor's simulated phones do."""

import random
from pathlib import Path

import pytest

from provd.base.types import Mac
from provd.plugin.phone import Handset, Notify
from provd.plugins.loader import load
from provd.simulate.load import phone_class
from tests.conformance.vendors import VENDORS

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
MANIFESTS = [load(path.parent) for path in sorted(PLUGINS.glob("[a-z]*/plugin.toml"))]
TOLD = [manifest for manifest in MANIFESTS if manifest.resync is not None]
HOME = "10.20.0.1"


def test_whoever_has_files_can_be_told():
    assert {manifest.id for manifest in TOLD} == {
        manifest.id for manifest in MANIFESTS if any(rule.kind == "device" for rule in manifest.files)
    }


@pytest.mark.parametrize("manifest", TOLD, ids=lambda manifest: manifest.id)
def test_the_phone_obeys_the_events_of_its_manifest(manifest):
    kind = phone_class(PLUGINS / manifest.id)
    assert kind is not None
    for name in manifest.showcase:
        phone = kind(manifest.model(name), Handset(Mac("02005e112233")), random.Random(1))
        for event in {manifest.resync.event, manifest.resync.event_claimed or manifest.resync.event}:
            body = "\r\n".join(manifest.resync.body)
            reaction = phone.notified(Notify(1, event, HOME, HOME, authenticated=True, body=body))
            assert (reaction.status, reaction.obeys) == (200, True), (name, event)


@pytest.mark.parametrize("manifest", TOLD, ids=lambda manifest: manifest.id)
def test_its_own_web_server_is_asked_for_something(manifest):
    action = manifest.resync.action
    if action is None:
        assert not VENDORS[manifest.id].web
        return
    assert VENDORS[manifest.id].web
    assert action.paths
    assert action.auth != "none"
