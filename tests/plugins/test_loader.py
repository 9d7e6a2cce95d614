"""Manifests: what loads, and what every mistake says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provd.base.errors import PluginError
from provd.plugin import (
    ActionUri,
    DhcpAdvice,
    FileRule,
    Match,
    Model,
    OptionValue,
    OuiRule,
    ResyncAdvice,
    StepRule,
    Writes,
)
from provd.plugins.loader import ManifestError, load

WHOLE = r"""
id = "acme"
version = "1.2.3"
contract = 1
vendor = "Acme"
license = "Apache-2.0"
description = "made up"

star_codes = ["*69", "*0172"]
names = "names.txt"

model = [
  { name = "A1", aliases = ["A-1"], common = "acmeA1.cfg", lines = 2, keys = 4, family = 7, ports = true },
  { name = "A2", common = ["a.cfg", "b.cfg"] },
]

[traits]
family = 0
kind = "desk"

[[match]]
source = "user_agent"
starts = ["acme "]
regex = '''acme (?P<model>\S{1,9}) (?P<version>\d{1,3})'''
confidence = 90

[[oui]]
prefixes = ["00:15:65", "AABBCC", "aa-bb-cd"]
models = ["A2"]
nameless = ["TR"]

[[file]]
name = "{common}"
kind = "common"
template = "c.j2"
format = "xml"
content_type = "text/xml"
secrets = false

[[file]]
name = "{mac}.cfg"
kind = "device"
template = "d.j2"

[[dhcp]]
models = ["A2"]
options.43 = { suboptions = { 2 = "{host}" } }
options.67 = { hex = "0aFF" }
options.150 = { ip = "{address}" }
force = [43]

[[dhcp]]
options.66 = { text = "{base}/x$PSN.cfg" }

[resync]
event = "check-sync;reboot=false"
event_claimed = "resync"
reboots = "changed"
daily = true
spread = 600

[resync.action]
paths = ["/servlet?key=AutoP", "/old"]
auth = "basic"
password = "acme"

[[writes]]
settings = ["keys", "keys.N.type"]
when = { keys = 1, kind = ["desk"] }
otherwise = "has no keys"
values = ["dnd"]
upto = ["keys"]
"""

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(text: str) -> Path:
        folder = tmp_path / "acme"
        folder.mkdir(exist_ok=True)
        (folder / "plugin.toml").write_text(text, encoding="utf-8")
        (folder / "names.txt").write_text("account.X.label\nvolume\n", encoding="ascii")
        return folder

    return put


def problems(folder: Path) -> list[str]:
    with pytest.raises(ManifestError) as caught:
        load(folder)
    assert all(line.startswith(f"{folder / 'plugin.toml'}: ") for line in str(caught.value).splitlines())
    return list(caught.value.problems)


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new)


def test_a_whole_manifest(write: Write) -> None:
    manifest = load(write(WHOLE))
    assert (manifest.id, manifest.version, manifest.vendor) == ("acme", "1.2.3", "Acme")
    assert manifest.models == (
        Model("A1", ("A-1",), 2, 4, ("acmeA1.cfg",), {"family": 7, "kind": "desk"}, ports=True),
        Model("A2", (), 1, 0, ("a.cfg", "b.cfg"), {"family": 0, "kind": "desk"}),
    )
    assert manifest.star_codes == ("*69", "*0172")
    assert manifest.matches == (Match("user_agent", ("acme ",), r"acme (?P<model>\S{1,9}) (?P<version>\d{1,3})", 90),)
    assert manifest.ouis == (OuiRule(("001565", "aabbcc", "aabbcd"), 20, models=("A2",), nameless=("tr",)),)
    assert manifest.files == (
        FileRule("{common}", "common", "c.j2", "xml", "text/xml", secrets=False),
        FileRule("{mac}.cfg", "device", "d.j2"),
    )
    assert manifest.dhcp == (
        DhcpAdvice(
            {
                43: OptionValue("suboptions", suboptions={2: "{host}"}),
                67: OptionValue("hex", "0aFF"),
                150: OptionValue("ip", "{address}"),
            },
            models=("A2",),
            force=(43,),
        ),
        DhcpAdvice({66: OptionValue("text", "{base}/x$PSN.cfg")}),
    )
    assert manifest.resync == ResyncAdvice(
        "check-sync;reboot=false",
        "resync",
        "changed",
        daily=True,
        spread=600,
        action=ActionUri(("/servlet?key=AutoP", "/old"), "basic", "admin", "acme"),
    )
    row = Writes(("keys", "keys.N.type"), {"keys": 1, "kind": ("desk",)}, "has no keys", ("dnd",), ("keys",))
    assert manifest.writes == (row,)
    assert manifest.names == {"account.X.label", "volume"}


def test_a_list_of_names_that_is_not_there(write: Write) -> None:
    folder = write(WHOLE)
    (folder / "names.txt").unlink()
    assert problems(folder)[0].startswith("names: names.txt cannot be read")


def test_steps_of_tasks(write: Write) -> None:
    row = '[[step]]\nname = "enrol"\ntemplate = "e.j2"\n'
    manifest = load(write(WHOLE + row + 'take = { no = "/no" }\nneeds = ["site"]\n'))
    assert manifest.steps == (StepRule("enrol", "e.j2", take={"no": "/no"}, needs=("site",)),)
    assert manifest.step("enrol") is manifest.steps[0]
    assert manifest.step("other") is None
    folder = write(WHOLE + row + 'take = { no = "no" }\naccepts = [409]\n' + row + 'reply = "r"\ntake = { a = "/a" }\n')
    assert problems(folder) == [
        "step[1] (enrol).accepts: only a template for the reply can understand these",
        "step[1] (enrol).take: 'no' is no JSON pointer (/customer/id)",
        "step[2] (enrol).name: is there twice",
        "step[2] (enrol).take: the reply's template says what the step gives",
    ]
    (said,) = problems(write(WHOLE + row + "accepts = [302]\n"))
    assert said == "step[1] (enrol).accepts[1]: Input should be greater than or equal to 400"


def test_every_error_is_told_at_once(write: Write) -> None:
    text = changed("keys = 4", 'keys = "4"').replace('source = "user_agent"', 'sourc = "user_agent"')
    assert problems(write(text)) == [
        "model[1] (A1).keys: Input should be a valid integer",
        "match[1].source: Field required",
        "match[1].sourc: unknown key, did you mean 'source'?",
    ]


BRACES = "one {mac}, one {serial} or one {common}, no other braces"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('id = "acme"', 'id = "other"', "id: 'other' is not the name of its folder, 'acme'"),
        ("contract = 1", "contract = 2", "contract: written for version 2, this provd speaks 1"),
        ("family = 7", "famly = 7", "model[1] (A1).famly: unknown key, did you mean 'family'?"),
        ("family = 7", 'family = "7"', "model[1] (A1).family: must be int like its default in [traits]"),
        ("family = 7", "family = true", "model[1] (A1).family: must be int like its default in [traits]"),
        ("family = 0", "family = 0\nlines = 1", "traits.lines: not a name for a trait"),
        ('name = "A2"', 'name = "a-1"', "model[2] (a-1): 'a-1' is a name or alias of A1 already"),
        (
            'models = ["A2"]\nnameless',
            'models = ["A22"]\nnameless',
            "oui[1].models: no model 'A22', did you mean 'A2'?",
        ),
        ('["acme "]', '["Acme "]', "match[1].starts: 'Acme ' must be lower case"),
        ('["acme "]', '["acme", "acme "]', "match[1].starts: 'acme ' is covered by another one"),
        (
            "confidence = 90",
            'confidence = 90\nmodel = "A1"',
            "match[1].model: the expression has a model group already",
        ),
        (r"\d{1,3}", r"\d{1,3}(a+)+", "match[1].regex: unnamed group: write (?:…)"),
        (
            "secrets = false",
            "",
            "file[1] ({common}).secrets: must be false, nobody can prove to be the owner of such a file",
        ),
        ('kind = "device"', 'kind = "absent"', "file[2] ({mac}.cfg).template: an absent file has none"),
        (
            'template = "c.j2"',
            'template = "c.j2"\nelsewhere = "e.j2"',
            "file[1] ({common}).elsewhere: only a device's own file can send it elsewhere",
        ),
        ('template = "d.j2"', "", "file[2] ({mac}.cfg).template: needed for kind 'device'"),
        ("{mac}.cfg", "mac.cfg", "file[2] (mac.cfg).kind: {mac} in the name and kind 'device' belong together"),
        ('"{base}/x$PSN.cfg"', '""', "dhcp[2].options.66: is empty"),
        ("{mac}.cfg", "{mac}-{mac}.cfg", f"file[2] ({{mac}}-{{mac}}.cfg).name: {BRACES}"),
        ("{mac}.cfg", "{mak}.cfg", f"file[2] ({{mak}}.cfg).name: {BRACES}"),
        ("force = [43]", "force = [44]", "dhcp[1].force: there is no options.44"),
        ('"0aFF"', '"0aF"', "dhcp[1].options.67: hex is pairs of hexadecimal digits"),
        ('"{address}"', '"10.0.0"', "dhcp[1].options.150: ip is {address} or a dotted address"),
        ("{base}/x", "{bas}/x", "dhcp[2].options.66: unknown placeholder {bas}, did you mean 'base'?"),
        ("options.66", "options.300", "dhcp[2].options.300: an option code is a number from 1 to 254"),
        ("{ 2 =", "{ x =", "dhcp[1].options.43: suboptions.x: a code is a number from 1 to 254"),
        (
            'hex = "0aFF"',
            'hex = "0aFF", text = "x"',
            "dhcp[1].options.67: exactly one of text, ip, hex, suboptions",
        ),
        ("daily = true", "daily = false", "resync.spread: only what comes daily is late by something"),
        ('"/old"', '"/servlet?key=AutoP"', "resync.action.paths: '/servlet?key=AutoP' is named twice"),
        ('auth = "basic"', 'auth = "none"', "resync.action.password: of no use with auth 'none'"),
        (
            "daily = true",
            'daily = true\nbody = ["a=1,b=2"]',
            "resync.body[1]: String should match pattern '^[ -+.-~-]+$'",
        ),
        ("daily = true", "dayly = true", "resync.dayly: unknown key, did you mean 'daily'?"),
        (
            '"keys.N.type"',
            '"keys.N.typ"',
            "writes[1].settings: there is no setting 'keys.N.typ', did you mean 'keys.N.type'?",
        ),
        (
            "keys = 1, kind",
            "kys = 1, kind",
            "writes[1].when: 'kys' is neither a field nor a trait of a model, did you mean 'keys'?",
        ),
        (
            'upto = ["keys"]',
            'upto = ["buttons"]',
            "writes[1].upto: 'buttons' is neither a field nor a trait of a model",
        ),
        (
            'when = { keys = 1, kind = ["desk"] }',
            "",
            "writes[1].otherwise: is said of models that do not suit, and belongs to 'when'",
        ),
        ('upto = ["keys"]', 'never = "cannot"', "writes[1].never: is said of every model, and stands alone"),
        ("[[dhcp]]\noptions.66", '[[dhcp]]\nmodels = ["A2"]\noptions.66', "dhcp[2].models: A2 has a block already"),
    ],
)
def test_mistakes(write: Write, old: str, new: str, problem: str) -> None:
    assert problem in problems(write(changed(old, new)))


def test_two_rules_for_one_name(write: Write) -> None:
    text = WHOLE + '\n[[file]]\nname = "ACMEa1.cfg"\nkind = "absent"\n'
    assert problems(write(text)) == ["file: two rules would answer 'acmea1.cfg'"]


def test_paths_cannot_leave_the_folder(write: Write) -> None:
    for path in ("../x.j2", "/etc/passwd", "a/../b", ".hidden"):
        (problem,) = problems(write(changed('"d.j2"', f'"{path}"')))
        assert problem.startswith("file[2] ({mac}.cfg).template")


@pytest.mark.parametrize(
    "event", ["", "check-sync\\r\\nX: y", "check sync", "check-sync;", 'a;b="c"', "check-sync;reboot"]
)
def test_an_event_cannot_bring_a_header_with_it(write: Write, event: str) -> None:
    text = (
        changed('"check-sync;reboot=false"', "'" + event + "'")
        if '"' in event
        else changed("check-sync;reboot=false", event)
    )
    assert any(problem.startswith("resync.event: ") for problem in problems(write(text)))


@pytest.mark.parametrize("path", ["//evil.example/x", "x", "http://evil.example/", "/a b", "/a\\r\\nb", "/a@b"])
def test_an_action_stays_on_the_device(write: Write, path: str) -> None:
    found = problems(write(changed('"/old"', f'"{path}"')))
    assert any(problem.startswith("resync.action.paths") for problem in found)


def test_files_that_are_no_manifest(tmp_path: Path, write: Write) -> None:
    assert problems(tmp_path / "nothing") == ["cannot be read: No such file or directory"]
    (problem,) = problems(write("id = "))
    assert problem.startswith("is not TOML: ")
    folder = write("")
    (folder / "plugin.toml").write_bytes(b'id = "\xff"')
    assert problems(folder) == ["is not UTF-8"]
    (folder / "plugin.toml").write_bytes(b"#" * (1 << 20) + b"#")
    assert problems(folder) == ["larger than 1 MiB"]


def test_a_manifest_error_is_a_plugin_error(write: Write) -> None:
    with pytest.raises(PluginError):
        load(write("x = 1"))
