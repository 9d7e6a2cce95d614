"""By what vendors are known."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provd.app.caller import Caller, Scope
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError
from provd.base.facts.devices import AdminChanged
from tests.http.activation.kit import FORM, Reply, World, world

ACME = Caller(name="token acme", tenant="acme")
SITE = Caller(name="site")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path / "state") as found:
        await found.give("S1")
        yield found


async def auth(here: World, method: str, path: str = "", body: str = "", token: str = "acme-token") -> Reply:
    return await here.ask(method, f"/provision/admin/auth/{path}", body, ("X-Exosite-Token", token), FORM)


async def test_the_life_of_a_token(here: World) -> None:
    assert (await auth(here, "GET")).text == ""
    made = await auth(here, "POST", body="id=factory")
    token = made.text
    assert (made.status, token.startswith("pvv1_"), len(token) > 50) == (200, True, True)
    assert (await auth(here, "POST", body="id=factory")).status == 409
    assert (await auth(here, "GET")).text == "factory"
    assert (await auth(here, "GET", "factory")).text == f"factory,{int(here.clock.now())},"
    # It does what the vendor does, but makes no further tokens.
    assert (await here.manage("GET", "m1/S1", token=token)).status == 200
    assert (await here.manage("POST", "m1/S1", "disable=true", token=token)).status == 205
    assert (await auth(here, "GET", token=token)).status == 403
    assert (await auth(here, "POST", body="id=more", token=token)).status == 403
    assert (await auth(here, "GET", token="acme-reader")).status == 403
    assert (await auth(here, "DELETE", "factory")).status == 205
    assert (await here.manage("GET", "m1/S1", token=token)).status == 401
    assert (await auth(here, "DELETE", "factory")).status == 404
    assert (await auth(here, "PUT")).status == 405
    again = (await auth(here, "POST", body="id=factory")).text
    assert again != token
    assert (await auth(here, "POST", body="delete=true&id=factory")).status == 205
    assert (await here.manage("GET", "m1/S1", token=again)).status == 401


async def test_a_token_is_nowhere_but_in_the_answer(here: World) -> None:
    token = (await auth(here, "POST", body="id=factory")).text
    folder = Path(str(here.ledger._store._path)).parent
    assert token.encode() not in b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())
    assert token not in "".join(map(repr, here.facts))


async def test_one_that_has_expired_is_not_there(here: World) -> None:
    until = int(here.clock.now()) + 60
    assert (await auth(here, "POST", body="id=short&expire=5")).status == 400
    token = (await auth(here, "POST", body=f"id=short&expire={until}")).text
    assert (await auth(here, "GET", "short")).text.endswith(f",{until}")
    here.clock.time += 60
    assert (await here.manage("GET", "m1/S1", token=token)).status == 401
    assert (await auth(here, "GET")).text == ""
    assert (await auth(here, "GET", "short")).status == 404
    assert (await auth(here, "POST", body="id=short")).status == 200


async def test_the_key_of_a_vendor(here: World) -> None:
    key = (await here.office.badges.renew_key("acme", ACME)).reveal()

    async def ask(path: str, method: str = "GET", body: str = "", name: str = "X-Exosite-CIK") -> Reply:
        return await here.ask(method, f"/provision/{path}", body, (name, key), FORM)

    assert (await ask("manage/model/")).text == "m1\r\nm2\r\nm4\r\nm5"
    assert (await ask("manage/model/", name="X-Exosite-Token")).status == 200
    assert (await ask("register")).text == "acme"
    assert (await ask("register", "POST", "vendor=acme")).status == 205
    assert (await ask("register", "POST", "vendor=more")).status == 409
    assert (await ask("admin/auth/", "POST", "id=t")).status == 200
    # It is no key of a device.
    assert (await ask("download?vendor=acme&model=m1")).status == 401
    newer = (await here.office.badges.renew_key("acme", ACME)).reveal()
    assert (await ask("manage/model/")).status == 401
    assert (await here.manage("GET", "m1/S1", token=newer)).status == 200


async def test_a_token_is_for_one_vendor_of_a_tenant(here: World) -> None:
    await here.office.registry.add_vendor("acme2", "acme", ACME)
    token = (await here.office.badges.add_token("acme2", "t", 0.0, ACME)).reveal()
    assert (await here.manage("GET", "", token=token)).text == ""
    for named in ("acme", "other"):
        assert (await here.manage("GET", "m1/S1", "", ("X-Exosite-Vendor", named), token=token)).status == 404
    assert (await here.manage("GET", "", "", ("X-Exosite-Vendor", "acme"))).status == 200
    assert (await here.manage("GET", "")).status == 400


async def test_nothing_works_for_a_tenant_that_is_closed(here: World) -> None:
    key = (await here.office.badges.renew_key("acme", ACME)).reveal()
    token = (await auth(here, "POST", body="id=t")).text
    here.closed.add("acme")
    for text in (key, token):
        assert (await here.manage("GET", "m1/S1", token=text)).status == 401


async def test_a_vendor_moves_with_its_models_and_without_its_tokens(here: World) -> None:
    badges = here.office.badges
    key = (await badges.renew_key("acme", ACME)).reveal()
    token = (await auth(here, "POST", body="id=t")).text
    device = (await here.activate()).text
    with pytest.raises(ForbiddenError):
        await badges.move("acme", "other", ACME)
    with pytest.raises(ConflictError, match="already"):
        await badges.move("acme", "acme", SITE)
    await badges.move("acme", "other", SITE)
    moved = [fact for fact in here.facts if isinstance(fact, AdminChanged) and fact.action == "activation.vendor_move"]
    assert [(fact.object, fact.by) for fact in moved] == [("acme to other", "site")]
    for text in (key, token):
        assert (await here.manage("GET", "m1/S1", token=text)).status == 401
    named = ("X-Exosite-Vendor", "acme")
    assert (await here.manage("GET", "m1/S1", "", named)).status == 404
    assert (await here.manage("GET", "m1/S1", "", named, token="other-token")).status == 200
    assert (await here.download(device)).status == 200


async def test_a_tenant_with_vendors_is_not_deleted(here: World) -> None:
    tenants = here.office.registry.tenants
    with pytest.raises(ConflictError, match=r"has vendors of devices \(acme\)"):
        async with tenants.closing("acme"):
            pytest.fail("it has a vendor")
    async with tenants.closing("green"):
        with pytest.raises(ConflictError, match="being deleted"):
            await here.office.registry.add_vendor("late", "green", SITE)
        with pytest.raises(ConflictError, match="being deleted"):
            await here.office.registry.enable("acme", "m4", "0000000008", ACME, tenant="green", owner="")
    await here.office.registry.add_vendor("late", "green", SITE)


async def test_foreign_tokens_do_not_exist(here: World) -> None:
    stranger = Caller(name="x", tenant="other", scopes=frozenset(Scope))
    await auth(here, "POST", body="id=t")
    with pytest.raises(NotFoundError):
        await here.office.badges.tokens("acme", stranger)
    with pytest.raises(NotFoundError):
        await here.office.badges.delete_token("acme", "t", stranger)
    with pytest.raises(NotFoundError):
        await here.office.badges.renew_key("acme", stranger)
