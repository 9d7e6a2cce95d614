"""The part of a dialog that requests of ours need, made from an INVITE that we answer (RFC 3261 section 12.1.1)."""

from __future__ import annotations

from dataclasses import replace

from provd.base.dataclass import dataclass
from provd.sip.address import name_address, uri_parts
from provd.sip.build import Field
from provd.sip.effects import Flow
from provd.sip.message import Request


@dataclass(slots=True)
class Dialog:
    """``target`` is the Contact of the other side, ``local`` and ``remote`` are our and its From/To with tags."""

    call_id: str
    tag: str
    remote_tag: str
    local: str
    remote: str
    target: str
    routes: tuple[str, ...]
    flow: Flow
    remote_cseq: int
    cseq: int = 0

    @property
    def key(self) -> tuple[str, str]:
        """What requests within it are found by."""
        return self.call_id, self.tag

    def next(self, method: str) -> list[Field]:
        """The headers of our next request within it."""
        self.cseq += 1
        fields: list[Field] = [
            ("From", self.local),
            ("To", self.remote),
            ("Call-ID", self.call_id),
            ("CSeq", f"{self.cseq} {method}"),
        ]
        return fields + [("Route", route) for route in self.routes]


def dialog_of(request: Request, tag: str, flow: Flow) -> Dialog:
    """The dialog that our 2xx with this tag makes."""
    headers = request.headers
    contacts = headers.elements("contact")
    caller = request.from_
    target = name_address(contacts[0]).uri if contacts else caller.uri
    return Dialog(
        call_id=request.call_id,
        tag=tag,
        remote_tag=caller.tag,
        local=f"{headers.get('to')};tag={tag}",
        remote=headers.get("from"),
        target=target,
        routes=tuple(headers.elements("record-route")),
        flow=direct(flow, target),
        remote_cseq=request.cseq,
    )


def direct(flow: Flow, contact: str) -> Flow:
    """The flow for requests of ours to that Contact.

    A phone without a NAT in between may send from another port than it hears on; then its Contact says where. Behind a
    NAT (the address in the Contact is not the one we see) only the way that its own request came leads back.
    """
    parts = uri_parts(contact)
    if flow.transport != "udp" or parts is None or parts.host != flow.host:
        return flow
    return replace(flow, port=parts.port or 5060)
