"""A simulated phone of this vendor, for `provd simulate` and the tests. Remove this file if you do not need one.

This one gets an address, takes the server out of option 66, fetches its own file of `name = value` lines and looks for
accounts in it. What real phones do (retries, macros, polls) belongs here, in the vendor's own words.
"""

from __future__ import annotations

import random
from datetime import datetime

from provd.plugin import Model
from provd.plugin.phone import (
    Account,
    Complaint,
    Dhcp,
    Dialed,
    Fetch,
    Fetched,
    Handset,
    LeaseGot,
    Notify,
    Reaction,
    Script,
    Settled,
    Wait,
)

_ACCOUNT = ("enable", "name", "user", "auth", "password", "server", "port")


class Phone:
    """One phone and its settings."""

    def __init__(self, model: Model, handset: Handset, rng: random.Random) -> None:
        self.mac = handset.mac
        self.settings: dict[str, str] = {}
        self._model = model
        self._rng = rng

    @property
    def accounts(self) -> tuple[Account, ...]:
        """Those that are switched on, of as many as the model holds."""
        found = []
        for line in range(1, self._model.lines + 1):
            own = {name: self.settings.get(f"account_{line}_{name}", "") for name in _ACCOUNT}
            if own["enable"] == "1" and own["user"] and own["server"]:
                port = int(own["port"] or 5060)
                found.append(Account(line, own["user"], own["password"], own["server"], port, own["auth"], own["name"]))
        return tuple(found)

    @property
    def sip_user_agent(self) -> str:
        """What it says of itself in SIP."""
        return self._model.name

    def notified(self, notify: Notify) -> Reaction:
        """It fetches its file again when a check-sync says so."""
        known = notify.event.partition(";")[0].strip().lower() == "check-sync"
        return Reaction(200, obeys=True) if known else Reaction(489)

    def dial(self, digits: str) -> Dialed:
        """Any digits are sent as they are."""
        return Dialed(digits) if self.accounts else Dialed("", "no account")

    @property
    def keys(self) -> list[str]:
        """It has none."""
        return []

    def clock(self, at: datetime) -> None:
        """It has none."""

    def run(self) -> Script:
        """Power on, provision, come back every hour."""
        lease = yield Dhcp(option60=self._model.name, parameter_list=(1, 3, 66))
        while not isinstance(lease, LeaseGot):
            yield Wait(10, "no address")
            lease = yield Dhcp(option60=self._model.name, parameter_list=(1, 3, 66))
        while True:
            answer = yield Fetch(f"{lease.text(66)}/{self.mac}.cfg", {"User-Agent": self._model.name})
            if isinstance(answer, Fetched):
                for line in answer.body.decode("utf-8", "replace").splitlines():
                    if line.startswith("#"):
                        continue
                    name, equals, value = line.partition("=")
                    if equals:
                        self.settings[name.strip()] = value.strip()
                    else:
                        yield Complaint(f"not a setting: {line!r}")
            yield Settled(self.accounts)
            yield Wait(3600 + self._rng.uniform(0, 60), "hourly poll", wakes=True)
