"""From what was asked and what was made of it to the answer."""

from __future__ import annotations

from collections.abc import Hashable

from provd.app.files import FileReply
from provd.app.resolve import Job
from provd.base.drafts import drafted

_file_reply = drafted(FileReply)


def owner_of(job: Job) -> Hashable:
    """Whose secrets are in a file: an old one is never given to anybody else."""
    device = job.device
    return None if device is None else (device.tenant, device.lines, device.token_epoch)


def reply_of(job: Job, body: bytes | memoryview, etag: str, brings: str = "", coding: str = "") -> FileReply:
    """The answer that holds this body."""
    device, rule = job.device, job.rule
    private = rule.secrets or device is not None or bool(job.token or job.home)
    revision = device.revision if device is not None and rule.secrets else 0
    large = rule.kind == "static"
    found = True
    about = (job.mac, job.boot, rule.kind, job.plugin, revision, brings, coding)
    return _file_reply(found, body, rule.content_type, etag, private, large, *about)


def again(job: Job, reply: FileReply) -> FileReply:
    """The same answer to somebody else who asks for the same file."""
    return reply_of(job, reply.body, reply.etag, reply.brings, reply.coding)
