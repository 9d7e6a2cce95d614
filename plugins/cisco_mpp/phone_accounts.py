"""What a multiplatform phone makes of the settings of its lines: the accounts that it registers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from provd.plugin.ordinary import number
from provd.plugin.phone import Account

_SRV = re.compile(r"([^:|]+):(\d+):p=(\d+)")
USUAL_KEEP_ALIVE = 15
"""Seconds of ``NAT_Keep_Alive_Intvl`` from the factory."""


def accounts(settings: Mapping[str, str], lines: int) -> Iterator[Account]:
    """The accounts of the enabled lines that have a user and a proxy."""
    get = settings.get
    for line in range(1, lines + 1):
        user, proxy = get(f"User_ID_{line}_", ""), get(f"Proxy_{line}_", "")
        if not user or not proxy or "No" in {get(f"Line_Enable_{line}_"), get(f"Register_{line}_")}:
            continue
        host, port, backup = _servers(proxy, srv=get(f"Use_DNS_SRV_{line}_") == "Yes")
        interval = number(get("NAT_Keep_Alive_Intvl", ""), USUAL_KEEP_ALIVE)
        yield Account(
            line=line,
            username=user,
            password=get(f"Password_{line}_", ""),
            server=host,
            port=number(port),
            auth_username=get(f"Auth_ID_{line}_", ""),
            display_name=get(f"Display_Name_{line}_", ""),
            label=get(f"Short_Name_{line}_", ""),
            backup_server=backup,
            transport=get(f"SIP_Transport_{line}_", "UDP").lower(),
            keep_alive=interval if get(f"NAT_Keep_Alive_Enable_{line}_") == "Yes" else 0,
        )


def _servers(proxy: str, *, srv: bool) -> tuple[str, str, str]:
    """Host, port and second server of a proxy, which may bring its own SRV records."""
    host, _, rest = proxy.partition(":")
    if not rest.startswith("SRV="):
        return host, rest, ""
    if not srv:
        return "", "", ""
    records = sorted(_SRV.findall(rest.removeprefix("SRV=")), key=lambda record: int(record[2]))
    first = records[0] if records else ("", "", "")
    return first[0], first[1], records[1][0] if len(records) > 1 else ""
