"""What a simulated thing says to find its home: a device's two messages to its instances, and their answers."""

from __future__ import annotations

import json
from collections.abc import Mapping

from provd.base.dataclass import dataclass

PATH = "/provision/region/message"
QUERY, PROVISION = "PROVISION_QUERY", "DEVICE_PROVISION"
_UNIT = "UNIT"
"""Its ``ecu_type``: it is no part of a vehicle."""


@dataclass(frozen=True, slots=True)
class Heard:
    """An answer. ``state`` is empty while nothing is known yet, and for a refusal, which has a ``number``."""

    state: str = ""
    endpoint: str = ""
    region: str = ""
    number: int = 0
    reason: str = ""


def message(kind: str, device: str, number: int) -> bytes:
    """One message; ``number`` makes its id, which is another one for each that is not merely sent again."""
    same = {"system_id": "", "sub_system_id": "", "vin": "", "device_id": device, "ecu_type": _UNIT}
    body: dict[str, object] = {**same, "region_info": {"region_code": "", "country_code": ""}}
    if kind == QUERY:
        body["primary"] = True
    else:
        body |= {
            "vehicle_info": {"class": "", "style": "", "model": "", "year": ""},
            "device_info": {"ecu_model": "", "make": "", "type": "", "primary": True},
            "chipsets_count": 0,
            "chipsets": [],
        }
    envelope = {
        "message_id": f"{device}-{kind}-{number}",
        "correlation_id": "",
        "version": "1",
        "source_id": device,
        "target_id": "",
        "message_type": kind,
        "time": 0,
        "ttl": -1,
        "status": 0,
        "property_bag": {"body_encoding_type": 0},
        **same,
        "body": json.dumps(body),
    }
    return json.dumps(envelope).encode()


def heard(octets: bytes) -> Heard | None:
    """What an answer says; None when it cannot be read."""
    envelope = _object(octets)
    if envelope is None:
        return None
    body = _object(envelope["body"]) if isinstance(envelope.get("body"), str) else envelope
    if body is None:
        return None
    number = body.get("error", envelope.get("error", 0))
    return Heard(
        state=str(body.get("lifecycle_state", "")),
        endpoint=str(body.get("endpoint", "")),
        region=str(body.get("region", "")),
        number=number if isinstance(number, int) else 0,
        reason=str(body.get("reason", "")),
    )


def _object(text: object) -> Mapping[str, object] | None:
    try:
        found = json.loads(text) if isinstance(text, str | bytes) else None
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
