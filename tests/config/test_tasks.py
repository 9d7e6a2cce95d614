"""The section about tasks: what is wrong in it is said before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.base.errors import ConfigError
from provd.config.load import load
from provd.daemon.templates import rulebook_of
from provd.domain.tasks import CsvStep, HttpStep, Kind, PluginStep, SqlStep, WaitStep

HEAD = '[[tasks.database]]\nname = "db"\nurl = "sqlite:////x"\nread_only = true\n'
SERVER = '[[tasks.server]]\nname = "web"\nurl = "https://x.example"\n'
TASK = '[[tasks.template]]\nid = "t"\n'


def step(text: str) -> str:
    return f"[[tasks.template.step]]\n{text}\n"


REST = step('id = "rest"\ndo = "wait"\nfor = "1m"')
SQL = step('id = "a"\ndo = "sql"\ndatabase = "db"\nstatement = "SELECT 1"')


def read(folder: Path, text: str):
    file = folder / "provd.toml"
    file.write_text(text)
    return load(file, {}).tasks


def test_every_kind_of_task_and_step(tmp_path):
    text = HEAD + SERVER + TASK + 'kind = "cron"\ncron = "0 4 * * 1"\nzone = "Europe/Madrid"\n' + SQL
    text += step(
        'id = "b"\ndo = "http"\nserver = "web"\npath = "/{a.x}"\ntake = { n = "/data/0/n" }\nbody = { a = "1" }'
    )
    text += step('id = "c"\ndo = "csv"\nfile = "/x.csv"\nmatch = { n = "{b.n}" }') + REST
    text += step('id = "d"\ndo = "plugin"\nplugin = "acme"\nstep = "s"\nserver = "web"\nwith = { n = "{c.n}" }')
    text += (
        '[[tasks.template]]\nid = "u"\nkind = "reactive"\nfact = "DEVICE-PROVISIONED"\ndevices = ["Acme/*"]\n' + REST
    )
    book = rulebook_of(read(tmp_path, text))
    cron, reactive = book.templates
    assert [type(each) for each in cron.steps] == [SqlStep, HttpStep, CsvStep, WaitStep, PluginStep]
    assert cron.steps[4] == PluginStep(id="d", plugin="acme", step="s", server="web", given={"n": "{c.n}"})
    assert (cron.kind, str(cron.zone), reactive.fact, reactive.devices) == (
        Kind.CRON,
        "Europe/Madrid",
        "DEVICE-PROVISIONED",
        ("Acme/*",),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TASK, "step is missing"),
        (TASK + 'kind = "periodic"\n' + REST, "a periodic task, and no other, has 'every'"),
        (TASK + 'kind = "periodic"\nevery = "1s"\n' + REST, "every: at least a minute"),
        (TASK + 'every = "1h"\n' + REST, "a periodic task, and no other, has 'every'"),
        (TASK + 'kind = "cron"\ncron = "61 * * * *"\n' + REST, "cron: '61 * * * *'"),
        (TASK + 'zone = "Mars/Base"\n' + REST, "there is no time zone 'Mars/Base'"),
        (TASK + 'kind = "reactive"\nfact = "NO-SUCH"\n' + REST, "there is no fact 'NO-SUCH'"),
        (TASK + 'kind = "reactive"\nfact = "TASK-DONE"\n' + REST, "would never end"),
        (TASK + REST + REST, "step 'rest': the name is there twice"),
        (TASK + REST.replace('"rest"', '"device"'), "step 'device': the name is taken"),
        (TASK + REST + TASK + REST, "template 't' is there twice"),
        (TASK + SQL, "there is no database 'db'"),
        (HEAD + TASK + SQL + "write = true\n", "database 'db' is read only"),
        (TASK + step('id = "a"\ndo = "http"\nserver = "web"\npath = "/"'), "there is no server 'web'"),
        (SERVER + TASK + step('id = "a"\ndo = "http"\nserver = "web"\npath = "/"\ntake = { x = "y" }'), "JSON pointer"),
        (HEAD + TASK + SQL + 'params = { x = "{b.y}" }\n', "no step before it is called 'b'"),
        (HEAD + TASK + SQL + 'params = { x = "{device.pin}" }\n', "there is no device.pin"),
        (TASK + step('id = "a"\ndo = "set"'), "sets nothing"),
        (TASK + step('id = "a"\ndo = "dance"'), "dance"),
        (TASK + step('id = "a"\ndo = "plugin"\nstep = "s"\nserver = "web"'), "there is no server 'web'"),
        (TASK + step('id = "a"\ndo = "plugin"\nstep = "s"\nwith = { x = "{b.y}" }'), "no step before it is called 'b'"),
        (SERVER.replace("https://x.example", "https://me:pw@x.example"), "tasks.server.0.url"),
        (SERVER.replace("x.example", "x.example:99999"), "Port out of range"),
        (SERVER.replace("x.example", "[::"), "Invalid IPv6 URL"),
        (SERVER.replace("x.example", ":80"), "must name a host"),
        ('[[tasks.constraint]]\nname = "c"\nattributes = [{ name = "a", type = "enum" }]', "has values"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, text, said):
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)
    assert "provd.toml:" in str(caught.value)
