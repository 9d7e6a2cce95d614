"""A DHCP message in words, one line per field or option, for people who read captures."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from provd.base.errors import WireError
from provd.base.types import ip_text, mac_text
from provd.dhcp.options import (
    Agent,
    Code,
    Type,
    address_list,
    sub_options,
    text_of,
    user_classes,
    vendor_classes,
    vendor_information,
)
from provd.dhcp.packet import BOOTREPLY, BROADCAST_FLAG, Message

_TYPES = frozenset(Type)
_CODES = frozenset(Code)
_AGENTS = frozenset(Agent)


def explain(message: Message) -> list[str]:
    """The message in readable lines: a summary, the fields that are set, every option in order of arrival."""
    way = "server to client" if message.op == BOOTREPLY else "client to server"
    lines = [f"{message.type_name} ({way}) xid {message.xid:08x} from {mac_text(message.mac)}"]
    if message.flags & BROADCAST_FLAG:
        lines.append("flags: broadcast")
    lines += [f"{name}: {getattr(message, name)}" for name in ("hops", "secs") if getattr(message, name)]
    fields = ("ciaddr", "yiaddr", "siaddr", "giaddr")
    lines += [f"{name}: {ip_text(getattr(message, name))}" for name in fields if getattr(message, name)]
    lines += [f"{name}: {_text(value)}" for name in ("sname", "file") if (value := getattr(message, name))]
    for code, value in message.options.items():
        lines.append(f"option {code}{_name(code)}: {_shown(code, value)}")
    return lines


def _name(code: int) -> str:
    return f" {Code(code).name.lower().replace('_', '-')}" if code in _CODES else ""


def _shown(code: int, value: bytes) -> str:
    try:
        return _FORMS.get(code, _any)(value)
    except WireError as error:
        return f"{value.hex()} (malformed: {error})"


def _text(value: bytes) -> str:
    return repr(text_of(value))


def _any(value: bytes) -> str:
    text = value.rstrip(b"\0")
    return _text(value) if len(text) > 2 and text.isascii() and text.decode().isprintable() else value.hex() or "empty"


def _addresses(value: bytes) -> str:
    return ", ".join(ip_text(address) for address in address_list(value))


def _number(value: bytes) -> str:
    return str(int.from_bytes(value, "big"))


def _type(value: bytes) -> str:
    number = value[0] if len(value) == 1 else 0
    return Type(number).name if number in _TYPES else value.hex()


def _codes(value: bytes) -> str:
    return ", ".join(str(code) for code in value)


def _agent(value: bytes) -> str:
    parts = []
    for code, inner in sub_options(value).items():
        name = Agent(code).name.lower().replace("_", "-") if code in _AGENTS else str(code)
        parts.append(f"{name}={_any(inner)}")
    return " ".join(parts)


def _enterprises(value: bytes) -> str:
    return "; ".join(
        f"enterprise {number}: " + " ".join(f"{code}={_any(inner)}" for code, inner in found.items())
        for number, found in vendor_information(value).items()
    )


def _classes(value: bytes) -> str:
    return "; ".join(
        f"enterprise {number}: {', '.join(_any(name) for name in names)}"
        for number, names in vendor_classes(value).items()
    )


def _users(value: bytes) -> str:
    return ", ".join(_text(name) for name in user_classes(value))


_FORMS: MappingProxyType[int, Callable[[bytes], str]] = MappingProxyType(
    dict.fromkeys((1, 3, 4, 5, 6, 28, 42, 50, 54, 150), _addresses)
    | dict.fromkeys((2, 51, 57, 58, 59, 108), _number)
    | dict.fromkeys((12, 15, 56, 60, 66, 67), _text)
    | {53: _type, 55: _codes, 77: _users, 82: _agent, 124: _classes, 125: _enterprises}
)
