"""What a phone cannot do of what it is told is said, once and in words, and never found out by looking at its clock."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from provd.base.facts import Fact
from provd.base.facts.files import FileServed, SettingBeyondDevice
from provd.daemon.limit_watch import LimitWatch
from provd.plugin.phone import Phone
from tests.e2e.world import House


def house_in(zone: str) -> House:
    house = House("open")
    house.admin("tenant.add", id="acme", settings={"time.zone": zone})
    for name in ("1", "2"):
        house.admin("line.add", id=name, tenant="acme", password=f"secret-{name}", server="pbx.example")
    return house


def assigned(house: House, plugin: str, model: str, line: str = "1") -> Phone:
    """A phone of that model that has booted and become the tenant's, with that line."""
    phone = house.phone(plugin, model)
    house.boots(phone)
    house.admin("device.transfer", mac=phone.mac, tenant="acme")
    house.admin("device.assign", mac=phone.mac, line=[line])
    return phone


def test_a_change_that_the_phone_cannot_say_is_in_the_check_of_the_device():
    with house_in("America/Santiago") as house:
        phone = assigned(house, "yealink", "T21P_E2")
        found = house.admin("device.check", mac=phone.mac)
        assert [item["setting"] for item in found["items"]] == ["time.zone", "time.zone"]
        assert "starts 60 min early" in found["items"][0]["reason"]
        assert found["tzdata"][:2] == "20"
        house.admin("device.set", mac=phone.mac, settings={"time.zone": "Europe/Paris"})
        assert house.admin("device.check", mac=phone.mac)["items"] == []


@pytest.mark.parametrize(("plugin", "model"), [("yealink", "T23P"), ("cisco_spa", "SPA504G")])
def test_a_note_stands_once_in_the_check_and_beside_the_setting(plugin: str, model: str):
    """What the manifest says and what the template says, each in both places."""
    with house_in("Europe/Paris") as house:
        phone = assigned(house, plugin, model)
        keys = {"keys.2.type": "blf", "keys.2.value": "101", "keys.2.line": 3}
        house.admin("device.set", mac=phone.mac, settings={**keys, "sip.outbound_port": 5080})
        found = [(item["setting"], item["reason"]) for item in house.admin("device.check", mac=phone.mac)["items"]]
        assert sorted(found) == [
            ("keys.2.line", "no line 3 is on the phone"),
            ("sip.outbound_port", "does nothing without sip.outbound_proxy"),
        ]
        notes = [(item["name"], item["note"]) for item in house.admin("device.settings", mac=phone.mac)["items"]]
        assert [each for each in notes if each[1]] == sorted(found)


def test_a_second_that_an_spa_cannot_say_is_said():
    with house_in("Africa/Cairo") as house:
        phone = house.phone("cisco_spa", "SPA504G")
        house.boots(phone)
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        reasons = [item["reason"] for item in house.admin("device.check", mac=phone.mac)["items"]]
        assert any("Africa/Cairo: summer time ends 1 s early" in reason for reason in reasons), reasons


def test_what_no_spa_can_do_is_said_and_one_picture_is_all_it_has():
    with house_in("Europe/Paris") as house:
        phone = house.phone("cisco_spa", "SPA525G2")
        house.boots(phone)
        settings = {
            "call.auto_answer": "yes",
            "action.off_hook": "http://h/off",
            "audio.ringtone_url": "http://h/ring.wav",
            "sip.srtp": "required",
            "keys.2.type": "dtmf",
            "keys.2.value": "1",
            "display.logo_url": "http://h/logo.bmp",
            "display.wallpaper_url": "http://h/wall.bmp",
            "audio.codecs": "g722,g723",
        }
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        house.admin("device.set", mac=phone.mac, settings=settings)
        house.admin("device.assign", mac=phone.mac, line=["1"])
        said = {item["setting"]: item["reason"] for item in house.admin("device.check", mac=phone.mac)["items"]}
        assert said == {
            "call.auto_answer": "SPA525G2 answers pages by itself, but no calls",
            "action.off_hook": "SPA525G2 asks for no URL by itself",
            "audio.ringtone_url": "SPA525G2 loads ring tones from its own web page only",
            "sip.srtp": "line 1: voice is encrypted where the other side agrees; a call in the clear is not refused",
            "keys.2.type": "SPA525G2 does not know dtmf",
            "display.wallpaper_url": "one picture is loaded, for both: the logo",
            "audio.codecs": "line 1: the phone has no g723",
        }


@pytest.mark.parametrize(
    ("plugin", "name", "expected"),
    [
        (
            "yealink",
            "T27P",
            {
                "locale.language": "T27P has no sv: its display is English",
                "locale.country": "no list of Yealink's names the tones of ZA: they are those from the factory",
                "audio.ringtone": "line 1: the phone brings eight of them: Ring9.wav has to be one that was loaded",
                "keys.1.type": "nothing says which code a key for group pickup dials",
                "keys.2.line": "T27P has only 6 lines",
                "modules.6.keys.21.type": "the EXP20 takes the keys 1 to 20 and 22 to 40",
                "modules.6.keys.22.type": "nothing says which code a key for park dials",
            },
        ),
        ("yealink", "W52P", {"locale.language": "W52P has no sv: its handsets are English"}),
        (
            "cisco_spa",
            "SPA504G",
            {
                "locale.language": "SPA504G has no dictionary for sv: its display is English",
                "locale.country": "nothing is known of the tones of ZA: they are those of the United States",
            },
        ),
    ],
)
def test_words_and_keys_that_a_phone_does_not_have_are_said(plugin: str, name: str, expected: dict[str, str]) -> None:
    with house_in("Europe/Paris") as house:
        phone = house.phone(plugin, name)
        house.boots(phone)
        settings = {
            "locale.language": "sv",
            "locale.country": "ZA",
            "audio.ringtone": 9,
            "keys.1.type": "group_pickup",
            "keys.2.type": "blf",
            "keys.2.value": "102",
            "keys.2.line": 7,
            "modules.6.keys.21.type": "blf",
            "modules.6.keys.21.value": "121",
            "modules.6.keys.22.type": "park",
        }
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        house.admin("device.set", mac=phone.mac, settings=settings)
        house.admin("device.assign", mac=phone.mac, line=["1"])
        said = {item["setting"]: item["reason"] for item in house.admin("device.check", mac=phone.mac)["items"]}
        assert said.items() >= expected.items()


def test_the_key_that_turns_the_page_is_left_alone():
    with house_in("Europe/Paris") as house:
        phone = house.phone("yealink", "T27P", version="45.83.0.35")
        plugged = house.boots(phone)
        keys = {"modules.1.keys.20": "120", "modules.1.keys.21": "121", "modules.1.keys.22": "122"}
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        for key, value in keys.items():
            house.admin("device.set", mac=phone.mac, settings={f"{key}.type": "blf", f"{key}.value": value})
        house.admin("device.assign", mac=phone.mac, line=["1"])
        for _ in range(2):
            plugged.live()
        assert phone.keys == ["1: 1 [line 1]", "1.20:  [blf 120 on line 1]", "1.22:  [blf 122 on line 1]"]


def test_rules_that_are_about_to_change_are_said_of_any_phone():
    with house_in("America/Havana") as house:
        house.clock.run_until(datetime(2026, 11, 26, tzinfo=UTC).timestamp())
        phone = house.phone("cisco_spa", "SPA502G")
        house.boots(phone)
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        (item,) = house.admin("device.check", mac=phone.mac)["items"]
        assert item["setting"] == "time.zone"
        assert "America/Havana: the clock will be 60 min slow from 2026-11-26 to 2027-03-14" in item["reason"]


def test_a_fact_tells_it_once_for_phones_of_a_kind():
    with house_in("America/Santiago") as house:
        phones = [assigned(house, "yealink", "T21P_E2", line) for line in ("1", "2")]
        watch = LimitWatch(house.boot, house.clock, house.facts.append)
        for phone in phones:
            house.loop.run_until_complete(watch.look(house.device(phone.mac)))
        told = [fact for fact in house.facts if isinstance(fact, SettingBeyondDevice)]
        assert [(fact.mac, fact.model, fact.setting) for fact in told] == [
            (phones[0].mac, "T21P_E2", "time.zone"),
            (phones[0].mac, "T21P_E2", "time.zone"),
        ]


def test_and_again_of_one_whose_line_says_something_for_itself():
    with house_in("Europe/Paris") as house:
        phones = [assigned(house, "cisco_spa", "SPA502G", line) for line in ("1", "2")]
        house.admin("line.set", id="2", settings={"sip.srtp": "required"})
        watch = LimitWatch(house.boot, house.clock, house.facts.append)
        for phone in phones:
            house.loop.run_until_complete(watch.look(house.device(phone.mac)))
        told = [(fact.mac, fact.setting) for fact in house.facts if isinstance(fact, SettingBeyondDevice)]
        assert told == [(phones[1].mac, "sip.srtp")]


def test_the_watch_reads_which_devices_were_given_a_file():
    with house_in("America/Santiago") as house:
        phone = house.phone("yealink", "T21P_E2")
        plugged = house.boots(phone)
        house.admin("device.transfer", mac=phone.mac, tenant="acme")
        plugged.live()
        told: list[Fact] = []
        heard = asyncio.Event()
        watch = LimitWatch(house.boot, house.clock, lambda fact: (told.append(fact), heard.set()))
        served = [fact for fact in house.facts if isinstance(fact, FileServed) and fact.kind == "device"]

        async def a_while() -> None:
            watch(served)
            task = house.loop.create_task(watch.run())
            await heard.wait()
            task.cancel()

        house.loop.run_until_complete(a_while())
        assert isinstance(told[0], SettingBeyondDevice)
