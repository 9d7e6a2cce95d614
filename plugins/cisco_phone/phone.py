"""A simulated Cisco phone for a call manager, with SIP firmware: files by TFTP when it starts, and never by itself.

From what people have found out about running such phones at other systems, and the templates of those.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from types import MappingProxyType
from xml.etree import ElementTree as ET

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError, number, tree
from provd.plugin.phone import Account, Dialed, LeaseGot, Notify, Reaction

from .phone_clock import shown

TRANSPORTS = {"1": "tcp", "2": "udp", "3": "tls"}
FUNCTIONS = {"2": "speed dial", "9": "line", "20": "service", "21": "lamp"}
_ELEMENTS = {"#": "#", ".": "[0-9*#]", "*": "[0-9*#]*", "\\*": r"\*"}
_GROUP = "devicePool/callManagerGroup/members/member/callManager"


class Phone(OrdinaryPhone):
    """One phone; a parameter is the path of its element, with the button in front for what belongs to one."""

    factory = MappingProxyType({"transportLayerProtocol": "2"})
    parameter_list = (1, 3, 6, 15, 35, 66, 150)
    usual_version = "9.4.2"

    @property
    def option60(self) -> str:
        """Its class, which ends with a NUL."""
        return f"Cisco Systems, Inc. IP Phone CP-{self.model.name.removeprefix('CP-')}\0"

    @property
    def user_agent(self) -> str:
        """It says nothing of itself: TFTP has no place for it."""
        return ""

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Cisco-CP{self.model.name.removeprefix('CP-')}/{self.version}"

    def offered(self, lease: LeaseGot) -> list[str]:
        """The addresses of 150, then the name in 66."""
        return [*lease.addresses(150), *super().offered(lease)]

    def names(self) -> Iterator[str]:
        """Lists of trust, which are not there, and its own file; always in capital letters."""
        yield f"CTLSEP{self.mac.upper()}.tlv"
        yield f"ITLSEP{self.mac.upper()}.tlv"
        yield f"SEP{self.mac.upper()}.cnf.xml"

    def notified(self, notify: Notify) -> Reaction:
        """An order in the body of its own event, whoever sends it over the line."""
        if notify.event.partition(";")[0].strip().lower() != "service-control":
            return Reaction(489)
        orders = dict(line.partition("=")[::2] for line in notify.body.split("\r\n"))
        return Reaction(200, obeys=orders.get("action") in {"restart", "reset"} and "RegisterCallId" in orders)

    def restarts(self, event: str) -> bool:
        """Whatever it is told, it starts anew."""
        del event
        return True

    def read(self, name: str, body: bytes) -> Reading:
        """Elements by their paths. What the file does not have is as the factory had it; it names the dial plan."""
        root = tree(body)
        if root.tag == "DIALTEMPLATE":
            rules = [f"{each.get('MATCH', '')} {each.get('Timeout', '')}" for each in root.findall("TEMPLATE")]
            return Reading([("dialplan", "\n".join(rules))])
        if root.tag != "device" or not name.startswith("SEP"):
            raise UnreadableError(f"the root element is <{root.tag}>")
        pairs = list(_walk(root, ""))
        said = {parameter for parameter, _ in pairs} | {"dialplan"}
        gone: Pairs = [(parameter, "") for parameter in self.settings if parameter not in said]
        template = root.findtext("sipProfile/dialTemplate") or ""
        return Reading([*gone, *pairs], (template,) if template else ())

    def dial(self, digits: str) -> Dialed:
        """The dial plan: a number that fits an expression without waiting is dialed before its end is keyed in."""
        if not self.accounts:
            return Dialed("", "no account")
        rules = [rule.split(" ") for rule in self.settings.get("dialplan", "").split("\n") if rule]
        for end in range(1, len(digits) + 1):
            for match, timeout in rules:
                complete = end == len(digits) or timeout == "0"
                if complete and re.fullmatch(_expression(match), digits[:end]):
                    return Dialed(digits[:end], f"by {match}")
        return Dialed("", "no expression of the dial plan fits")

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The lines on its buttons; a line that stands on two of them registers once."""
        found: dict[int, Account] = {}
        for _, get in self._buttons():
            if get.get("featureID") == "9" and get.get("name"):
                account = self._account(get)
                found.setdefault(account.line, account)
        return tuple(found[line] for line in sorted(found))

    @property
    def keys(self) -> list[str]:
        """What stands beside its buttons."""
        found = []
        for button, get in self._buttons():
            what = get.get("speedDialNumber") or get.get("serviceURI") or get.get("name", "")
            mask = " and picks up" if get.get("featureOptionMask") == "1" else ""
            found.append(f"{button}: {get.get('featureLabel', '')} [{FUNCTIONS[get['featureID']]} {what}{mask}]")
        return found

    def clock(self, at: datetime) -> datetime | None:
        """What its display shows."""
        return shown(self.settings, at)

    def _buttons(self) -> Iterator[tuple[int, dict[str, str]]]:
        for button in range(1, max(self.model.keys, 1) + 1):
            start = f"button {button} "
            get = {name.removeprefix(start): value for name, value in self.settings.items() if name.startswith(start)}
            if get.get("featureID"):
                yield button, get

    def _account(self, get: Mapping[str, str]) -> Account:
        group = get["proxy"] == "USECALLMANAGER"
        port = self.settings.get(f"{_GROUP}/ports/sipPort", "") if group else get.get("port", "")
        return Account(
            line=number(get.get("index", ""), 1),
            username=get["name"],
            password=get.get("authPassword", ""),
            server=self.settings.get(f"{_GROUP}/processNodeName", "") if group else get["proxy"],
            port=number(port),
            auth_username=get.get("authName", ""),
            display_name=get.get("displayName", ""),
            backup_server=self.settings.get("sipProfile/sipProxies/backupProxy", ""),
            transport=TRANSPORTS.get(self.settings["transportLayerProtocol"], "other"),
        )


def _walk(element: ET.Element, path: str) -> Iterator[tuple[str, str]]:
    for child in element:
        if child.tag == "line":
            start = f"button {child.get('button')} "
            yield f"{start}index", child.get("lineIndex", "")
            yield from ((start + name.replace("/", " "), value) for name, value in _walk(child, ""))
        elif len(child):
            yield from _walk(child, f"{path}{child.tag}/")
        else:
            yield path + child.tag, (child.text or "").strip()


def _expression(match: str) -> str:
    return "".join(_ELEMENTS.get(part, re.escape(part)) for part in re.findall(r"\\\*|.", match))
