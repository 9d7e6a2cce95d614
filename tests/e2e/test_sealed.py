"""Encrypted files: the key goes to a phone once, in the clear, and from then on nothing else does."""

from __future__ import annotations

import random

import pytest

from provd.plugin.phone import Handset, Phone
from tests.e2e.world import House, model

KEY = "0123456789abcdef"
OTHER = "fedcba9876543210"
CASES = [
    ("cisco_spa", "SPA504G", ""),
    ("cisco_mpp", "7841", ""),
    ("yealink", "T27P", ""),
    ("yealink", "T21P", "34.72.0.75"),
    ("yealink", "W52P", ""),
    ("grandstream", "GXP1760", ""),
    ("grandstream", "HT802", ""),
    ("grandstream", "DP750", ""),
]
SECRET = "a-secret-of-the-line"


@pytest.fixture(params=CASES, ids=lambda case: case[1])
def home(request: pytest.FixtureRequest):
    """A house with a claimed phone that has its account, and the box it is plugged into."""
    plugin, name, version = request.param
    with House() as house:
        phone = house.phone(plugin, name, version=version)
        plugged = house.boots(phone)
        house.admin("tenant.add", id="acme")
        house.admin("line.add", id="1", tenant="acme", username="ann", password=SECRET, server="pbx.example")
        house.admin("device.assign", mac=phone.mac, line=["1"])
        settles(plugged)
        assert phone.accounts[0].username == "ann"
        yield house, phone, plugged


def settles(plugged) -> None:
    for _ in range(3):
        plugged.live()


def files_of(house: House, phone: Phone) -> list[bytes]:
    """What the phone was given since the last time, without the common files."""
    given = [bytes(reply.body) for mac, _, reply in house.replies if mac == phone.mac and reply.kind == "device"]
    house.replies.clear()
    return given


def in_the_clear(house: House, phone: Phone, text: str) -> bool:
    return any(text.encode() in body for body in files_of(house, phone))


def change(house: House, phone: Phone, plugged, **settings: str) -> None:
    house.replies.clear()
    house.admin("tenant.set", id="acme", settings=settings.pop("tenant", {}), **settings)
    settles(plugged)


def test_a_phone_is_given_the_key_once_and_goes_on_with_encrypted_files(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    first, *rest = files_of(house, phone)
    assert KEY.encode() in first
    assert rest
    assert not any(KEY.encode() in body or SECRET.encode() in body for body in rest)
    assert house.device(phone.mac).sealed
    assert phone.accounts[0].password == SECRET
    assert house.lan.complaints == []
    house.admin("line.set", id="1", display_name="Ann Other")
    settles(plugged)
    assert phone.accounts[0].display_name == "Ann Other"
    assert not in_the_clear(house, phone, SECRET)


def test_another_key_is_given_in_the_clear_again(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    change(house, phone, plugged, tenant={"files.key": OTHER})
    first, *rest = files_of(house, phone)
    assert OTHER.encode() in first
    assert not any(OTHER.encode() in body for body in rest)
    assert phone.accounts[0].password == SECRET
    assert house.lan.complaints == []


def test_without_the_key_everything_is_in_the_clear_again(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    change(house, phone, plugged, unset=["files.key"])
    assert in_the_clear(house, phone, SECRET)
    assert KEY not in "".join(phone.settings.values())
    assert house.lan.complaints == []


def test_a_reset_phone_that_has_lost_its_key_comes_back(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    plugged.pull()
    about = house.device(phone.mac)
    made = model(about.plugin, about.model)
    fresh = type(phone)(made, Handset(phone.mac, version=about.version), random.Random(1))
    box = house.boots(fresh)
    assert fresh.accounts == ()
    assert house.lan.complaints
    house.admin("device.reset", mac=phone.mac)
    assert house.device(phone.mac).sealed == ""
    settles(box)
    house.admin("device.assign", mac=phone.mac, line=["1"])
    settles(box)
    assert fresh.accounts[0].password == SECRET


def test_an_encrypted_file_is_for_nobody_who_would_not_be_given_the_clear_one(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    for name in (f"/{phone.mac}.cfg", f"/{phone.mac}.enc"):
        assert not house.ask(name, peer="192.0.2.7").found


def test_the_device_s_page_shows_the_file_to_people_as_it_is_inside(home):
    house, phone, plugged = home
    change(house, phone, plugged, tenant={"files.key": KEY})
    names = [item["name"] for item in house.admin("device.files", mac=phone.mac)["items"] if item["kind"] == "device"]
    texts = [house.admin("device.render", mac=phone.mac, name=name)["text"] for name in names]
    assert any("pbx.example" in text for text in texts)
    assert KEY not in "".join(texts)
    assert SECRET not in "".join(texts)


def test_a_model_that_cannot_be_given_the_key_goes_on_in_the_clear():
    with House() as house:
        phone = house.phone("grandstream", "GRP2614")
        plugged = house.boots(phone)
        house.admin("tenant.add", id="acme")
        house.admin("line.add", id="1", tenant="acme", username="ann", password=SECRET, server="pbx.example")
        house.admin("device.assign", mac=phone.mac, line=["1"])
        change(house, phone, plugged, tenant={"files.key": KEY})
        assert in_the_clear(house, phone, SECRET)
        assert not house.device(phone.mac).sealed
        assert phone.accounts[0].password == SECRET
        said = {item["setting"]: item["reason"] for item in house.admin("device.check", mac=phone.mac)["items"]}
        assert "no name for it" in said["files.key"]


def test_no_key_no_encrypted_file(home):
    house, phone, _ = home
    assert not house.ask(f"/{phone.mac}.enc", peer="10.20.16.0").found
    names = [item["name"] for item in house.admin("device.files", mac=phone.mac)["items"]]
    assert f"{phone.mac}.enc" not in names


def test_firmware_that_knows_no_such_encryption_keeps_its_clear_files():
    with House() as house:
        phone = house.phone("cisco_mpp", "7841", version="11.0.1")
        plugged = house.boots(phone)
        house.admin("tenant.add", id="acme", settings={"files.key": KEY})
        house.admin("line.add", id="1", tenant="acme", username="ann", password=SECRET, server="pbx.example")
        house.admin("device.assign", mac=phone.mac, line=["1"])
        settles(plugged)
        assert phone.accounts[0].password == SECRET
        assert KEY not in "".join(phone.settings.values())
        house.admin("line.set", id="1", display_name="Ann Other")
        settles(plugged)
        assert phone.accounts[0].display_name == "Ann Other"
        assert house.lan.complaints == []


def test_what_a_multiplatform_phone_is_given_is_a_coded_answer():
    with House() as house:
        phone = house.phone("cisco_mpp", "8851")
        plugged = house.boots(phone)
        house.admin("tenant.add", id="acme", settings={"files.key": KEY})
        house.admin("line.add", id="1", tenant="acme", username="ann", password=SECRET, server="pbx.example")
        house.admin("device.assign", mac=phone.mac, line=["1"])
        house.replies.clear()
        settles(plugged)
        coded = [reply for mac, url, reply in house.replies if mac == phone.mac and url.endswith(".enc")]
        assert {reply.coding for reply in coded} == {"aes128gcm"}
        assert not any(SECRET.encode() in bytes(reply.body) for reply in coded)
        assert phone.accounts[0].password == SECRET
        assert house.lan.complaints == []
