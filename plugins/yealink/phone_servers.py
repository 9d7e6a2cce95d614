"""Where the accounts of a Yealink phone register: with a server of their own, or with one of the base's templates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

TRANSPORTS = {"0": "udp", "1": "tcp", "2": "tls"}


class Servers(NamedTuple):
    """The first server of an account (``host`` is empty when it has none) and the second one."""

    host: str
    port: int
    transport: str
    backup: str


def servers_of(settings: Mapping[str, str], account: str, generation: int, templates: bool) -> Servers:
    """The servers of the account whose parameters begin with ``account``. ``templates``: the model keeps servers in
    templates, and its accounts have the number of one."""
    if templates:
        number = settings.get(f"{account}sip_server.template", "")
        return _read(settings, f"template.{number}.", account, 81) if number else Servers("", 0, "udp", "")
    return _read(settings, account, account, generation)


def _read(settings: Mapping[str, str], start: str, account: str, generation: int) -> Servers:
    get = settings.get
    server, port = ("sip_server.1.address", "sip_server.1.port")
    if generation < 73:
        server, port = ("sip_server_host", "sip_server_port")
    transport = get(start + ("sip_server.1.transport_type" if generation >= 80 else "transport"), "0")
    number = get(start + port, "")
    # The second server, where the firmware has one and knows what to use it for.
    redundant = generation >= 73 and get(f"{account}fallback.redundancy_type") == "1"
    return Servers(
        host=get(start + server, ""),
        port=int(number) if number.isdigit() else 0,
        transport=TRANSPORTS.get(transport, "other"),
        backup=get(f"{start}sip_server.2.address", "") if redundant else "",
    )
