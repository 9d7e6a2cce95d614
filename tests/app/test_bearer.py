"""Bearer tokens: their form, who may make them, and when they stop working."""

from __future__ import annotations

import re
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provd.app import bearer
from provd.app.admin import Caller, Scope
from provd.app.bearer import Authority
from provd.base.errors import ForbiddenError, NotFoundError, UsageError
from tests.app.fakes import tenant
from tests.app.test_admin import Office

SITE = Caller(name="site's")
NORTH = Caller(name="north's", tenant="north")


def furnished() -> Office:
    return Office(tenant(), tenant("south"))


async def made(office: Office, caller: Caller = SITE, **params: object) -> dict:
    return await office.admin.call("token.add", {"name": "t", **params}, caller)


def authority(office: Office) -> Authority:
    return Authority(office.world.fleet, office.world.clock)


def test_the_form_has_256_random_bits_and_only_its_hash_is_kept():
    issued = bearer.issue(secrets.token_bytes)
    text = issued.text.reveal()
    assert re.fullmatch(r"pv1_[0-9a-z]{8}[0-9A-Za-z]{49}", text)
    assert text not in repr(issued)
    assert bearer.id_of(text) == issued.id
    assert issued.hash == bearer.digest(text)
    assert bearer.issue(lambda n: b"\xff" * n).text.reveal()[12:55] < "z" * 43  # 43 digits hold all 256 bits


@given(st.text(max_size=80))
def test_no_other_text_has_an_id(text):
    assert bearer.id_of(text) is None


@given(st.integers(0, 60), st.sampled_from("0aZ"))
def test_a_slip_in_any_place_is_noticed_without_a_look_up(place, letter):
    text = bearer.issue(lambda n: bytes(range(n))).text.reveal()
    slipped = text[:place] + letter + text[place + 1 :]
    assert (bearer.id_of(slipped) is None) == (slipped != text)


async def test_a_token_is_its_maker_s_choice_of_tenant_and_scopes():
    office = furnished()
    token = await made(office, tenant="north", scopes=["write"])
    caller = authority(office).caller(token["token"], "192.0.2.1")
    assert (caller.tenant, caller.scopes, caller.name) == ("north", {Scope.WRITE}, f"token {token['id']} (t)")
    assert caller.peer == "192.0.2.1"
    every = await made(office, scopes=["admin"])
    assert authority(office).caller(every["token"]).tenant is None
    shown = await office.admin.call("token.show", {"id": token["id"]}, SITE)
    assert "token" not in shown
    assert office.world.fleet.tables.api_token(token["id"]).hash not in str(shown)
    assert office.audit_by() == {"site's"}


async def test_it_ends_when_it_is_revoked_expires_or_its_tenant_goes():
    office = furnished()
    door = authority(office)
    short = await made(office, expires="10m")
    office.world.clock.pass_(599)
    assert door.caller(short["token"])
    office.world.clock.pass_(1)
    assert door.caller(short["token"]) is None
    assert [t["state"] for t in (await office.admin.call("token.list", {}, SITE))["items"]] == ["expired"]
    revoked = await made(office)
    await office.admin.call("token.revoke", {"id": revoked["id"]}, SITE)
    assert door.caller(revoked["token"]) is None
    bound = await made(office, tenant="north")
    await office.admin.call("tenant.set", {"id": "north", "enabled": False}, SITE)
    assert door.caller(bound["token"]) is None
    await office.admin.call("tenant.set", {"id": "north", "enabled": True}, SITE)
    assert door.caller(bound["token"])
    await office.admin.call("tenant.delete", {"id": "north"}, SITE)
    await office.admin.call("tenant.add", {"id": "north"}, SITE)
    assert door.caller(bound["token"]) is None


async def test_one_of_another_secret_or_hash_is_nobody_s():
    office = furnished()
    token = await made(office)
    text = token["token"]
    forged = bearer.issue(bytes).text.reveal()
    body = text[:12] + forged[12:-6]
    assert authority(office).caller(body + bearer._checksum(body)) is None
    record = office.world.fleet.tables.api_token(token["id"])
    office.world.fleet.tables.put(replace(record, hash=""))
    assert authority(office).caller(text) is None
    for other in ("", "pv1_", text + "x", "x" * 10_000, "\udcff", "\0"):
        assert authority(office).caller(other) is None


async def test_the_last_use_is_written_behind_and_rarely():
    office = furnished()
    token, door = await made(office), authority(office)
    writes = len(office.world.journal.batches)
    for _ in range(50):
        door.caller(token["token"])
    assert len(office.world.journal.batches) == writes + 1
    office.world.clock.pass_(bearer.USED_EVERY)
    door.caller(token["token"])
    assert office.world.fleet.tables.api_token(token["id"]).last_used == office.world.clock.now()


async def test_a_tenant_handles_its_own_tokens_and_cannot_grant_more_than_it_has():
    office = furnished()
    theirs = await made(office, tenant="south")
    site = await made(office)
    own = await made(office, NORTH, scopes=["admin"])
    assert own["tenant"] == "north"
    listed = await office.admin.call("token.list", {}, NORTH)
    assert [t["id"] for t in listed["items"]] == [own["id"]]
    for token in (theirs, site, {"id": "nonsense"}):
        for operation in ("token.show", "token.revoke"):
            with pytest.raises(NotFoundError, match=f"there is no token '{token['id']}'"):
                await office.admin.call(operation, {"id": token["id"]}, NORTH)
    with pytest.raises(NotFoundError, match="no tenant 'south'"):
        await made(office, NORTH, tenant="south")
    with pytest.raises(UsageError, match="somebody is"):
        await made(office, tenant="master")
    with pytest.raises(UsageError, match="must be of read, write, admin"):
        await made(office, scopes=["everything"])
    for scope in (Scope.READ, Scope.WRITE):
        with pytest.raises(ForbiddenError):
            await made(office, Caller(name="x", scopes=frozenset({scope})))


@pytest.mark.parametrize("text", ["soon", "-1d", "1y", "999999999w", "", True, 1.5])
async def test_durations_are_said_with_a_unit(text):
    office = furnished()
    with pytest.raises(UsageError, match=r"expires: must be"):
        await made(office, expires=text)
