"""Every folder below ``plugins/``: its manifest loads and its own cases come out, with all the others loaded too."""

from __future__ import annotations

from pathlib import Path

import pytest

from provd.domain.identify import Index
from provd.plugins.cases import failures, load_cases
from provd.plugins.loader import load

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
FOLDERS = sorted(path.parent for path in PLUGINS.glob("[a-z]*/plugin.toml"))
MANIFESTS = {folder.name: load(folder) for folder in FOLDERS}
INDEX = Index.build(MANIFESTS.values())


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_identification_cases(folder: Path) -> None:
    cases = load_cases(folder)
    assert cases
    assert list(failures(cases, INDEX, MANIFESTS[folder.name])) == []


def test_there_is_something_to_read(folder: Path) -> None:
    assert (folder / "README.md").read_text(encoding="utf-8").startswith("# ")
