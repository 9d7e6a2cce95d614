"""The way to a phone over the PBX where its lines are registered: the PBX sends the NOTIFY."""

from __future__ import annotations

from typing import Literal, Protocol

from provd.app.resyncing import Heard, Order, Told
from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError, UsageError
from provd.domain.records import Device
from provd.outbound.ami_wire import Message, variable

Technology = Literal["pjsip", "sip", "auto"]

_UNKNOWN_ACTION = "unknown command"
_NO_ENDPOINT = "unable to retrieve endpoint"


class Client(Protocol):
    """What is needed of a manager connection."""

    @property
    def connected(self) -> bool:
        """Whether it is logged in."""
        ...

    async def request(self, name: str, fields: list[tuple[str, str]]) -> Message:
        """Carry out an action. Raises ProvdError."""
        ...


@dataclass(frozen=True, slots=True)
class Pbx:
    """One PBX. ``endpoint`` makes the name there out of a line's user name; ``tenants`` are those whose lines are there
    (empty: everybody's)."""

    client: Client
    name: str
    technology: Technology = "auto"
    endpoint: str = "{username}"
    tenants: tuple[str, ...] = ()

    def serves(self, tenant: str) -> bool:
        """Whether the lines of this tenant are registered here."""
        return not self.tenants or tenant in self.tenants


class AmiWay:
    """Implements :class:`~provd.app.resyncing.Way`. ``tenant_of`` tells whose lines a device is registered with."""

    name = "ami"

    def __init__(self) -> None:
        self.exchanges: tuple[Pbx, ...] = ()

    async def tell(self, device: Device, order: Order) -> Told:
        """Ask each PBX that may know the device, for each of its lines, until one takes the order."""
        serving = [pbx for pbx in self.exchanges if pbx.serves(order.tenant)]
        if not order.lines or not serving:
            detail = f"no line of {device.mac} is registered at a PBX that we know"
            return Told(way=self.name, heard=Heard.NO_WAY, detail=detail)
        worst = Told(way=self.name, heard=Heard.NO_WAY, detail="no PBX is connected")
        for pbx in serving:
            if not pbx.client.connected:
                continue
            for username in order.lines:
                told = await self._notify(pbx, username, order)
                if told.heard is Heard.PASSED_ON:
                    return told
                worst = told
        return worst

    async def _notify(self, pbx: Pbx, username: str, order: Order) -> Told:
        endpoint = pbx.endpoint.replace("{username}", username)
        try:
            headers = [variable("Event", order.event)]
            if order.body:
                headers += [variable("Content-type", "text/plain"), *(variable("Content", line) for line in order.body)]
            answer = None
            if pbx.technology != "sip":
                answer = await pbx.client.request("PJSIPNotify", [("Endpoint", endpoint), *headers])
            if answer is None or (pbx.technology == "auto" and not answer.good and _elsewhere(answer)):
                answer = await pbx.client.request("SIPnotify", [("Channel", endpoint), *headers])
        except UsageError as error:
            return Told(way=self.name, heard=Heard.NO_WAY, detail=str(error))
        except ProvdError as error:
            return Told(way=self.name, heard=Heard.SILENT, detail=f"{pbx.name}: {error}")
        if answer.good:
            return Told(way=self.name, heard=Heard.PASSED_ON, detail=f"{pbx.name} has sent it to {endpoint}")
        return Told(way=self.name, heard=Heard.REFUSED, detail=f"{pbx.name}: {answer.get('message')[:80]}")


def _elsewhere(answer: Message) -> bool:
    """Whether the older channel driver may know better."""
    text = answer.get("message").lower()
    return _UNKNOWN_ACTION in text or _NO_ENDPOINT in text
