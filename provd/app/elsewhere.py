"""Devices that another instance looks after: what the file service has to know of them, in memory."""

from __future__ import annotations

from dataclasses import field
from typing import Protocol

from provd.base.dataclass import dataclass
from provd.base.secrets import Secret
from provd.base.types import Mac


@dataclass(frozen=True, slots=True)
class Place:
    """Where a device is looked after that is not looked after here.

    ``url`` is the base URL of that instance's files, without a trailing slash; empty while the device is on its way,
    and is to come here again. ``token`` is what proves the device there: it is shown to the device alone.
    """

    url: str = ""
    token: Secret = field(default_factory=lambda: Secret(""))


class Elsewhere(Protocol):
    """Which devices those are."""

    def place(self, mac: Mac) -> Place | None:
        """Where the device is looked after, None for here."""
        ...

    def holder(self, token: str) -> Mac | None:
        """The device that the token proves which another instance has sent here, or None."""
        ...

    def asked(self, mac: Mac) -> None:
        """The device has asked for its own file."""
        ...

    def came(self, mac: Mac) -> None:
        """The device has the whole of its own file from here."""
        ...


class Nowhere:
    """There are no other instances."""

    def place(self, mac: Mac) -> Place | None:  # noqa: ARG002 - as the port names it
        """Here."""
        return None

    def holder(self, token: str) -> Mac | None:  # noqa: ARG002 - as above
        """Nobody."""
        return None

    def asked(self, mac: Mac) -> None:
        """Nothing follows."""

    def came(self, mac: Mac) -> None:
        """Nothing follows."""
