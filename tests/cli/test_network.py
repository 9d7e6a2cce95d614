"""``provd lease|reservation`` and ``provd plugin list``."""

import pytest

from tests.cli.conftest import BELL, Shell

pytestmark = pytest.mark.usefixtures("office")


def test_leases_are_listed_and_released(shell: Shell) -> None:
    assert [(row[0], row[2]) for row in shell("lease", "list").rows] == [
        ("10.0.0.9", "active"),
        ("10.0.0.10", "active"),
    ]
    assert len(shell("lease", "list", f"mac={BELL}", "state=active", "--json").json) == 1
    assert shell("lease", "list", "state=expired").code == 4
    assert shell("lease", "list", "state=odd").code == 2
    assert shell("lease", "release", "10.0.0.9").out == "10.0.0.9 is free again\n"
    assert shell("lease", "release", "10.0.0.77").code == 4
    assert shell("lease", "release", "10.0").code == 2


def test_reservations_come_and_go(shell: Shell) -> None:
    assert shell("reservation", "list").code == 4
    assert shell("reservation", "add", "10.0.0.20", "--mac", BELL, "--json").json["mac"] == BELL
    assert shell("reservation", "add", "10.0.0.20", "--client-id", "01:aa").code == 5
    assert shell("reservation", "add", "10.0.0.10", "--mac", "02aaaa00000f").code == 5
    assert shell("reservation", "add", "10.0.0.21").code == 2
    assert shell("reservation", "list").rows[0][:3] == ["10.0.0.20", "10.0.0.20", BELL]
    assert shell("reservation", "delete", "10.0.0.20").out == "10.0.0.20 is deleted\n"
    assert shell("reservation", "delete", "10.0.0.20").code == 4


def test_plugins_are_counted_for_people_and_told_whole_to_programs(shell: Shell) -> None:
    assert shell("plugin", "list").rows == [
        ["acme", "1.0.0", "bundled", "-", "Acme", "2", "Apache-2.0"],
        ["bolt", "2.0.0", "package", "-", "Bolt", "1", "Apache-2.0"],
    ]
    assert shell("plugin", "list", "--json").json[0]["models"] == ["A1", "A1G"]
