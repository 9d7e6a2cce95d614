"""The examples are valid, and every line in them does something."""

import tomllib
from pathlib import Path

import pytest

from provd.config.load import load
from provd.config.settings import Settings
from provd.daemon.reloads import changes
from provd.daemon.translate import dhcp_of

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "etc/examples").glob("*.toml"))


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_an_example_is_valid_and_says_nothing_that_is_the_default_anyway(file: Path) -> None:
    settings = load(file, {})
    dhcp_of(settings.dhcp)
    said = {f"{section}.{key}" for section, keys in tomllib.loads(file.read_text()).items() for key in keys}
    assert said == set(changes(Settings(), settings))
    assert file.read_text().startswith("# ")


def test_there_are_examples() -> None:
    assert len(EXAMPLES) == 7
