"""On which device was it dialed? The evidence of a dial, strongest first.

1. The **account** that was authenticated: the temporary account is derived from the MAC and nobody else has its
   password; of a PBX, the account of a line that is on one device only.
2. The **mac**: a PBX knows it, or the phone says it in its User-Agent.
3. The **lease**: the phone's own address is one that we leased to its MAC.
4. The **address**: one device only was seen at that address.

An address that several devices were seen at is a NAT's: it tells nothing, and no device is taken for another because of
it. A Contact that differs from the sender's address tells of a NAT too. Stronger evidence is not outvoted by weaker.
"""

from __future__ import annotations

from provd.app.codes.accounts import Accounts
from provd.app.dialing import Dial
from provd.app.knowledge import Knowledge
from provd.app.ports import LeaseView
from provd.app.tables import Tables
from provd.base.dataclass import dataclass
from provd.base.types import Mac
from provd.domain.records import Device


@dataclass(frozen=True, slots=True)
class Dialer:
    """The device, by which evidence it was recognised, and its port where that is known (else 0)."""

    device: Device | None
    by: str = ""
    port: int = 0


class Evidence:
    """Finds the device of a dial."""

    def __init__(self, tables: Tables, accounts: Accounts, leases: LeaseView, knowledge: Knowledge) -> None:
        self._tables = tables
        self._accounts = accounts
        self._leases = leases
        self._knowledge = knowledge

    def dialer(self, dial: Dial) -> Dialer:
        """Who dialed; a Dialer without a device when nobody knows."""
        if dial.account:
            found = self._by_account(dial.account)
            if found is not None:
                return found
        mac = dial.mac or self._mac_said(dial.user_agent)
        if mac is not None:
            # Also when it is none of ours: an address would only say the same less well.
            device = self._tables.device(mac)
            return Dialer(device, "mac" if device else "")
        return self._by_address(_own_address(dial))

    def _by_account(self, username: str) -> Dialer | None:
        known = self._accounts.find(username)
        if known is not None:
            return Dialer(self._tables.device(known.mac), "account", known.port)
        holder = self._accounts.holder(username)
        if holder is None:
            return None
        device, line = holder
        place = device.lines.index(line.id)
        return Dialer(device, "account", device.ports[place] if device.ports else place + 1)

    def _mac_said(self, user_agent: str) -> Mac | None:
        return self._knowledge.of_request(user_agent, "").mac if user_agent else None

    def _by_address(self, address: str) -> Dialer:
        if not address:
            return Dialer(None)
        mac = self._leases.holder(address)
        leased = None if mac is None else self._tables.device(mac)
        if leased is not None:
            return Dialer(leased, "lease")
        seen = [device for device in self._tables.devices.values() if device.ip == address]
        return Dialer(seen[0], "address") if len(seen) == 1 else Dialer(None)


def _own_address(dial: Dial) -> str:
    """The device's own address, empty where only a NAT's or a PBX's is known."""
    if dial.ip:
        return dial.ip
    behind_nat = dial.contact not in ("", dial.peer)
    return dial.peer if dial.via == "sip" and not behind_nat else ""
