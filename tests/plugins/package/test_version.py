"""SemVer's order."""

from __future__ import annotations

import itertools

import pytest

from provd.plugins.package.version import Version

ORDER = (
    "0.9.0 1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-alpha 1.0.0-alpha.1 1.0.0-alpha.beta 1.0.0-beta.2 1.0.0-beta.11 1.0.0 1.2.0"
)


def test_versions_stand_in_the_order_of_the_specification() -> None:
    for before, after in itertools.combinations(ORDER.split(), 2):
        assert Version(before) < Version(after)
        assert not Version(after) < Version(before)


def test_a_version_is_itself() -> None:
    assert Version("1.0.0") == Version("1.0.0")
    assert Version("1.0.0") != "1.0.0"
    assert len({Version("1.0.0"), Version("1.0.0")}) == 1
    assert str(Version("1.0.0-rc.1")) == "1.0.0-rc.1"


@pytest.mark.parametrize("text", ["", "1", "1.0", "01.0.0", "1.0.0+build", "1.0.0-", "v1.0.0", "1.0.0\n", "\u0661.0.0"])
def test_what_is_none(text: str) -> None:
    assert not Version.fits(text)
    with pytest.raises(ValueError, match="no version"):
        Version(text)
