"""What a model can be told, and why not the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.domain.capability import covers, parameter_fault, shortfall, shortfalls, written
from provd.plugin import Manifest, Model, Writes

BIG = Model("B9", lines=4, keys=2, traits={"kind": "desk", "modules": 1, "module_keys": 20, "screen": True})
SMALL = Model("S1", traits={"kind": "dect", "modules": 0, "module_keys": 0, "screen": False})
ACME = Manifest(
    id="acme",
    version="1.0.0",
    contract=1,
    vendor="Acme",
    license="MIT",
    description="",
    models=(BIG, SMALL),
    writes=(
        Writes(("sip", "audio.codecs")),
        Writes(("audio.codecs",), values=("pcma", "pcmu")),
        Writes(("keys",), {"keys": 1}, "has no line keys", upto=("keys",)),
        Writes(("modules",), {"modules": 1}, "carries no expansion modules", upto=("modules", "module_keys")),
        Writes(("display.logo_url",), {"screen": True}, "shows no pictures"),
        Writes(("dect",), {"kind": ("dect",)}, "is no DECT base"),
        Writes(("syslog.port",), since="7.5.2b"),
        Writes(("action",), never="asks for no URL by itself"),
    ),
    version_from=1,
    names=frozenset({"account.X.label", "Ring_#_", "Profile_Rule", "line2"}),
)


@pytest.mark.parametrize(
    ("model", "name", "value", "reason"),
    [
        (BIG, "sip.port", 5060, ""),
        (BIG, "vlan.id", 7, "the plugin acme does not write it"),
        (BIG, "audio.codecs", "pcma,g722,opus", "B9 does not know g722, opus"),
        (BIG, "audio.codecs", "pcmu", ""),
        (BIG, "keys.2.type", "dnd", ""),
        (BIG, "keys.3.type", "dnd", "B9 has only 2 keys"),
        (SMALL, "keys.1.type", "dnd", "S1 has no line keys"),
        (BIG, "keys.2.line", 4, ""),
        (BIG, "keys.2.line", 5, "B9 has only 4 lines"),
        (BIG, "modules.1.keys.20.line", 5, "B9 has only 4 lines"),
        (BIG, "modules.1.keys.20.type", "dnd", ""),
        (BIG, "modules.2.keys.1.type", "dnd", "B9 has only 1 module"),
        (BIG, "modules.1.keys.21.type", "dnd", "B9 has only 20 module keys"),
        (SMALL, "display.logo_url", "http://x", "S1 shows no pictures"),
        (BIG, "dect.pin", "1234", "B9 is no DECT base"),
        (SMALL, "dect.pin", "1234", ""),
        (BIG, "action.off_hook", "http://x", "B9 asks for no URL by itself"),
        (replace(BIG, name=""), "vlan.id", 7, "the plugin acme does not write it"),
        (BIG, "vendor.acme.account.1.label", "x", ""),
        (BIG, "vendor.other.label", "x", "is not for a Acme device"),
    ],
)
def test_why_a_setting_does_nothing(model, name, value, reason):
    assert shortfall(ACME, model, name, value) == reason


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("", False),
        ("48", False),
        ("48.7.5.2b", False),
        ("48.7.5.2c", False),
        ("48.7.5.2", True),
        ("48.7.5.2a", True),
        ("48.7.5.10", False),
        ("48.7.5", True),
        ("99.6.9.9", True),
        ("1.8", False),
    ],
)
def test_firmware_may_be_too_old(version, old):
    reason = f"B9 knows it from firmware 7.5.2b on, and has {version}"
    assert shortfall(ACME, BIG, "syslog.port", 5514, version) == (reason if old else "")


def test_what_no_model_can_do_is_not_written():
    assert written(ACME, "sip.port")
    assert not written(ACME, "action.off_hook")


def test_a_device_without_a_plugin_is_told_nothing():
    assert shortfall(None, Model("X"), "sip.port", 5060) == "no plugin of this device writes it"


def test_keys_that_are_not_complete_are_found():
    values = {
        "keys.1.type": "blf",
        "keys.2.label": "x",
        "modules.1.keys.1.type": "dnd",
        "modules.1.keys.2.type": "speed_dial",
        "modules.1.keys.2.value": "9",
    }
    assert shortfalls(ACME, BIG, values) == {
        "keys.1.type": "does nothing without keys.1.value",
        "keys.2.label": "does nothing without keys.2.type",
    }


@pytest.mark.parametrize(
    ("name", "value", "beside", "reason"),
    [
        ("sip.port", 5070, {}, "does nothing without sip.server"),
        ("sip.port", 5070, {"sip.server": "a"}, ""),
        ("sip.backup_registrar_port", 5070, {"sip.backup_server": "a"}, "does nothing without sip.backup_registrar"),
        ("sip.outbound_port", 5070, {"sip.outbound_proxy": "a"}, ""),
        ("keys.1.value", "9", {"keys.1.type": "line"}, "does nothing on a key for line"),
        ("keys.1.label", "x", {"keys.1.type": "line"}, ""),
        ("keys.1.label", "x", {"keys.1.type": "none"}, "does nothing on a key for none"),
        (
            "keys.1.pickup",
            "*8",
            {"keys.1.type": "speed_dial", "keys.1.value": "9"},
            "does nothing on a key for speed dial",
        ),
        ("keys.1.pickup", "*8", {"keys.1.type": "blf_pickup", "keys.1.value": "9"}, ""),
    ],
)
def test_what_means_nothing_without_another_setting_is_found(name, value, beside, reason):
    everything = replace(ACME, writes=(Writes(("sip", "keys")),))
    assert shortfalls(everything, BIG, {name: value, **beside}) == ({name: reason} if reason else {})


def test_what_a_line_has_belongs_to_what_its_device_has():
    everything = replace(ACME, writes=(Writes(("sip",)),))
    assert shortfalls(everything, BIG, {"sip.port": 5070}, beside={"sip.server": "a"}) == {}


@pytest.mark.parametrize("version", [{"firmware.url": "http://h/a"}, {"firmware.version": "7.5"}])
def test_a_step_belongs_to_a_firmware(version):
    everything = replace(ACME, writes=(Writes(("firmware",)),))
    step = {"firmware.step_url": "http://h/b"}
    assert shortfalls(everything, BIG, step) == {"firmware.step_url": "does nothing without firmware.url"}
    assert shortfalls(everything, BIG, {**step, **version}) == {}


def test_a_row_may_say_a_name_or_a_beginning_that_exists():
    assert covers("keys")
    assert covers("keys.N.type")
    assert covers("modules.N.keys")
    assert not covers("key")
    assert not covers("sip.por")


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        ("vendor.acme.account.1.label", ""),
        ("vendor.acme.account.16.label", ""),
        ("vendor.acme.Ring_4_", ""),
        ("vendor.acme.Profile_Rule", ""),
        ("vendor.acme.line2", ""),
        ("vendor.acme.account.1.lable", "Acme has no parameter 'account.1.lable'; did you mean account.X.label?"),
        ("vendor.nobody.x", "there is no plugin 'nobody'"),
        ("vendor.bare.x", "the plugin 'bare' has no list of parameters"),
    ],
)
def test_a_free_parameter_is_one_of_the_vendors_list(name, fault):
    bare = replace(ACME, id="bare", names=frozenset())
    assert parameter_fault([ACME, bare], name) == fault
