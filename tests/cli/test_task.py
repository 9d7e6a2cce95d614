"""``provd task``."""

from __future__ import annotations

import pytest

from provd.app.ports import Put
from provd.domain.records import Metadata, RunState, TaskRun, TaskStep
from provd.domain.rulebook import Rulebook
from provd.domain.tasks import Kind, Template, WaitStep
from tests.app.fakes import PHONE
from tests.cli.conftest import BELL, Office, Shell

RUN = f"greet:1:{PHONE}:1"
GREET = Template(
    id="greet", version=1, kind=Kind.PERIODIC, every=3600.0, devices=("*",), steps=(WaitStep(id="rest", seconds=60.0),)
)


@pytest.fixture(autouse=True)
def _run(office: Office, shell: Shell) -> None:
    failed = TaskRun(
        id=RUN, template="greet", version=1, mac=PHONE, state=RunState.FAILED, step="rest", reason="it said no"
    )

    def furnish() -> None:
        world = office.world
        world.fleet.keep(
            Put(failed),
            Put(TaskStep(run=RUN, name="crm", result={"customer": "Zoë"}, at=5.0)),
            Put(Metadata(mac=PHONE, data={"customer": "Zoë"})),
        )
        world.tasks.given = Rulebook((GREET,))

    office.on_loop(furnish)
    assert shell("task", "templates").rows == [["greet", "1", "periodic", "-", "every", "3600", "s", "*", "rest"]]


def test_a_run_is_listed_shown_retried_and_cancelled(shell: Shell) -> None:
    assert shell("task", "list", "state=failed", "tenant=north", f"mac={BELL}").rows[0][:3] == [RUN, "failed", "rest"]
    assert shell("task", "list", "state=waiting").code == 4
    assert shell("task", "list", "state=odd").code == 2
    shown = shell("task", "show", RUN)
    assert '{"customer": "Zoë"}' in shown.out
    assert "it said no" in shown.out
    assert shell("task", "show", RUN, "--json").json["steps"][0]["result"] == {"customer": "Zoë"}
    assert shell("task", "retry", RUN, "--json").json["state"] == "pending"
    assert shell("task", "cancel", RUN, "--json").json["state"] == "cancelled"
    assert shell("task", "cancel", RUN).code == 5
    assert shell("task", "show", "none:1:x:1").code == 4


def test_a_task_is_run_once_more(shell: Shell) -> None:
    assert shell("task", "run", BELL, "greet", "--json").json["id"] == f"greet:1:{PHONE}:2"
    assert shell("task", "run", BELL, "greet").code == 5
    assert "there is no task 'none'" in shell("task", "run", BELL, "none").err
    assert shell("task", "metadata", BELL, "--json").json["metadata"] == {"customer": "Zoë"}
