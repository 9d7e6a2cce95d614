"""What becomes of overridden templates when another version of their plugin comes in force."""

from __future__ import annotations

from dataclasses import replace

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
    shop = shop_of(made.world, shelf)
    plugins = {each.name: each for each in _operations(made, shop)}
    made.admin.operations.update(plugins)
    return made


def _operations(made: Office, shop):
    from provd.app.admin.plugins import Plugins

    return Plugins(made.admin.desk, shop).operations()


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
