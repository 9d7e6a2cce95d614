"""Whether the files of a device are encrypted, and with what.

A key goes to a device in the clear, once, with its own file and to whoever may have that file. From then on what the
device is given is encrypted, until the key is another one or the device is reset. Who may have a file does not depend
on that: an encrypted one is given to nobody who would not be given the clear one (:mod:`provd.domain.sealing`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from provd.app import effective
from provd.app.knowledge import Knowledge
from provd.app.ports import RenderJob
from provd.app.tables import Tables
from provd.base.secrets import Secret
from provd.domain.capability import shortfall
from provd.domain.records import Device


def phrase_of(tables: Tables, device: Device) -> str:
    """What its files are encrypted with; empty while it has not been given the key that is in force."""
    if not device.sealed:
        return ""
    key = effective.for_device(tables, device).values.get("files.key")
    phrase = key.reveal() if isinstance(key, Secret) else ""
    return phrase if phrase and digest(device, phrase) == device.sealed else ""


def key_in(job: RenderJob, device: Device | None, knowledge: Knowledge) -> str:
    """Digest of the key that the file of this job has in it, in the clear.

    Of a model that its plugin does not write the key for there is none.
    """
    if device is None or not job.rule.brings_key or _entry(job.context, "device", "sealed"):
        return ""
    manifest = knowledge.manifest(device.plugin)
    if manifest is None or shortfall(manifest, knowledge.model(manifest.id, device.model), "files.key", None):
        return ""
    key = _entry(_entry(job.context, "settings", "files"), "key")
    return digest(device, key) if isinstance(key, str) and key else ""


def _entry(value: object, *names: str) -> object:
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def digest(device: Device, key: str) -> str:
    """What is remembered of a key that a device has."""
    return hashlib.blake2b(key.encode(), digest_size=16, key=device.mac.encode()).hexdigest()
