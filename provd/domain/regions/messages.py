"""Messages between a device and an instance: an envelope of JSON, with a body that is a text of JSON of its own.

``{"message_id", "correlation_id", "version", "system_id", "sub_system_id", "vin", "device_id", "ecu_type", "source_id",
"target_id", "message_type", "time", "ttl", "status", "property_bag": {"body_encoding_type"}, "body"}``

``time`` is seconds since the epoch, ``ttl`` seconds from then on (-1: for ever). ``body_encoding_type`` is 0 for a body
as it is and 1 for base64. In version ``"1"`` ``message_type`` is a name, in ``"2"`` its number. Whatever a message
names in its envelope and in its body has to be the same in both.
"""

from __future__ import annotations

import base64
import binascii
import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import field

from provd.base.dataclass import dataclass
from provd.domain.regions.codes import Code, Wrong

LARGEST = 65536
"""Octets of a message."""
_LONGEST = 255
VEHICLE = frozenset({"TCU", "IVI", "ADAS"})
UNIT = "UNIT"
"""An ``ecu_type`` for what is no part of a vehicle: a sensor, a gateway, a phone. It has no VIN."""
_SAME = ("system_id", "sub_system_id", "vin", "device_id", "ecu_type")


class Type(enum.IntEnum):
    """What a message is, with its number."""

    PROVISION_QUERY = 1
    PROVISION_QUERY_ACK = 2
    PROVISION_QUERY_RESPONSE = 3
    DEVICE_PROVISION = 4
    DEVICE_PROVISION_ACK = 5
    DEVICE_PROVISION_RESPONSE = 6
    CHIPSET_ONBOARDING_NONCE = 51
    CHIPSET_ONBOARDING_NONCE_ACK = 52
    CHIPSET_ONBOARDING_NONCE_RESPONSE = 53
    CHIPSET_ONBOARDING_NONCE_RESPONSE_ACK = 54
    CHIPSET_ONBOARDING_RESPONSE = 55


ANSWERS: Mapping[Type, tuple[Type, Type]] = {
    Type.PROVISION_QUERY: (Type.PROVISION_QUERY_ACK, Type.PROVISION_QUERY_RESPONSE),
    Type.DEVICE_PROVISION: (Type.DEVICE_PROVISION_ACK, Type.DEVICE_PROVISION_RESPONSE),
    Type.CHIPSET_ONBOARDING_NONCE: (Type.CHIPSET_ONBOARDING_NONCE_ACK, Type.CHIPSET_ONBOARDING_NONCE),
    Type.CHIPSET_ONBOARDING_NONCE_RESPONSE: (
        Type.CHIPSET_ONBOARDING_NONCE_RESPONSE_ACK,
        Type.CHIPSET_ONBOARDING_RESPONSE,
    ),
}
"""What a device may send: its acknowledgement, and what answers it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message of a device. ``digest`` is of what it says, whatever its id and time."""

    type: Type
    message_id: str
    correlation_id: str
    version: str
    header: Mapping[str, str]
    encoding: int
    time: float
    ttl: float
    body: Mapping[str, object]
    digest: str = ""

    @property
    def device_id(self) -> str:
        """Who sends it."""
        return self.header["device_id"]

    def late(self, now: float) -> bool:
        """Whether its time is over."""
        return self.ttl >= 0 and self.time > 0 and now > self.time + self.ttl


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What is answered: an acknowledgement without a response for a refusal (``code``) and for a *pending* (``wait``
    seconds), or a response with its ``body``."""

    code: Code = Code.OK
    reason: str = ""
    wait: int = 0
    body: Mapping[str, object] | None = None

    @property
    def final(self) -> bool:
        """Whether the same message is answered so for ever."""
        return self.body is not None


def pending(wait: int, reason: str) -> Answer:
    """It is not known yet."""
    return Answer(wait=wait, reason=reason)


def read(octets: bytes) -> Message:
    """A message of a device. Raises Wrong."""
    envelope = _object(octets, Code.JSON)
    kind, version = _type(envelope)
    bag = envelope.get("property_bag")
    if not isinstance(bag, dict):
        raise Wrong(Code.PROPERTY_BAG, "property_bag: is not there")
    if "body_encoding_type" not in bag:
        raise Wrong(Code.ENCODING_MISSING, "body_encoding_type: is not there")
    encoding = bag["body_encoding_type"]
    if encoding not in (0, 1) or isinstance(encoding, bool):
        raise Wrong(Code.ENCODING, "body_encoding_type: is 0 or 1")
    body = _body(envelope.get("body"), int(encoding))
    header = {name: _text(envelope, name) for name in (*_SAME, "source_id", "target_id")}
    _agree(kind, header, body)
    message_id = _text(envelope, "message_id")
    if not message_id:
        raise Wrong(Code.MANDATORY, "message_id: is needed")
    return Message(
        type=kind,
        message_id=message_id,
        correlation_id=_text(envelope, "correlation_id"),
        version=version,
        header=header,
        encoding=int(encoding),
        time=_number(envelope, "time", 0.0),
        ttl=_number(envelope, "ttl", -1.0),
        body=body,
        digest=digest({"type": int(kind), "header": header, "body": body}),
    )


def digest(document: object) -> str:
    """What two documents have in common that say the same."""
    return hashlib.sha256(json.dumps(document, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def written(message: Message, answer: Answer, *, message_id: str, now: float, instance: str) -> bytes:
    """The envelope that answers a message."""
    ack, response = ANSWERS[message.type]
    kind, said = (ack, _acknowledged(answer)) if answer.body is None else (response, dict(answer.body))
    text = json.dumps(said, separators=(",", ":"))
    envelope = {
        "message_id": message_id,
        "correlation_id": message.correlation_id or message.message_id,
        "version": message.version,
        **{name: message.header[name] for name in _SAME},
        "source_id": instance,
        "target_id": message.header["source_id"] or message.device_id,
        "message_type": int(kind) if message.version == "2" else kind.name,
        "time": int(now),
        "ttl": -1,
        "status": int(answer.code),
        "property_bag": {"body_encoding_type": message.encoding},
        "body": base64.b64encode(text.encode()).decode() if message.encoding else text,
    }
    return json.dumps(envelope, separators=(",", ":")).encode()


def unreadable(wrong: Wrong) -> bytes:
    """The answer to what is no message: the acknowledgement's body alone."""
    return json.dumps(_acknowledged(Answer(code=wrong.code, reason=str(wrong)))).encode()


def _acknowledged(answer: Answer) -> dict[str, object]:
    taken = answer.code is Code.OK
    said: dict[str, object] = {"response": int(taken), "error": 0 if taken else int(answer.code)}
    return {**said, "reason": answer.reason} if answer.reason else said


def _object(octets: bytes | str, code: Code) -> dict[str, object]:
    if len(octets) > LARGEST:
        raise Wrong(code, f"more than {LARGEST} octets")
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        raise Wrong(code, "this is not a JSON object")
    return document


def _type(envelope: Mapping[str, object]) -> tuple[Type, str]:
    version, given = _text(envelope, "version") or "1", envelope.get("message_type")
    if version not in {"1", "2"}:
        raise Wrong(Code.FIELD, 'version: is "1" or "2"')
    known = {int(kind) if version == "2" else kind.name: kind for kind in ANSWERS}
    kind = known.get(given) if isinstance(given, int | str) and not isinstance(given, bool) else None
    if kind is None:
        raise Wrong(Code.TYPE, f"message_type: is none that a device sends in version {version}")
    return kind, version


def _body(text: object, encoding: int) -> dict[str, object]:
    if not isinstance(text, str):
        raise Wrong(Code.BODY, "body: is not a text")
    if not encoding:
        return _object(text, Code.BODY)
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Wrong(Code.ENCODING, "body: is not base64") from None
    return _object(octets, Code.BODY)


def _agree(kind: Type, header: Mapping[str, str], body: Mapping[str, object]) -> None:
    """Raises Wrong when who sends it is not said, or said in two ways."""
    if not header["device_id"]:
        raise Wrong(Code.DEVICE_MISSING, "device_id: is needed")
    if header["ecu_type"] not in {*VEHICLE, UNIT}:
        raise Wrong(Code.MANDATORY, f"ecu_type: is one of {', '.join(sorted(VEHICLE))} or {UNIT}")
    if len(header["vin"]) != 17 and (header["ecu_type"] in VEHICLE or header["vin"]):
        raise Wrong(Code.VIN, "vin: has 17 characters")
    whole = kind in {Type.PROVISION_QUERY, Type.DEVICE_PROVISION}
    for name in _SAME:
        if name in body:
            if body[name] != header[name]:
                raise Wrong(Code.HEADER_DIFFERS, f"{name}: differs between envelope and body")
        elif whole and header[name]:
            raise Wrong(Code.MANDATORY, f"{name}: is not in the body")
    for name in ("system_id", "sub_system_id"):
        if header["ecu_type"] in VEHICLE and not header[name]:
            missing = Code.MANDATORY if name == "system_id" else Code.SUB_SYSTEM
            raise Wrong(missing, f"{name}: is needed")


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise Wrong(Code.FIELD, f"{name}: is not a text of at most {_LONGEST} characters on one line")
    return value


def _number(document: Mapping[str, object], name: str, default: float) -> float:
    value = document.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise Wrong(Code.FIELD, f"{name}: is not a number of seconds")
    return float(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a PROVISION_QUERY says: ``primary`` units speak for their vehicle or site."""

    primary: bool
    country: str
    region_code: str = ""


def query_of(message: Message) -> Query:
    """Raises Wrong."""
    primary = message.body.get("primary")
    if not isinstance(primary, bool):
        raise Wrong(Code.MANDATORY, "primary: is true or false")
    info = message.body.get("region_info")
    if not isinstance(info, dict):
        raise Wrong(Code.MANDATORY, "region_info: is needed")
    return Query(primary=primary, country=_text(info, "country_code"), region_code=_text(info, "region_code"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chipset:
    """A unit within a device: a chipset, a handset, a control unit."""

    id: str
    name: str = ""
    type: str = ""
    version: str = ""
    sw: str = ""
    hw: str = ""
    sku: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """What a DEVICE_PROVISION says. ``facts`` is a digest of all of it."""

    region_code: str
    chipsets: tuple[Chipset, ...] = ()
    info: Mapping[str, object] = field(default_factory=dict)
    facts: str = ""


def provision_of(message: Message) -> Provision:
    """Raises Wrong."""
    body = message.body
    vehicle = message.header["ecu_type"] in VEHICLE
    for name, needed, code in (
        ("vehicle_info", vehicle, Code.VEHICLE_INFO),
        ("device_info", True, Code.MANDATORY),
        ("region_info", True, Code.REGION_MISSING),
    ):
        if not isinstance(body.get(name), dict) and (needed or name in body):
            raise Wrong(code, f"{name}: is needed")
    region = body.get("region_info")
    count, chipsets = body.get("chipsets_count"), body.get("chipsets", [])
    if type(count) is not int or count < 0:
        raise Wrong(Code.CHIPSET_COUNT, "chipsets_count: is needed")
    if not isinstance(chipsets, list) or not all(isinstance(each, dict) for each in chipsets):
        raise Wrong(Code.FIELD, "chipsets: is a list of objects")
    if count != len(chipsets):
        raise Wrong(Code.COUNT_MISMATCH, f"chipsets_count: is {count}, and there are {len(chipsets)}")
    found = tuple(Chipset(**{name: _text(each, name) for name in Chipset.__slots__}) for each in chipsets)
    if len({each.id for each in found if each.id}) != len(found):
        raise Wrong(Code.FIELD, "chipsets: each has an id of its own")
    return Provision(
        region_code=_text(region if isinstance(region, dict) else {}, "region_code"),
        chipsets=found,
        info={name: body[name] for name in ("vehicle_info", "device_info") if name in body},
        facts=digest(body),
    )
