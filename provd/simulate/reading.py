"""What a simulated phone makes of files that nobody has served it yet."""

from __future__ import annotations

import random
from collections.abc import Mapping

from provd.base.types import Mac
from provd.plugin import Model
from provd.plugin.phone import (
    Complaint,
    Dhcp,
    Fetch,
    Fetched,
    Handset,
    LeaseGot,
    NotFound,
    PhoneClass,
    Result,
    Settled,
)

_STEPS = 500
"""A phone that has not settled after so many does not settle."""
_SERVER = "192.0.2.1"


def complaints(kind: PhoneClass, model: Model, mac: Mac, files: Mapping[str, bytes], version: str = "") -> list[str]:
    """What a factory-fresh phone complains of that gets an address and these files (by name) and no others."""
    known = {name.lower(): body for name, body in files.items()}
    phone = kind(model, Handset(mac, version=version), random.Random(0))
    script = phone.run()
    found: dict[str, None] = {}
    result: Result = None
    try:
        for _ in range(_STEPS):
            step = script.send(result)
            result = None
            match step:
                case Complaint(text):
                    found[text] = None
                case Dhcp():
                    options = {66: f"http://{_SERVER}/".encode()}
                    result = LeaseGot("192.0.2.10", options, _SERVER)
                case Fetch(url):
                    body = known.get(url.rpartition("/")[2].lower())
                    result = NotFound() if body is None else Fetched(body)
                case Settled():
                    break
                case _:
                    pass
    except StopIteration:
        pass
    finally:
        script.close()
    return list(found)
