"""DHCP option values of a plugin's advice as octets."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provd.base.errors import PluginError
from provd.base.types import ip_int
from provd.plugin import OptionValue

_PLACEHOLDER = re.compile(r"\{(base|host|port|path|address|tftp|mac)\}")
_BETWEEN = re.compile(r"[\s,]+")


def placeholders(value: OptionValue) -> frozenset[str]:
    """The names of the placeholders in this value."""
    texts = value.suboptions.values() if value.encoding == "suboptions" else (value.text,)
    return frozenset(name for text in texts for name in _PLACEHOLDER.findall(text))


def filled(text: str, names: Mapping[str, str]) -> str:
    """The text with its placeholders filled in."""
    return _PLACEHOLDER.sub(lambda found: names[found[1]], text)


def encode(value: OptionValue, names: Mapping[str, str]) -> bytes:
    """The octets of the value with its placeholders filled in. Raises PluginError."""
    try:
        match value.encoding:
            case "text":
                return filled(value.text, names).encode()
            case "ip":
                parts = _BETWEEN.split(filled(value.text, names).strip())
                return b"".join(ip_int(part).to_bytes(4, "big") for part in parts)
            case "hex":
                return bytes.fromhex(filled(value.text, names).replace(":", ""))
            case "suboptions":
                return b"".join(
                    _suboption(code, filled(text, names)) for code, text in sorted(value.suboptions.items())
                )
    except ValueError as error:
        raise PluginError(f"DHCP option value {value.text!r} cannot be encoded: {error}") from None


def _suboption(code: int, text: str) -> bytes:
    # RFC 2132 section 8.4: code, length, octets.
    octets = text.encode()
    if len(octets) > 255:
        raise ValueError(f"sub-option {code} is longer than 255 octets")
    return bytes((code, len(octets))) + octets
