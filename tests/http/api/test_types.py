"""Types and constraints over REST: made by PUT, changed with their revision, and not taken from what has them."""

from __future__ import annotations

from provd.domain.constraints import Attribute, Rule
from provd.domain.rulebook import Rulebook
from tests.http.api.kit import house

ANY = {"If-Match": "*"}
TASK = {"id": "greet", "step": [{"id": "rest", "do": "wait", "for": "1m"}]}


async def test_a_type_is_put_changed_and_deleted_when_it_is_said_where_its_devices_go():
    async with house() as home:
        body = {"devices": ["*"], "tasks": [TASK], "settings": {"ntp.server": "n"}}
        made = await home.ask("PUT", "/types/all", body=body)
        assert (made.status, made.json["tasks"], made.headers["ETag"]) == (201, [TASK], '"1"')
        shown = await home.get("/types/all")
        assert (shown.json["count"] > 0, shown.headers["ETag"]) == (True, '"1"')
        assert (await home.ask("PATCH", "/types/all", body={"description": "x"})).status == 428
        changed = await home.ask("PATCH", "/types/all", body={"description": "x"}, headers={"If-Match": '"1"'})
        assert (changed.status, changed.json["revision"], changed.json["tasks"]) == (200, 2, [TASK])
        stale = await home.ask("PUT", "/types/all", body={"devices": ["*"]}, headers={"If-Match": '"1"'})
        assert stale.status == 412
        again = await home.ask("PUT", "/types/all", body={**changed.json, "tasks": []}, headers=ANY)
        assert (again.status, again.json["tasks"], again.json["description"]) == (200, [], "x")
        assert (await home.get("/devices?type=all&limit=1")).json["total"] > 0
        taken = await home.ask("DELETE", "/types/all")
        assert (taken.status, "say where they go" in taken.json["detail"]) == (409, True)
        assert (await home.ask("DELETE", "/types/all?two=-")).status == 400
        assert (await home.ask("DELETE", "/types/all?to=-&breaking=true")).status == 204
        wrong = await home.ask("POST", "/types", body={"id": "b", "tasks": [{"id": "x", "step": []}]})
        assert (wrong.status, "tasks.x.step" in wrong.text) == (422, True)


async def test_what_stands_in_the_configuration_file_is_shown_and_not_changed():
    async with house() as home:
        rule = Rule(name="told", devices=("Acme/*",), attributes=(Attribute(name="room", required=True),))
        home.office.world.tasks.given = Rulebook(rules=(rule,))
        shown = await home.get("/constraints/told")
        assert (shown.status, shown.json["origin"], shown.json["devices"]) == (200, "file", ["Acme/*"])
        for method in ("PUT", "PATCH"):
            body = {"attributes": [{"name": "x"}]}
            refused = await home.ask(method, "/constraints/told", body=body, headers=ANY)
            assert (refused.status, "configuration file" in refused.json["detail"]) == (403, True)
        assert (await home.ask("DELETE", "/constraints/told")).status == 403
        assert (await home.get("/constraints?origin=file")).json["total"] == 1
        assert (await home.get("/constraints/told", "north.admin")).status == 404
