"""A simulated Zenitel IP station: one file over TFTP, one account, three keys.

From the templates of another provisioning system, and from programs that talk to the pages of such stations.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from provd.plugin.ordinary import OrdinaryPhone, Pairs, Reading, UnreadableError
from provd.plugin.phone import Account, Notify, Reaction

_LINE = re.compile(r" *(?P<name>[a-z0-9_]+)=(?P<value>.*)")


class Phone(OrdinaryPhone):
    """One station and its parameters, with their section in front."""

    usual_version = "01.11.3.2"

    def names(self) -> Iterator[str]:
        """What all stations share, then its own file, with its address in pairs."""
        yield "ipst_config.cfg"
        pairs = "_".join(self.mac[i : i + 2] for i in range(0, 12, 2))
        yield f"ipst_config_{pairs}.cfg"

    def notified(self, notify: Notify) -> Reaction:
        """It knows nothing of such events."""
        del notify
        return Reaction(489)

    def read(self, name: str, body: bytes) -> Reading:
        """``name=value`` in sections, a blank in front."""
        del name
        section, pairs = "", Pairs()
        for line in body.decode("utf-8").splitlines():
            if line.startswith("[") and line.endswith("]"):
                section = line
            elif found := _LINE.fullmatch(line):
                pairs.append((f"{section} {found['name']}", found["value"]))
            elif line.strip():
                raise UnreadableError(f"no parameter and value: {line[:40]!r}")
        return Reading(pairs)

    @property
    def accounts(self) -> tuple[Account, ...]:
        """The one account, where it is whole."""
        get = {name: self.settings.get(f"[sip] {name}", "") for name in _ACCOUNT}
        if not get["sip_id"] or not get["sip_domain"]:
            return ()
        return (
            Account(
                line=1,
                username=get["sip_id"],
                password=get["auth_pwd"],
                server=get["sip_domain"],
                auth_username=get["auth_user"],
                display_name=get["nick_name"],
                backup_server=get["sip_domain2"],
            ),
        )

    @property
    def keys(self) -> list[str]:
        """What its keys dial."""
        numbers = ((k, self.settings.get(f"[call] speeddial_{k}_c1", "")) for k in range(1, self.model.keys + 1))
        return [f"{k}: dials {number}" for k, number in numbers if number]


_ACCOUNT = ("nick_name", "sip_id", "sip_domain", "sip_domain2", "auth_user", "auth_pwd")
