"""What one instance says to another one, and the answers, as JSON objects; and how both are signed.

Both sides share a secret, and both sign: the request with its sender's name, a nonce and the path, the answer with
that nonce. There is no time in it, since clocks may be wrong: everything said names a transfer and an epoch, so that
an old request that is played once more finds its answer and changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any, cast

from provd.base.dataclass import dataclass
from provd.base.errors import WireError
from provd.base.secrets import Secret
from provd.domain.regions.home import Home, Kind

LARGEST = 65536
"""Octets of a request or an answer."""
_LONGEST = 255
_TEXTS = (
    "system_id",
    "sub_system_id",
    "vin",
    "kind",
    "waits_for",
    "tenant",
    "vendor",
    "model",
    "sn",
    "country",
    "key_hash",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A request. ``region`` is the place that ``moved`` and ``move`` are about; ``device`` what ``register`` gives."""

    kind: Kind
    transfer: str
    device_id: str
    epoch: int
    region: str = ""
    device: Mapping[str, object] = field(default_factory=dict)
    way: Secret = Secret("")


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An answer. ``error`` is one of the numbers of :mod:`provd.domain.regions.codes`, 0 without one."""

    result: str
    error: int = 0
    reason: str = ""
    way: Secret = Secret("")


ACCEPTED, RELEASED, WITHDRAWN = Heard(result="accepted"), Heard(result="released"), Heard(result="withdrawn")
PROVISIONED, NOTED, UNKNOWN = Heard(result="provisioned"), Heard(result="noted"), Heard(result="unknown")


def refused(error: int, reason: str) -> Heard:
    """A refusal that will not change when it is asked for again."""
    return Heard(result="refused", error=error, reason=reason)


def facts_of(home: Home) -> dict[str, object]:
    """What the next owner is given of a device."""
    texts: dict[str, object] = {name: getattr(home, name) for name in _TEXTS}
    return {**texts, "primary": home.primary, "attributes": dict(home.attributes)}


def home_of(said: Said) -> Home:
    """The device of a ``register``, in no state of its own yet. Raises WireError."""
    device = said.device
    texts = {name: _text(device, name) for name in _TEXTS}
    primary, attributes = device.get("primary"), device.get("attributes")
    if not isinstance(primary, bool) or not isinstance(attributes, dict):
        raise WireError("device: primary is true or false, attributes an object")
    return replace(Home(device_id=said.device_id, primary=primary, attributes=attributes), **cast(Any, texts))


def said_octets(said: Said) -> bytes:
    """A request as it is sent."""
    document = {
        "kind": said.kind.value,
        "transfer": said.transfer,
        "device_id": said.device_id,
        "epoch": said.epoch,
        "region": said.region,
        "device": dict(said.device),
        **({"way": said.way.reveal()} if said.way else {}),
    }
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()


def said_of(octets: bytes) -> Said:
    """A request. Raises WireError."""
    document = _document(octets)
    epoch = document.get("epoch")
    kind, device = _text(document, "kind"), document.get("device", {})
    if kind not in set(Kind):
        raise WireError(f"kind: {kind[:40]!r} is none")
    if type(epoch) is not int or not 0 <= epoch < 1 << 53:
        raise WireError("epoch: is not a number of 0 to 2^53")
    if not isinstance(device, dict):
        raise WireError("device: is not an object")
    said = Said(
        kind=Kind(kind),
        transfer=_text(document, "transfer"),
        device_id=_text(document, "device_id"),
        epoch=epoch,
        region=_text(document, "region"),
        device=device,
        way=Secret(_text(document, "way")),
    )
    if not said.device_id:
        raise WireError("device_id: is empty")
    return said


def heard_octets(heard: Heard) -> bytes:
    """An answer as it is sent."""
    way = {"way": heard.way.reveal()} if heard.way else {}
    return json.dumps({"result": heard.result, "error": heard.error, "reason": heard.reason, **way}).encode()


def heard_of(octets: bytes) -> Heard:
    """An answer. Raises WireError."""
    document = _document(octets)
    error = document.get("error", 0)
    if type(error) is not int:
        raise WireError("error: is not a number")
    way = Secret(_text(document, "way"))
    return Heard(result=_text(document, "result"), error=error, reason=_text(document, "reason"), way=way)


def _document(octets: bytes) -> dict[str, object]:
    if len(octets) > LARGEST:
        raise WireError(f"more than {LARGEST} octets")
    try:
        document = json.loads(octets)
    except (ValueError, RecursionError):
        raise WireError("this is not JSON") from None
    if not isinstance(document, dict):
        raise WireError("this is not a JSON object")
    return document


def _text(document: Mapping[str, object], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > _LONGEST or not value.isprintable():
        raise WireError(f"{name}: is not a text of at most {_LONGEST} characters on one line")
    return value


def request_signature(secret: Secret, instance: str, nonce: str, path: str, body: bytes) -> str:
    """What the sender shows: HMAC-SHA256 over ``request``, its name, the nonce, the path and the body."""
    return _mac(secret, "request", instance, nonce, path, body)


def answer_signature(secret: Secret, instance: str, nonce: str, status: int, body: bytes) -> str:
    """What the other side shows: the same over ``answer``, its own name, the nonce of the request, status, body."""
    return _mac(secret, "answer", instance, nonce, str(status), body)


def _mac(secret: Secret, *parts: str | bytes) -> str:
    # A line for each part, and none of the parts but the last one can hold a line end: no two lists read alike.
    message = b"\n".join(part.encode() if isinstance(part, str) else part for part in parts)
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()
