"""Where secrets may stand: in the file of the phone they are for, and nowhere else."""

from __future__ import annotations

import json

import pytest

from provd.app.files import FileReply
from provd.base.errors import ProvdError
from provd.domain.delivery import Policy
from tests.conformance.vendors import VENDORS
from tests.e2e.test_life import MINUTE, comes_back
from tests.e2e.world import PLUGINS, House, manifest

PHONES = [("cisco_spa", "SPA504G"), ("cisco_spa", "SPA525G2"), ("yealink", "T48G"), ("yealink", "W52P")]
CANARIES = ("canary-line", "canary-admin", "canary-user", "canary-site", "canary-device")
VERSION_LINE = b"#!version:1.0.0.1\n"


def seeded(policy: Policy) -> House:
    """A house in which every secret there can be has a name that is easily found."""
    house = House(policy)
    house.admin("profile.add", id="site", level="site", settings={"admin.password": "canary-site"})
    settings = {"admin.password": "canary-admin", "user.password": "canary-user"}
    house.admin("tenant.add", id="north", settings=settings)
    return house


def lived(house: House) -> list[str]:
    """Phones of both vendors, unclaimed and then claimed; gives every secret that was made."""
    secrets = list(CANARIES)
    for number, (plugin, name) in enumerate(PHONES):
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        secrets.append(phone.accounts[0].password)
        line = f"n{number}"
        house.admin("line.add", id=line, tenant="north", username=line, password=f"canary-line-{number}", server="s.x")
        house.admin("device.assign", mac=phone.mac, line=[line])
        house.admin("device.set", mac=phone.mac, settings={"user.password": "canary-device"})
        comes_back(house, plugged, MINUTE)
        assert phone.accounts[0].password == f"canary-line-{number}"
        secrets.append(house.boot.station.token(phone.mac, house.device(phone.mac)))
    return secrets


@pytest.mark.parametrize("policy", ["bound", "token", "open"])
def test_no_secret_leaves_by_another_way(policy: Policy) -> None:
    with seeded(policy) as house:
        secrets = lived(house)
        commons = [reply for _, _, reply in house.replies if reply.kind == "common"]
        assert commons
        tokens = secrets[len(CANARIES) + 1 :: 2]
        for reply in commons:
            body = bytes(reply.body).decode()
            # Where tokens are the policy, a phone that has proven itself is told its own, in a file for it alone.
            found = [secret for secret in secrets if secret in body and not (policy == "token" and secret in tokens)]
            assert found == []
            if any(token in body for token in tokens):
                assert reply.private
        told = house.told() + "".join(map(repr, house.facts))
        assert [secret for secret in secrets if secret in told] == []


def test_a_stranger_gets_a_common_file_without_anybodys_token() -> None:
    with seeded("token") as house:
        secrets = lived(house)
        for plugin, name in PHONES:
            found = manifest(plugin).model(name)
            assert found is not None
            reply = house.ask(f"/{found.common[0]}")
            assert reply.found
            assert [secret for secret in secrets if secret.encode() in bytes(reply.body)] == []


def test_answers_to_administrators_mask_secrets() -> None:
    with seeded("bound") as house:
        secrets = lived(house)
        shown: list[object] = [house.admin(f"{kind}.list") for kind in ("device", "tenant", "line", "profile")]
        for mac in list(house.fleet.tables.devices):
            shown += [house.admin(f"device.{what}", mac=mac) for what in ("show", "settings", "render")]
        shown.append(house.admin("device.export"))
        text = json.dumps(shown)
        assert [secret for secret in secrets if secret in text] == []
        assert "***" in text


def test_errors_do_not_repeat_secrets() -> None:
    with seeded("bound") as house:
        wrong = {"admin.password": "canary-too-long" * 9, "user.password": "canary\nline"}
        with pytest.raises(ProvdError) as caught:
            house.admin("tenant.set", id="north", settings=wrong)
        assert "canary" not in str(caught.value)
        for path in ("/canary.cfg", "/0002fdcafe00.cfg", "/y999.cfg"):
            assert bytes(house.ask(path).body) == b""


@pytest.mark.parametrize(("plugin", "name"), PHONES)
def test_every_file_that_a_phone_got_can_be_read_and_has_known_names_only(plugin: str, name: str) -> None:
    known = set((PLUGINS / plugin / "names.txt").read_text(encoding="ascii").splitlines())
    with seeded("bound") as house:
        lived(house)
        mine = [reply for mac, _, reply in house.replies if house.device(mac).plugin == plugin]
        assert {reply.kind for reply in mine} == {"common", "device"}
        for reply in mine:
            assert {VENDORS[plugin].pattern(element) for element in names_in(plugin, reply)} <= known
            if plugin == "yealink":
                assert bytes(reply.body).startswith(VERSION_LINE)
            assert reply.content_type.startswith("text/xml" if plugin == "cisco_spa" else "text/plain")
            assert reply.private == (reply.kind == "device")


def names_in(plugin: str, reply: FileReply) -> set[str]:
    return {name for name, _ in VENDORS[plugin].parse(bytes(reply.body))}
