"""Tasks for devices: templates, what belongs to which device, and how a run moves on.

A template belongs to devices by ``Vendor/Model`` patterns. Each device that fits has runs of it, each known by
``template:version:device:generation``: a device that is discovered twice has the same run. A run is carried out step by
step; what a step gives is kept before the next one begins.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime, tzinfo
from fnmatch import fnmatchcase

from cronsim import CronSim

from provd.base.dataclass import dataclass
from provd.base.types import Mac
from provd.domain.records import Device, RunState, TaskRun, TaskStep

WAITS = (60.0, 300.0, 900.0, 3600.0)
"""Seconds until what was not there is looked for again; then hourly …"""
LONGEST_WAIT = 14 * 86400.0
"""… for so long."""
TRIES = 8
LONGEST_PAUSE = 600.0
"""Seconds between two tries, at most; the first pause is a second, each further one twice as long."""
MOST_ASKED = 86400.0
"""Of a longer Retry-After nothing more is believed than this."""

UNFINISHED = frozenset({RunState.ARMED, RunState.PENDING, RunState.RUNNING, RunState.WAITING, RunState.RETRYING})
GOING = UNFINISHED - {RunState.ARMED}
"""States of a run that has something to do, now or later."""
TROUBLED = frozenset({RunState.FAILED, RunState.CONFLICT})
"""States in which a person is needed."""
KEPT_TROUBLED = 20
"""Failed generations of one task of one device that are kept, so that each can be tried again."""


class Kind(enum.StrEnum):
    """When a task runs."""

    ONETIME = "onetime"
    """Once for every device."""
    PERIODIC = "periodic"
    CRON = "cron"
    REACTIVE = "reactive"
    """Each time a fact tells of the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlStep:
    """A statement of a named database. A look-up gives its one row; a write (``write``) the number of its rows."""

    id: str
    database: str
    statement: str
    params: Mapping[str, str] = field(default_factory=dict)
    write: bool = False
    waiting_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpStep:
    """A request to a named server. ``take`` names values of the JSON in the reply by JSON pointers (RFC 6901)."""

    id: str
    server: str
    method: str
    path: str
    body: Mapping[str, str] | None = None
    take: Mapping[str, str] = field(default_factory=dict)
    waiting_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvStep:
    """The one row of a table in a file whose columns have these values."""

    id: str
    file: str
    match: Mapping[str, str]
    waiting_for: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetStep:
    """What becomes of the device. Its customer moves only from none to one."""

    id: str
    metadata: Mapping[str, str] = field(default_factory=dict)
    tenant: str = ""
    profile: str = ""
    line: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitStep:
    """A pause of so many seconds."""

    id: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStep:
    """A letter to an endpoint of ``[[webhook]]``: it is in the outbox when the step is done, in one transaction."""

    id: str
    to: str
    event: str
    body: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginStep:
    """What a plugin brings along: ``step`` of ``plugin`` (empty: of the device's own), with these values."""

    id: str
    step: str
    plugin: str = ""
    server: str = ""
    given: Mapping[str, str] = field(default_factory=dict)
    waiting_for: str = ""


Step = SqlStep | HttpStep | CsvStep | SetStep | WaitStep | WebhookStep | PluginStep


def only_looks(step: Step) -> bool:
    """Whether nobody notices a step that is carried out once more after a crash, with another time of its run."""
    match step:
        case SqlStep():
            return not step.write
        case HttpStep():
            return step.method == "GET"
        case PluginStep():
            return False
        case CsvStep() | WaitStep() | SetStep() | WebhookStep():
            return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A task. ``devices`` are patterns over ``Vendor/Model``, without regard to case; ``*`` alone fits every device.

    With ``seen`` a device has it from its first contact on, else from when it is known. ``type`` is the type of devices
    whose template it is, empty for one of the configuration file.
    """

    id: str
    version: int
    kind: Kind
    devices: tuple[str, ...]
    steps: tuple[Step, ...]
    seen: bool = False
    every: float = 0.0
    cron: str = ""
    zone: tzinfo | None = None
    fact: str = ""
    type: str = ""

    def fits(self, device: Device) -> bool:
        """Whether it belongs to this device."""
        return fits(self.devices, device) and (not self.seen or device.first_seen > 0)

    def first(self, mac: Mac, now: float) -> TaskRun:
        """The first run of a device."""
        return self.run(mac, 1, now, due=self._after(now) if self.kind is Kind.CRON else now)

    def run(self, mac: Mac, generation: int, now: float, *, due: float, armed: bool | None = None) -> TaskRun:
        """A run that has not begun; a reactive one waits for its fact unless ``armed`` says otherwise."""
        waits = self.kind is Kind.REACTIVE if armed is None else armed
        return TaskRun(
            id=f"{self.id}:{self.version}:{mac}:{generation}",
            template=self.id,
            version=self.version,
            mac=mac,
            generation=generation,
            state=RunState.ARMED if waits else RunState.PENDING,
            due=0.0 if waits else due,
            created=now,
        )

    def successor(self, run: TaskRun, now: float) -> TaskRun | None:
        """The run after one that has come to an end, None where there is none."""
        match self.kind:
            case Kind.ONETIME:
                return None
            case Kind.PERIODIC:
                # At a fixed rate; what was missed is not made up for.
                missed = max(0.0, now - run.due) // self.every
                due = run.due + (missed + 1) * self.every
            case Kind.CRON:
                due = self._after(now)
            case Kind.REACTIVE:
                due = 0.0
        return self.run(run.mac, run.generation + 1, now, due=due)

    def _after(self, now: float) -> float:
        return next(CronSim(self.cron, datetime.fromtimestamp(now, self.zone))).timestamp()


def fits(patterns: Iterable[str], device: Device) -> bool:
    """Whether one of these patterns fits the device's ``Vendor/Model``."""
    name = f"{device.vendor}/{device.model}".lower()
    return any(fnmatchcase(name, pattern.lower()) for pattern in patterns)


# --- what a step may come to


@dataclass(frozen=True, slots=True)
class Done:
    """It is done, and gave this."""

    result: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NotYet:
    """What it looks for is not there yet: nobody's mistake."""

    what: str


@dataclass(frozen=True, slots=True)
class Later:
    """It goes on at that time."""

    until: float


@dataclass(frozen=True, slots=True)
class Retry:
    """Somebody did not answer as they should. ``after`` is what they ask for in seconds, 0 when they ask nothing."""

    reason: str
    after: float = 0.0


@dataclass(frozen=True, slots=True)
class Failed:
    """Trying again does not help."""

    reason: str


@dataclass(frozen=True, slots=True)
class Conflict:
    """It contradicts what stands already."""

    reason: str


Outcome = Done | NotYet | Later | Retry | Failed | Conflict


def moved(run: TaskRun, outcome: NotYet | Later | Retry | Failed | Conflict, now: float) -> TaskRun:
    """The run after a step that is not done."""
    free = replace(run, owner="", lease=0.0)
    match outcome:
        case Later():
            return replace(free, state=RunState.PENDING, due=outcome.until, reason="")
        case Failed():
            return replace(free, state=RunState.FAILED, finished=now, reason=outcome.reason)
        case Conflict():
            return replace(free, state=RunState.CONFLICT, finished=now, reason=outcome.reason)
        case NotYet():
            return _waiting(free, outcome.what, now)
        case Retry():
            return _retrying(free, outcome, now)


def _waiting(run: TaskRun, what: str, now: float) -> TaskRun:
    since = run.since or now
    if now - since >= LONGEST_WAIT:
        reason = f"{what} was not there for {LONGEST_WAIT / 86400:.0f} days"
        return replace(run, state=RunState.FAILED, finished=now, reason=reason)
    due = now + WAITS[min(run.waits, len(WAITS) - 1)]
    return replace(run, state=RunState.WAITING, due=due, waits=run.waits + 1, since=since, attempts=0, reason=what)


def _retrying(run: TaskRun, outcome: Retry, now: float) -> TaskRun:
    attempts = run.attempts + 1
    if attempts >= TRIES:
        reason = f"{outcome.reason} ({attempts} tries)"
        return replace(run, state=RunState.FAILED, finished=now, attempts=attempts, reason=reason)
    pause = min(outcome.after, MOST_ASKED) or min(2.0 ** (attempts - 1), LONGEST_PAUSE)
    return replace(run, state=RunState.RETRYING, due=now + pause, attempts=attempts, reason=outcome.reason)


def advanced(run: TaskRun, following: str) -> TaskRun:
    """The run after a step that is done, before the next one."""
    return replace(run, step=following, attempts=0, waits=0, since=0.0, reason="")


def ended(run: TaskRun, state: RunState, now: float, reason: str = "") -> TaskRun:
    """The run at its end."""
    return replace(run, state=state, finished=now, owner="", lease=0.0, reason=reason)


def again(run: TaskRun, now: float) -> TaskRun:
    """A run that has ended badly, or waits, to go on at once where it stands."""
    return replace(
        run,
        state=RunState.PENDING,
        due=now,
        finished=0.0,
        attempts=0,
        waits=0,
        since=0.0,
        reason="",
        owner="",
        lease=0.0,
    )


def afresh(run: TaskRun, now: float) -> TaskRun:
    """A run that has not ended, from its beginning. One that has not begun stays as it is."""
    if not run.began:
        return run
    return replace(again(run, now), step="")


def age(run: TaskRun) -> tuple[int, int]:
    """Puts the runs of one task of a device into their order."""
    return run.version, run.generation


def http_outcome(status: int, retry_after: float, what: str) -> Outcome | None:
    """What the status of a reply means, None for a good one."""
    if 200 <= status < 300:
        return None
    if status in {404, 410}:
        return NotYet(what)
    if status == 429:
        return Retry("429: too many requests", retry_after)
    if status == 408 or status >= 500:
        return Retry(f"it answers {status}", retry_after if status == 503 else 0.0)
    if 300 <= status < 400:
        return Failed(f"it answers {status}: it sends us elsewhere")
    return Failed(f"it answers {status}")


def outdated(runs: Sequence[TaskRun], template: str) -> list[TaskRun]:
    """Ended runs of a template of one device that need not be kept: all good ones but the last, and many failed."""
    own = sorted((run for run in runs if run.template == template), key=age, reverse=True)
    good = [run for run in own if run.state in {RunState.DONE, RunState.CANCELLED}]
    bad = [run for run in own if run.state in TROUBLED]
    return [*good[1:], *bad[KEPT_TROUBLED:]]


def began_at(run: TaskRun, steps: Iterable[TaskStep]) -> float:
    """When the present step's turn came."""
    return max([run.began, *(step.at for step in steps)])
