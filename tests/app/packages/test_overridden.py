"""What becomes of overridden templates when another version of their plugin comes in force."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.admin.plugins import Plugins
from provd.app.packages.ports import BUNDLED
from provd.app.ports import RenderJob
from provd.domain.overrides import Override, Place
from tests.app.fakes import OTHER, PHONE, line, tenant
from tests.app.packages.shelf import acme_shelf, shop_of
from tests.app.test_admin import Office
from tests.app.test_templates import phone

OLD = "one\ntwo\nthree\nfour\nfive\n"
NEW = OLD.replace("five", "5")


def override(text: str, mac: str = PHONE, template: str = "device.j2") -> Override:
    return Override(
        id=f"acme/{template}@device:{mac}", plugin="acme", template=template, place=Place.DEVICE, applies_to=mac,
        text=text, base=OLD, base_version="1.0.0",
    )  # fmt: skip


def office(*overrides: Override) -> Office:
    made = Office(
        tenant(), tenant("south"), line("n1"), line("s1", "south"),
        phone(PHONE, tenant="north", lines=("n1",)), phone(OTHER, tenant="south", lines=("s1",)), *overrides,
    )  # fmt: skip
    shelf = acme_shelf()

    def written(text: str):
        def making(job: RenderJob) -> bytes:
            return job.overlay.texts.get(job.rule.template, text).encode()

        return making

    for choice, text in ((BUNDLED, OLD), ("2.0.0", NEW)):
        manifest, _ = shelf.kinds["acme", choice]
        shelf.kinds["acme", choice] = replace(manifest, version=choice or "1.0.0"), written(text)
        shelf.templates["acme", choice] = {"device.j2": text, "common.j2": text}
    made.admin.plugins = Plugins(made.admin.desk, shop_of(made.world, shelf))
    made.admin.operations.update({each.name: each for each in made.admin.plugins.operations()})
    return made


async def tried(made: Office, **more: object) -> dict:
    work = await made.do("plugin.try", id="acme", version="2.0.0", **more)
    assert work["state"] == "done", work["reason"]
    return work["result"]["outcome"]


async def test_what_fits_is_merged_and_comes_back_as_it_was():
    mine = override(OLD.replace("one", "ONE"))
    made = office(mine)
    outcome = await tried(made)
    (row,) = outcome["templates"]
    assert (row["template"], row["place"], row["state"]) == ("device.j2", "device", "merges")
    assert row["default"].splitlines()[-2:] == ["-five", "+5"]
    assert row["mine"].splitlines()[3:5] == ["-one", "+ONE"]
    shown = next(each["diff"] for each in outcome["diffs"] if each["name"] == f"{PHONE}.cfg")
    assert "+5" in shown, "the file as it will be, with both changes"
    assert "-one" not in shown

    switched = await made.do("plugin.switch", id="acme", version="2.0.0")
    assert switched["merged"] == [mine.id]
    kept = made.world.fleet.tables.overrides[mine.id]
    assert (kept.text, kept.base, kept.base_version) == ("ONE\ntwo\nthree\nfour\n5\n", NEW, "2.0.0")
    assert ("template.merge", mine.id) in made.audit()
    back = await made.do("plugin.rollback", id="acme")
    assert back["merged"] == [mine.id]
    assert made.world.fleet.tables.overrides[mine.id].text == mine.text


class Crash(BaseException):
    """The daemon ends here."""


async def test_what_a_crash_has_kept_from_being_merged_is_merged_at_the_next_start():
    several = [override(OLD.replace("one", "ONE")), override(OLD.replace("two", "TWO"), OTHER)]
    made = office(*several)
    plugins = made.admin.plugins
    change = made.admin.desk.change

    async def crashing(action, name, caller, plan):
        if made.audit().count(("template.merge", several[0].id)):
            raise Crash
        await change(action, name, caller, plan)

    made.admin.desk.change = crashing
    with pytest.raises(Crash):
        await made.do("plugin.switch", id="acme", version="2.0.0")
    made.admin.desk.change = change
    overrides = made.world.fleet.tables.overrides
    assert [overrides[each.id].base_version for each in several] == ["2.0.0", "1.0.0"], "in the middle of it"
    await plugins.complete()
    assert [overrides[each.id].text.split()[-1] for each in several] == ["5", "5"]
    assert made.audit().count(("template.merge", several[1].id)) == 1
    await made.do("template.set", name="device.j2", text=OLD, device=OTHER)
    await plugins.complete()
    assert overrides[several[1].id].text == OLD, "it is over"


async def test_what_was_to_stay_as_it_is_does_so_after_a_start():
    mine = override(OLD.replace("one", "ONE"))
    made = office(mine)
    await made.do("plugin.switch", id="acme", version="2.0.0", keep_templates=True)
    await made.admin.plugins.complete()
    assert made.world.fleet.tables.overrides[mine.id] == mine


async def test_the_same_line_stays_mine_and_both_are_shown():
    mine = override(OLD.replace("five", "FIVE"))
    made = office(mine)
    (row,) = (await tried(made))["templates"]
    assert (row["state"], row["conflicts"]) == ("conflicts", 1)
    assert (await made.do("plugin.switch", id="acme", version="2.0.0"))["merged"] == []
    assert made.world.fleet.tables.overrides[mine.id] == mine


async def test_nothing_is_merged_where_that_was_not_wanted():
    mine = override(OLD.replace("one", "ONE"))
    made = office(mine)
    outcome = await tried(made, keep_templates=True)
    assert [row["state"] for row in outcome["templates"]] == ["merges"]
    assert "+5" not in next((each["diff"] for each in outcome["diffs"] if each["name"] == f"{PHONE}.cfg"), "")
    switched = await made.do("plugin.switch", id="acme", version="2.0.0", keep_templates=True)
    assert switched["merged"] == []
    assert made.world.fleet.tables.overrides[mine.id] == mine


async def test_a_template_that_is_gone_is_told_and_one_that_is_the_same_is_not():
    made = office(override("x\n", template="old.j2"), Override(
        id="acme/common.j2@site", plugin="acme", template="common.j2", place=Place.SITE, text="y\n", base=NEW,
    ))  # fmt: skip
    assert [(row["template"], row["state"]) for row in (await tried(made))["templates"]] == [("old.j2", "gone")]
