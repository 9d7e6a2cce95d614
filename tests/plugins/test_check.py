"""What ``provd plugin check`` finds, and the skeleton that has nothing to be found."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.app.ports import RenderJob
from provd.base.errors import ConflictError, NotFoundError, PluginError, UsageError
from provd.plugins import sample
from provd.plugins.cases import load_cases
from provd.plugins.check import Report, check
from provd.plugins.loader import load
from provd.plugins.render_once import render_once
from provd.plugins.skeleton import new


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    return new(tmp_path, "acme", "Acme")


def plain(job: RenderJob) -> bytes:
    return f"{job.rule.name} {job.context['model']['name']} {job.context['urls']['home']}".encode()


def test_a_new_plugin_passes(acme: Path) -> None:
    report = check(acme, render=plain)
    assert report.problems == ()
    assert (report.ok, report.level, report.models, report.cases) == (True, "bronze", 2, 5)
    assert report.rendered == 13
    assert report.notes == ("no golden files: changes of templates go unseen",)


def test_golden_files_make_it_silver(acme: Path) -> None:
    (acme / "golden").mkdir()
    (acme / "golden/x100.cfg").write_text("x")
    assert check(acme, render=plain).level == "silver"


def test_without_a_renderer_it_only_recognises(acme: Path) -> None:
    report = check(acme)
    assert (report.level, report.rendered, report.problems) == ("recognises", 0, ())


@pytest.mark.parametrize("vendor", ["Acme", "2N", "Ac.me + Co"])
def test_the_skeleton_takes_any_vendor(tmp_path: Path, vendor: str) -> None:
    folder = new(tmp_path, "my_plugin", vendor)
    assert check(folder, render=plain).problems == ()
    assert load(folder).vendor == vendor
    assert not any("SKELETON" in path.read_text() for path in folder.rglob("*") if path.is_file())


def test_what_cannot_be_made(tmp_path: Path, acme: Path) -> None:
    with pytest.raises(ConflictError):
        new(tmp_path, "acme", "Acme")
    for plugin, vendor in (("Acme", "Acme"), ("../x", "Acme"), ("bell", 'B"'), ("bell", "")):
        with pytest.raises(UsageError):
            new(tmp_path, plugin, vendor)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UsageError):
        new(tmp_path / "file", "bell", "Bell")
    with pytest.raises(NotFoundError):
        new(tmp_path, "bell", "Bell", skeleton=tmp_path / "nowhere")
    assert acme.is_dir()


def test_a_manifest_that_does_not_load(acme: Path) -> None:
    (acme / "plugin.toml").write_text('id = "acme"\n')
    report = check(acme)
    assert report.level == "unusable"
    assert "version: Field required" in report.problems


def test_cases_that_fail_or_cannot_be_read(acme: Path) -> None:
    cases = acme / "cases/evidence.toml"
    cases.write_text('case = [{ name = "acme-x50.cfg", model = "X100", option66 = "{tftp}" }]')
    assert check(acme).problems == (
        "evidence.toml case 1 over http: model is 'X50', not 'X100'",
        "evidence.toml case 1 over http: option 66 is '{base}/', not '{tftp}'",
        "evidence.toml case 1 over tftp: model is 'X50', not 'X100'",
        "evidence.toml case 1 over tftp: option 66 is '{base}/', not '{tftp}'",
    )
    for text in ("case = [{ nam = 1 }]", "case", "\0"):
        cases.write_text(text)
        assert not check(acme).ok
    cases.unlink()
    assert load_cases(acme) == ()
    assert "match[1] (user_agent): no case leads to it" in check(acme).notes


def test_files_that_are_not_there(acme: Path) -> None:
    (acme / "templates/common.cfg.j2").unlink()
    (acme / "README.md").unlink()
    assert check(acme, render=plain).problems == (
        "file {common}: there is no templates/common.cfg.j2",
        "there is no README.md",
    )


def test_static_files_that_are_not_there(acme: Path) -> None:
    with (acme / "plugin.toml").open("a") as manifest:
        manifest.write('[[file]]\nname = "logo.png"\nkind = "static"\ntemplate = "logo.png"\nsecrets = false\n')
    assert check(acme).problems == ("file logo.png: there is no static/logo.png",)
    (acme / "static").mkdir()
    (acme / "static/logo.png").write_bytes(b"x")
    assert check(acme, render=plain).rendered == 13


def test_a_file_that_is_to_send_devices_elsewhere_and_does_not(acme: Path) -> None:
    def render(job: RenderJob) -> bytes:
        return b"provisioning_url =" if job.rule.kind == "elsewhere" else plain(job)

    problems = check(acme, render=render).problems
    assert problems[1:] == (
        "file {mac}.cfg for X100 unclaimed: does not lead to urls.home",
        "file {mac}.cfg for X50 unclaimed: does not lead to urls.home",
    )
    (acme / "templates/elsewhere.cfg.j2").unlink()
    assert check(acme).problems == ("file {mac}.cfg: there is no templates/elsewhere.cfg.j2",)


def test_what_cannot_send_its_devices_elsewhere_is_worth_knowing(acme: Path) -> None:
    manifest = acme / "plugin.toml"
    lines = [line for line in manifest.read_text().splitlines() if not line.startswith("elsewhere")]
    manifest.write_text("\n".join(lines))
    assert "no elsewhere: devices cannot be sent to another server" in check(acme).notes


def test_a_common_file_that_needs_what_it_does_not_get(acme: Path) -> None:
    def render(job: RenderJob) -> bytes:
        if job.context["account"] and job.rule.kind == "common":
            raise PluginError("no")
        return plain(job)

    assert "file {common} for X50: no" in check(acme, render=render).problems


def test_a_plugin_without_advice_is_noted(acme: Path) -> None:
    text = (acme / "plugin.toml").read_text()
    (acme / "plugin.toml").write_text(text[: text.index("[[dhcp]]")])
    assert "no DHCP advice: phones must learn of this server in another way" in check(acme).notes


def test_two_plugins_that_claim_the_same(tmp_path: Path, acme: Path) -> None:
    other = load(acme)
    twin = new(tmp_path, "twin", "Acme")
    (twin / "cases/evidence.toml").unlink()
    text = (twin / "plugin.toml").read_text()
    (twin / "plugin.toml").write_text(text.replace("twin-x50", "acme-x50"))
    assert check(twin, others=(other,)).problems == (
        "file acme-x50.cfg: plugin acme offers it, too",
        "user_agent 'acme ': plugin acme has it with the same confidence",
        "option60 'acme ': plugin acme has it with the same confidence",
        "MAC prefix 00005e: plugin acme has it with the same confidence",
        "pnp vendor 'acme': plugin acme has it with the same confidence",
    )
    assert check(acme, others=(other,)).problems == ()


def test_a_template_that_fails_for_one_model(acme: Path) -> None:
    def render(job: RenderJob) -> bytes:
        if job.context["model"]["name"] == "X50" and job.rule.kind == "device":
            raise PluginError("'screen' is undefined")
        return plain(job)

    report = check(acme, render=render)
    assert report.level == "unusable"
    assert report.problems[0] == "file {mac}.cfg for X50 unclaimed: 'screen' is undefined"


def test_a_template_that_is_never_the_same(acme: Path) -> None:
    count = iter(range(10_000))
    report = check(acme, render=lambda _: str(next(count)).encode())
    assert "differs when rendered again" in report.problems[0]


def test_a_template_that_gives_nothing(acme: Path) -> None:
    assert "is empty" in check(acme, render=lambda _: b"\n").problems[0]


def test_a_common_file_that_shows_a_password(acme: Path) -> None:
    def render(job: RenderJob) -> bytes:
        return repr(job.context["settings"]).encode()

    assert (
        "file {common} for X100: shows a password, but is given to anybody who asks"
        in check(acme, render=render).problems
    )


def test_every_sample_context_is_of_plain_values(acme: Path) -> None:
    manifest = load(acme)

    def look(value: object) -> None:
        assert value is None or type(value) in {str, int, bool, list, dict}
        for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
            look(inner)

    for rule in manifest.files:
        for what, context in sample.contexts(manifest, rule):
            assert what
            look(dict(context))
        if rule.kind == "common":
            for _, context in sample.contexts(manifest, rule):
                assert context["account"] is None
                assert context["lines"] == []


STEP = """
[[step]]
name = "enrol"
template = "enrol.json.j2"
reply = "enrolled.json.j2"
needs = ["site"]
"""


@pytest.fixture
def enrolling(acme: Path) -> Path:
    with (acme / "plugin.toml").open("a") as manifest:
        manifest.write(STEP)
    (acme / "templates/enrol.json.j2").write_text('{"path": [{{ given.site }}]}')
    (acme / "templates/enrolled.json.j2").write_text('{"done": {"no": {{ reply.no }}}}')
    return acme


def checked(folder: Path) -> Report:
    return check(folder, render=lambda job: render_once(folder / "templates", job))


def test_steps_are_tried_for_every_model_and_with_the_cases_of_the_plugin(enrolling: Path) -> None:
    report = checked(enrolling)
    assert (report.problems, report.steps) == ((), 1)
    assert "step enrol: no case says how it ends" in report.notes
    cases = enrolling / "cases/steps.toml"
    case = '[[step]]\nstep = "enrol"\nwith = { site = "attic" }\nrequest = { path = ["attic"] }\n'
    cases.write_text(case + "reply = { no = 7 }\nends = { done = { no = 7 } }\n")
    report = checked(enrolling)
    assert (report.problems, report.cases) == ((), 6)
    assert not [note for note in report.notes if "step" in note]
    for wrong, said in (
        (case.replace('"attic"] }', '"cellar"] }'), "steps.toml step 1: it asks Request(method='GET', path='attic'"),
        (case + "reply = { no = 8 }\nends = { done = { no = 7 } }\n", "it ends with {'done': {'no': 8}}, not"),
        (case + "reply = {}\nends = { done = {} }\n", "has no attribute 'no'"),
        (case.replace('"enrol"', '"x"'), "steps.toml step 1: there is no step 'x'"),
        (case.replace("path", "url"), "a request has no 'url'"),
        (case.replace("with", "without"), "Extra inputs are not permitted"),
    ):
        cases.write_text(wrong)
        (problem,) = checked(enrolling).problems
        assert said in problem


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nope }}", "'nope' is undefined"),
        ('{"path": [', "not JSON"),
        ('{"path": ["a", ".."]}', "neither empty nor dots"),
        ('{"done": [1]}', "a step ends with one of"),
        ('{"done": {"x": {{ "y" * 70000 }}}}', "at most 64 KiB"),
    ],
)
def test_a_step_that_says_nothing_usable(enrolling: Path, template: str, said: str) -> None:
    (enrolling / "templates/enrol.json.j2").write_text(template)
    problems = checked(enrolling).problems
    assert [problem.partition(":")[0] for problem in problems] == ["step enrol for X100", "step enrol for X50"]
    assert said in problems[0]


def test_templates_of_steps_that_are_not_there(enrolling: Path) -> None:
    (enrolling / "templates/enrolled.json.j2").unlink()
    assert checked(enrolling).problems == ("step enrol: there is no templates/enrolled.json.j2",)


def test_a_step_that_ends_without_asking(enrolling: Path) -> None:
    (enrolling / "templates/enrol.json.j2").write_text('{"fail": {{ "no site " ~ given.site }}}')
    case = '[[step]]\nstep = "enrol"\nwith = { site = "attic" }\nends = { fail = "no site attic" }\n'
    cases = enrolling / "cases/steps.toml"
    cases.write_text(case)
    assert checked(enrolling).problems == ()
    cases.write_text(case + 'request = { path = ["a"] }\n')
    assert checked(enrolling).problems == (
        "steps.toml step 1: it ends with {'fail': 'no site attic'} and asks nothing",
    )
