"""What tasks ask of the world outside, and who may carry out which run."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import field
from typing import Protocol

from provd.app.ports import Change
from provd.base.dataclass import dataclass
from provd.domain.hooks import Letter
from provd.domain.records import TaskRun, TaskStep
from provd.domain.tasks import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlCall:
    """One statement with its parameters. ``what`` is for people: what is looked for."""

    database: str
    statement: str
    params: Mapping[str, object] = field(default_factory=dict)
    write: bool = False
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpCall:
    """One request. ``key`` goes along as Idempotency-Key, and is the same when the request is repeated.

    With ``whole`` it gives ``status`` and ``reply``, the whole document, also of a status among ``accepts``.
    """

    server: str
    method: str
    path: str
    key: str
    body: Mapping[str, object] | None = None
    take: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False
    accepts: tuple[int, ...] = ()
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CsvCall:
    """The one row of a table in a file."""

    file: str
    match: Mapping[str, str]
    what: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginCall:
    """A plugin's own step. ``context`` is what its templates see; ``key`` as in :class:`HttpCall`."""

    plugin: str
    step: str
    server: str
    key: str
    context: Mapping[str, object] = field(default_factory=dict)
    what: str = ""


Outward = SqlCall | HttpCall | CsvCall
"""What is asked of the world itself."""
Call = Outward | PluginCall


class Post(Protocol):
    """The outbox of webhooks."""

    def post(self, hook: str, letter: Letter) -> Change:
        """What keeps a letter. Raises LookupError without such an endpoint, OverflowError when too many wait."""
        ...

    def posted(self, hook: str) -> None:
        """A letter of :meth:`post` is durable."""
        ...


class Outside(Protocol):
    """Databases, servers and files."""

    def perform(self, call: Call) -> Awaitable[Outcome]:
        """Do it and say what came of it. Never raises; gives up by itself within half a minute."""
        ...


@dataclass(frozen=True, slots=True)
class Held:
    """A run as it stands in the database, with its steps; ``ours`` says whether we may carry it out."""

    run: TaskRun
    steps: tuple[TaskStep, ...]
    ours: bool = True


class Claims(Protocol):
    """Sees to it that a run is carried out by one daemon only, where several share a database."""

    alone: bool
    """No other daemon can use the database: what is in memory is what there is."""

    def claim(self, run: TaskRun, now: float) -> Awaitable[Held | None]:
        """Take this run, as it is to be from now on (``owner`` and ``lease``); it is durable when this returns.

        None when it is not to be had at this moment. Raises StorageError.
        """
        ...
