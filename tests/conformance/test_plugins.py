"""Every folder below ``plugins/``: its manifest loads and its own cases come out, with all the others loaded too."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.domain.identify import Index
from provd.plugins.cases import failures, load_cases
from provd.plugins.check import check
from provd.plugins.loader import load
from tests.conformance.vendors import VENDORS

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FOLDERS = sorted(path.parent for path in PLUGINS.glob("[a-z]*/plugin.toml"))
MANIFESTS = {folder.name: load(folder) for folder in FOLDERS}
LEVELS = {True: {"bronze", "silver"}, False: {"recognises"}}
INDEX = Index.build(MANIFESTS.values())


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_identification_cases(folder: Path) -> None:
    cases = load_cases(folder)
    assert cases
    assert list(failures(cases, INDEX, MANIFESTS[folder.name])) == []


def test_check(folder: Path) -> None:
    rendering = pytest.importorskip("provd.plugins.render_once", reason="this tree has no renderer")
    engine = rendering.Engine()
    report = check(
        folder,
        others=MANIFESTS.values(),
        render=lambda job: rendering.render_once(folder / "templates", job, engine=engine),
    )
    assert report.problems == ()
    assert report.level in LEVELS[any(rule.template for rule in MANIFESTS[folder.name].files)]
    assert [note for note in report.notes if "no case leads to it" in note] == []


def test_there_is_something_to_read(folder: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")


def test_whoever_has_templates_has_a_record_here() -> None:
    written = {name for name, manifest in MANIFESTS.items() if any(rule.template for rule in manifest.files)}
    missing = sorted(written - VENDORS.keys())
    assert not missing, f"write tests/conformance/vendors/{missing[0]}.py with a VENDOR, so that its files are tried"
    assert sorted(VENDORS.keys() - written) == [], "a record of a plugin that has no templates"


def test_a_clock_is_compared_wherever_the_time_zone_can_be_set() -> None:
    told = {
        name
        for name in VENDORS
        if any({"time", "time.zone"} & {*each.settings} and not each.never for each in MANIFESTS[name].writes)
    }
    assert {name for name, vendor in VENDORS.items() if vendor.clock} == told
