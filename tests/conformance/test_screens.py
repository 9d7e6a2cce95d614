"""What a phone shows beside its keys is what the settings say, by the file that it gets and by how it reads it."""

from __future__ import annotations

import random

from provd.base.types import Mac
from provd.plugin.phone import Handset
from provd.simulate.load import phone_class
from tests.conformance.phones import MANIFESTS, PLUGINS, of_model
from tests.conformance.test_writes import files

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


def test_keys_are_drawn_as_they_were_set():
    phone = of_model("T48G")
    kind = phone_class(PLUGINS / "yealink")
    assert kind is not None
    made = kind(MANIFESTS["yealink"].model("T48G"), Handset(Mac(phone.mac)), random.Random(1))
    for line in files(phone, SAID)[2].decode().splitlines():
        name, equals, value = line.partition(" = ")
        if equals and value != "%NULL%":
            made.settings[name] = value
    # The lines move on to the keys that nobody has set; a speed dial without a number is nothing.
    assert made.keys == [
        "1:  [dnd]",
        "2: Bob [blf 102 on line 1 picked up by *8]",
        "4: 101 [line 1]",
        "5: 102 [line 2]",
        "2.40:  [blf 140 on line 2]",
    ]
