"""A simulated Cisco 7940 or 7960 with SIP firmware: two files of text by TFTP, and a look at a number when it is told.

From the comments in files that people run such phones with at other systems.
"""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterator

from provd.plugin.contract import Model
from provd.plugin.ordinary import OrdinaryPhone, Reading, UnreadableError, number, tree
from provd.plugin.phone import Account, Dialed, Failed, Fetch, Fetched, Handset, LeaseGot, Report, Result, Step

UNPROVISIONED = "UNPROVISIONED"
_PARAMETER = re.compile(r'([a-z0-9_]+): ?"([^"]*)"')
_ELEMENTS = {"#": "#", ".": "[0-9*#]", "*": "[0-9*#]*", "\\*": r"\*"}


class Phone(OrdinaryPhone):
    """One phone and its parameters, by their names."""

    parameter_list = (1, 3, 6, 15, 35, 66, 150)
    usual_version = "8.12.0"

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        super().__init__(model, handset, rng)
        self._told = False

    @property
    def option60(self) -> str:
        """Its class, which ends with a NUL."""
        return f"Cisco Systems, Inc. IP Phone CP-{self.model.name}\0"

    @property
    def user_agent(self) -> str:
        """It says nothing of itself: TFTP has no place for it."""
        return ""

    @property
    def sip_user_agent(self) -> str:
        """The header of its SIP requests."""
        return f"Cisco-CP{self.model.name}/{self.version}"

    def offered(self, lease: LeaseGot) -> list[str]:
        """The addresses of 150, then the name in 66."""
        return [*lease.addresses(150), *super().offered(lease)]

    def names(self) -> Iterator[str]:
        """Everybody's file, then its own, with the MAC in capital letters."""
        yield "SIPDefault.cnf"
        yield f"SIP{self.mac.upper()}.cnf"

    def restarts(self, event: str) -> bool:
        """First it looks whether it is to."""
        del event
        self._told = True
        return False

    def _provision_from(self, server: str) -> Generator[Step, Result, bool]:
        if self._told:
            self._told = False
            answer = yield Fetch(self.address(server, "syncinfo.xml"))
            if not isinstance(answer, Fetched):
                return not isinstance(answer, Failed)
            image = tree(answer.body).find("IMAGE")
            if image is None or image.get("SYNC") == self.settings.get("sync", ""):
                yield Report("the same number in syncinfo.xml: it stays as it is")
                return True
        return (yield from super()._provision_from(server))

    def read(self, name: str, body: bytes) -> Reading:
        """``name: "value"`` line by line; a dial plan has a file of its own."""
        if name.endswith(".xml"):
            rules = [f"{each.get('MATCH', '')} {each.get('Timeout', '')}" for each in tree(body).findall("TEMPLATE")]
            return Reading([("dialplan", "\n".join(rules))])
        pairs = []
        for line in body.decode("utf-8").splitlines():
            match = _PARAMETER.fullmatch(line)
            if match is None:
                raise UnreadableError(f"not a parameter: {line}")
            # Which load to run is an order, and nothing that it keeps.
            if match[1] != "image_version":
                pairs.append((match[1], match[2]))
        template = dict(pairs).get("dial_template", "")
        return Reading(pairs, (f"{template}.xml",) if template else ())

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
    def keys(self) -> list[str]:
        """What stands beside its buttons."""
        names = {n: self.settings.get(f"line{n}_shortname", "") for n in range(1, self.model.lines + 1)}
        return [f"{n}: {name} [line {n}]" for n, name in names.items() if self.settings.get(f"line{n}_name")]

    def registering(self) -> Iterator[Account]:
        """The accounts in use."""
        get = self.settings.get
        for n in range(1, self.model.lines + 1):
            name, server = get(f"line{n}_name", ""), get(f"proxy{n}_address", "")
            if not name or not server or get("proxy_register") != "1" or get(f"line{n}_password") == UNPROVISIONED:
                continue
            yield Account(
                line=n,
                username=name,
                password=get(f"line{n}_password", ""),
                server=server,
                port=number(get(f"proxy{n}_port", "")),
                auth_username=get(f"line{n}_authname", ""),
                display_name=get(f"line{n}_displayname", ""),
                backup_server=get("proxy_backup", ""),
            )


def _expression(match: str) -> str:
    return "".join(_ELEMENTS.get(part, re.escape(part)) for part in re.findall(r"\\\*|.", match))
