"""Facts about tasks for devices."""

from __future__ import annotations

from typing import ClassVar

from provd.base.dataclass import dataclass
from provd.base.facts.base import Fact, Level


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Fact):
    """A run of a task has begun.

    Do: nothing.
    """

    ID: ClassVar[str] = "TASK-STARTED"

    run: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskWaiting(Fact):
    """A task looks for something that is not there yet (``what``), and looks again in ``seconds``.

    Do: enter the record. ``provd task retry`` looks at once.
    """

    ID: ClassVar[str] = "TASK-WAITING"

    run: str
    step: str
    what: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRetry(Fact):
    """A step of a task did not succeed and is tried again in ``seconds``.

    Do: nothing, unless it goes on: then look at the system that ``reason`` is about.
    """

    ID: ClassVar[str] = "TASK-RETRY"
    LEVEL: ClassVar[Level] = Level.WARNING

    run: str
    step: str
    reason: str
    attempt: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskDone(Fact):
    """A run of a task is done, ``seconds`` after it began.

    Do: nothing.
    """

    ID: ClassVar[str] = "TASK-DONE"

    run: str
    steps: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailed(Fact):
    """A run of a task has failed and is not tried again by itself.

    Do: put right what ``reason`` says, then ``provd task retry``: it goes on with the step that failed.
    """

    ID: ClassVar[str] = "TASK-FAILED"
    LEVEL: ClassVar[Level] = Level.ERROR

    run: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskConflict(Fact):
    """What a task found contradicts what stands already (the device belongs to somebody, its line is elsewhere).
    Nothing was changed.

    Do: decide who is right. Change the device (``provd device transfer``) or the record, then ``provd task retry``; or
    ``provd task cancel``.
    """

    ID: ClassVar[str] = "TASK-CONFLICT"
    LEVEL: ClassVar[Level] = Level.ERROR

    run: str
    step: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCancelled(Fact):
    """Somebody has cancelled a run of a task.

    Do: nothing. ``provd task retry`` lets it go on.
    """

    ID: ClassVar[str] = "TASK-CANCELLED"

    run: str
    by: str
