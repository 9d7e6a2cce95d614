"""How a SmartNode reads a configuration of commands: each belongs to a mode, and one that a mode does not know ends it.

From the vendor's configuration guide (SmartWare) and configurations that gateways have written themselves.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field

from provd.plugin.ordinary import Pairs, UnreadableError

MODES: dict[str, dict[str, str]] = {
    "": {
        "cli version": "",
        "clock local default-offset": "",
        "clock local dst-rule": "",
        "timer": "",
        "webserver port": "",
        "sntp-client server primary": "",
        "sntp-client server secondary": "",
        "sntp-client": "",
        "administrator": "",
        "operator": "",
        "profile provisioning": "provisioning",
        "profile call-progress-tone": "tone",
        "profile tone-set": "tone-set",
        "profile voip": "voip",
        "profile service-policy": "policy",
        "actions": "actions",
        "syslog-client": "syslog",
        "system": "system",
        "context ip router": "router",
        "context cs switch": "switch",
        "context sip-gateway": "gateway",
        "port ethernet": "ethernet",
        "port fxs": "socket",
        "authentication-service": "credentials",
        "location-service": "domain",
    },
    "provisioning": {"destination": "", "location": "", "activation": ""},
    "tone": {"play": "", "pause": ""},
    "tone-set": {"map call-progress-tone": ""},
    "voip": {"codec": "", "dtmf-relay": "", "ced": "", "fax transmission": ""},
    "policy": {"source traffic-class": "class"},
    "class": {"set ip dscp": "", "set layer2 cos": ""},
    "actions": {"rule": "rule"},
    "rule": {"condition": "", "action": ""},
    "syslog": {"remote": "remote"},
    "remote": {"facility": ""},
    "system": {"ic voice": "ic"},
    "ic": {"low-bitrate-codec": ""},
    "router": {"interface": "link"},
    "link": {"ipaddress": "", "tcp adjust-mss": "", "use profile service-policy": ""},
    "switch": {
        "digit-collection timeout": "",
        "routing-table": "table",
        "interface sip": "server",
        "interface fxs": "extension",
        "service hunt-group": "hunt",
        "no shutdown": "",
    },
    "table": {"route": ""},
    "server": {"bind context": "", "route call": "", "remote": ""},
    "extension": {
        "route call": "",
        "message-waiting-indication": "",
        "call-transfer": "",
        "no call-waiting": "",
        "subscriber-number": "",
    },
    "hunt": {"timeout": "", "route call": ""},
    "ethernet": {"medium": "", "vlan": "vlan", "encapsulation": "", "bind interface": "", "no shutdown": ""},
    "vlan": {"encapsulation": "", "bind interface": "", "no shutdown": ""},
    "socket": {"encapsulation": "", "bind interface": "", "no shutdown": ""},
    "credentials": {"username": ""},
    "domain": {"domain": "", "identity": "identity"},
    "identity": {
        "authentication outbound": "authentication",
        "call outbound": "outbound",
        "message inbound": "messages",
        "registration outbound": "registration",
    },
    "authentication": {"authenticate": ""},
    "outbound": {"preferred-transport-protocol": ""},
    "messages": {"subscribe": ""},
    "registration": {"register": "", "registrar": "", "lifetime": "", "preferred-transport-protocol": ""},
    "gateway": {"interface": "transport", "bind location-service": "", "notify check-sync": "", "no shutdown": ""},
    "transport": {"bind interface": ""},
}
"""By mode: its commands, and the mode that each one opens (empty: none)."""


@dataclass(slots=True)
class Command:
    """A command, what stands behind it word by word, and the commands of the mode that it has opened."""

    name: str
    words: tuple[str, ...]
    inside: list[Command] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Command]:
        """Those of its own commands that are called so."""
        return (each for each in self.inside if each.name == name)

    def words_of(self, name: str) -> tuple[str, ...]:
        """What stands behind the first of them; nothing where there is none."""
        return next((each.words for each in self.all(name)), ())


def read(text: str) -> Command:
    """The whole configuration. Raises UnreadableError at a command that no mode knows."""
    whole = Command("", ())
    modes = [("", whole)]
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = _words(line)
        while True:
            mode, holder = modes[-1]
            name = _known(words, mode)
            if name:
                break
            if len(modes) == 1:
                raise UnreadableError(f"no such command: {' '.join(words[:2])}")
            modes.pop()
        command = Command(name, tuple(words[len(name.split()) :]))
        opened = MODES[mode][name]
        again = next((each for each in holder.all(name) if opened and each.words == command.words), None)
        if again is None:
            holder.inside.append(command)
        if opened:
            modes.append((opened, again or command))
    return whole


def pairs(command: Command, place: str = "") -> Pairs:
    """Commands by mode, numbered where there are several of a name, and what stands behind each (``set``: nothing)."""
    found: Pairs = []
    counts: dict[str, int] = {}
    for each in command.inside:
        counts[each.name] = counts.get(each.name, 0) + 1
        number = f" {counts[each.name]}" if counts[each.name] > 1 else ""
        found.append((f"{place}{each.name}{number}", " ".join(each.words) or "set"))
        found += pairs(each, f"{place}{each.name}{number}/")
    return found


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True)
    lexer.whitespace_split, lexer.commenters, lexer.quotes = True, "", '"'
    try:
        return list(lexer)
    except ValueError as error:
        raise UnreadableError(f"a quotation mark is missing: {line.split(maxsplit=1)[0]}") from error


def _known(words: list[str], mode: str) -> str:
    """The longest command of that mode that the words begin with."""
    fitting = (name for name in MODES[mode] if words[: len(name.split())] == name.split())
    return max(fitting, key=len, default="")
