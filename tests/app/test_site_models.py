"""Models without a plugin: what is refused, what a plugin that comes later takes, and what changes with a template."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provd.app.admin import Caller
from provd.app.ports import RenderJob
from provd.app.site_catalogue import SiteCatalogue
from provd.base.errors import ConflictError, FaultsError, ForbiddenError, NotFoundError
from provd.domain.site_models import SiteModel
from provd.plugin import Manifest
from tests.app.fakes import ACME, FakeCatalogue
from tests.app.test_admin import Office
from tests.kit.clock import FakeClock

X1: dict[str, object] = {
    "id": "x1", "vendor": "Zeta", "model": "X1", "generic": ["zeta-x1.cfg"], "specific": ["zeta-{mac}.cfg"],
}  # fmt: skip
MAC = "02cccc000001"


def office() -> Office:
    made = Office()
    station = made.world.boot.station
    beside = SiteCatalogue(made.world.catalogue, made.world.fleet.tables, made.world.clock, made.world.facts.append)
    station.knowledge.catalogue = beside
    return made


async def test_it_is_a_model_like_any_other():
    made = office()
    added = await made.do("site_model.add", **X1)
    assert (added["plugin"], added["dhcp"], added["devices"]) == ("site-x1", ["66={base}/"], 0)
    made.world.boot.station.refresh()
    device = await made.do("device.add", mac=MAC, model="X1")
    assert (device["vendor"], device["plugin"]) == ("Zeta", "site-x1")
    with pytest.raises(ConflictError, match="1 devices are of the model x1"):
        await made.do("site_model.delete", id="x1")
    await made.do("site_model.set", id="x1", model="X1b")
    assert made.world.fleet.tables.devices[MAC].model == "X1b", "its devices are called what it is called"
    await made.do("device.delete", mac=MAC)
    await made.do("site_model.delete", id="site-x1".removeprefix("site-"))
    assert [row["id"] for row in (await made.do("site_model.list"))["items"]] == []
    assert {row["id"] for row in (await made.do("plugin.list"))["items"]} == {"acme", "bolt"}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"generic": ["a/b.cfg"]}, "generic: 'a/b.cfg': only the last part of a path"),
        ({"generic": ["{mac}.cfg"]}, "generic: '{mac}.cfg': no braces"),
        ({"specific": ["x.cfg"]}, "specific: 'x.cfg': one {mac}"),
        ({"specific": ["{mac}{mac}.cfg"]}, "one {mac} and no other braces"),
        ({"specific": ["{mac}{x}.cfg"]}, "one {mac} and no other braces"),
        ({"generic": [], "specific": []}, "name its own one"),
        ({"format": "json"}, "format: must be one of text, keyvalue, xml"),
        ({"lines": 0}, "lines: must be a number from 1 to 100"),
        ({"ouis": ["02:cc"]}, "ouis: '02cc' is not six hexadecimal digits"),
        ({"user_agents": ["Ze"]}, "too short"),
        ({"dhcp": ["66"]}, "dhcp: '66' is not CODE=TEXT"),
        ({"dhcp": ["66={nothing}"]}, "there are {base}, {host}"),
        ({"model": "A1"}, "the plugin acme knows a model 'A1'"),
    ],
)
async def test_what_is_wrong_is_said(change: dict[str, object], fault: str):
    made = office()
    with pytest.raises(FaultsError) as caught:
        await made.do("site_model.add", **{**X1, **change})
    assert fault in str(caught.value)
    assert made.world.fleet.tables.site_models == {}


async def test_it_is_not_for_one_tenant():
    with pytest.raises(ForbiddenError):
        await office().admin.call("site_model.add", X1, Caller(name="north's", tenant="north"))


class Later(FakeCatalogue):
    def install(self, manifest: Manifest) -> None:
        self.manifests = (*self.manifests, manifest)
        self.revision += 1


async def test_a_plugin_that_comes_later_gets_what_it_claims_and_that_is_told():
    made = office()
    tables, facts = made.world.fleet.tables, []
    plugins = Later()
    tables.put(SiteModel(id="x1", vendor="Zeta", model="X1", generic=("zeta-x1.cfg",), specific=("z{mac}.cfg",),
                         ouis=("02cccc",)))  # fmt: skip
    catalogue = SiteCatalogue(plugins, tables, FakeClock(), facts.append)
    before = catalogue.revision
    assert [rule.name for rule in catalogue.manifests[0].files] == ["{common}", "z{mac}.cfg"]
    model = replace(ACME.models[0], name="ZX1", common=("zeta-x1.cfg",), aliases=())
    plugins.install(replace(ACME, id="zeta", models=(model,)))
    described = catalogue.manifests[-1]
    assert catalogue.revision > before
    assert [rule.name for rule in described.files] == ["z{mac}.cfg"], "devices keep their own files"
    assert [(fact.ID, fact.field, fact.value) for fact in facts] == [("SITE-MODEL-SHADOWED", "generic", "zeta-x1.cfg")]


async def test_a_template_is_no_matter_of_identification():
    made = office()
    await made.do("site_model.add", **X1, generic_template="a = 1\n")
    before = made.world.boot.station.knowledge.catalogue.revision
    await made.do("site_model.set", id="x1", generic_template="a = 2\n")
    assert made.world.boot.station.knowledge.catalogue.revision == before
    overlay = made.world.boot.station.overlays.of("site-x1", "X1")
    assert overlay.texts["generic.j2"] == "a = 2\n"
    assert overlay.overrides == ()


async def test_a_model_that_goes_while_a_template_for_it_is_tried_gets_none():
    made = office()
    await made.do("site_model.add", **X1)
    engine = made.world.renderer

    class Slow:
        async def render(self, job: RenderJob) -> bytes:
            if job.wants == "check":
                await made.do("site_model.delete", id="x1")
            return await engine.render(job)

    made.world.boot.previews._renderer = Slow()  # type: ignore[assignment]
    with pytest.raises(NotFoundError):
        await made.do("template.set", name="specific.j2", text="x\n", model="site-x1", site=True)
    assert made.world.fleet.tables.overrides == {}
