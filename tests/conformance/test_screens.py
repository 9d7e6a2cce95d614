"""What a phone shows beside its keys is what the settings say, by the file that it gets and by how it reads it."""

from __future__ import annotations

import random

import pytest

from provd.base.types import Mac
from provd.plugin.phone import Handset
from provd.simulate.load import phone_class
from tests.conformance.phones import MANIFESTS, PLUGINS, of_model
from tests.conformance.test_writes import files
from tests.conformance.vendors import VENDORS

SAID = {
    "keys.1.type": "dnd",
    "keys.2.type": "blf_pickup",
    "keys.2.value": "102",
    "keys.2.label": "Bob",
    "keys.2.pickup": "*8",
    "keys.3.type": "speed_dial",
    "modules.2.keys.40.type": "blf",
    "modules.2.keys.40.value": "140",
    "modules.2.keys.40.line": 2,
}


# The lines move on to the keys that nobody has set, where they have any; a speed dial without a number is nothing.
DRAWN = {
    "T48G": [
        "1:  [dnd]",
        "2: Bob [blf 102 on line 1 picked up by *8]",
        "4: 101 [line 1]",
        "5: 102 [line 2]",
        "2.40:  [blf 140 on line 2]",
    ],
    "6867i": ["topsoftkey1:  [dnd]", "topsoftkey2: Bob [blf 102]", "expmod2 key40:  [blf 140]"],
    "GXP2170": [
        "2: Bob [blf 102 on line 1]",
        "4: 101 [line on line 1]",
        "5: 102 [line on line 2]",
        "2.40:  [blf 140 on line 2]",
    ],
}


def shown(name: str, said: dict) -> list[str]:
    phone = of_model(name)
    vendor = VENDORS[phone.vendor]
    kind = phone_class(PLUGINS / phone.vendor)
    assert kind is not None
    made = kind(MANIFESTS[phone.vendor].model(name), Handset(Mac(phone.mac)), random.Random(1))
    made.settings |= {key: value for key, value in vendor.parse(files(phone, said)[2]) if value not in vendor.unset}
    return made.keys


@pytest.mark.parametrize("name", DRAWN)
def test_keys_are_drawn_as_they_were_set(name):
    assert shown(name, SAID) == DRAWN[name]


def test_a_phone_that_has_but_one_module_draws_that():
    last = {"modules.1.keys.84.type": "speed_dial", "modules.1.keys.84.value": "184", "sip.server": "pbx.example"}
    assert shown("VVX411", SAID | last) == [
        "2: Bob [blf 102@pbx.example]",
        "4: 101 [line 1]",
        "5: 102 [line 2]",
        "1.84: 184 [blf 184@pbx.example]",
    ]
