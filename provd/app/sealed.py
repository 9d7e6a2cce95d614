"""Whether the files of a device are encrypted, and with what.

A key goes to a device in the clear, once, with its own file and to whoever may have that file. From then on what the
device is given is encrypted, until the key is another one or the device is reset. Who may have a file does not depend
on that: an encrypted one is given to nobody who would not be given the clear one (:mod:`provd.domain.sealing`).
"""

from __future__ import annotations

import hashlib

from provd.app import effective
from provd.app.tables import Tables
from provd.base.secrets import Secret
from provd.domain.records import Device


def key_of(tables: Tables, device: Device) -> str:
    """The key that the device is to have, or an empty text."""
    key = effective.for_device(tables, device).values.get("files.key")
    return key.reveal() if isinstance(key, Secret) else ""


def phrase_of(tables: Tables, device: Device) -> str:
    """What its files are encrypted with; empty while it has not been given the key that is in force."""
    if not device.sealed:
        return ""
    key = key_of(tables, device)
    return key if key and digest(device, key) == device.sealed else ""


def digest(device: Device, key: str) -> str:
    """What is remembered of a key that a device has."""
    return hashlib.blake2b(key.encode(), digest_size=16, key=device.mac.encode()).hexdigest()
