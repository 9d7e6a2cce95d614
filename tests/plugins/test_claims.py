"""What two plugins must not have alike."""

from __future__ import annotations

from pathlib import Path

from provd.plugin import FileRule, Manifest, Model
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.claims import claimed_twice, clashes
from provd.plugins.loader import load


def plugin(identifier: str, *files: FileRule, common: str = "") -> Manifest:
    models = (Model("A1", common=(common,)),) if common else ()
    return Manifest(
        id=identifier,
        version="1.0.0",
        contract=1,
        vendor=identifier,
        license="x",
        description="x",
        models=models,
        files=files,
    )


ROM, GONE = FileRule("Logo.bmp", "static", "logo.bmp"), FileRule("logo.BMP", "absent")
OWN = FileRule("{mac}.cfg", "device", "device.cfg.j2")
COMMON = FileRule("{common}", "common", "common.cfg.j2")


def test_a_file_that_both_offer_is_said_of_the_one_and_of_the_other() -> None:
    one, other = plugin("one", ROM, OWN), plugin("other", COMMON, OWN, common="logo.bmp")
    assert list(claimed_twice(one, (one, other))) == [("other", "file logo.bmp: plugin other offers it, too")]
    assert clashes((one, other)) == {("other", "one", "file logo.bmp: plugin one offers it, too")}


def test_who_refuses_a_name_is_in_the_way_of_who_offers_it_and_not_of_who_refuses_it_too() -> None:
    one, other, third = plugin("one", ROM), plugin("other", GONE), plugin("third", GONE)
    assert len(clashes((one, other))) == 1
    assert clashes((other, third)) == frozenset()
    assert len(clashes((one, other, third))) == 2


def test_files_with_a_mac_in_their_names_are_everybodys() -> None:
    assert clashes((plugin("one", OWN), plugin("other", OWN))) == frozenset()


def test_no_two_plugins_that_come_with_provd_claim_the_same() -> None:
    folders: list[Path] = sorted(path.parent for path in bundled_plugins().glob("[a-z]*/plugin.toml"))
    assert len(folders) > 10
    assert clashes(map(load, folders)) == frozenset()
