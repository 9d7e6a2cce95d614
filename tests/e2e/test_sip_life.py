"""From an unboxed phone to its user's own, by dialing a code on it: every promised model, in memory."""

from __future__ import annotations

import pytest

from provd.domain.records import DeviceState
from provd.simulate.memory import PluggedIn
from tests.e2e.telephony import SipHouse
from tests.e2e.test_life import MISSION, north
from tests.e2e.world import SERVER

PHONES = [(plugin, name) for plugin, names in MISSION.items() for name in names]


@pytest.mark.parametrize(("plugin", "name"), PHONES, ids=lambda value: value)
def test_a_code_is_dialed_and_the_phone_is_its_user_s(plugin: str, name: str) -> None:
    with SipHouse() as house:
        north(house)
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        assert plugged.telephony is not None
        assert plugged.telephony.registered
        assert "AUTOPROV-REGISTERED" in house.told()

        assert plugged.dial("*99999999") == "200 OK"
        assert house.exchange.played == ["wrong"]
        plugged.live(5)
        began = house.lan.now
        plugged.dial(house.code("n1"))
        assert house.exchange.played[-1] == "accepted"
        assert house.exchange.reports == ["accepted 200 OK"]

        plugged.live()
        assert house.lan.now - began < 59, "it was told, and did not wait for its next poll"
        [account] = phone.accounts
        assert (account.username, account.password) == ("north-user-1", "north&secret<1>")
        assert house.device(phone.mac).state is DeviceState.PROVISIONED
        assert house.device(phone.mac).tenant == "north"
        assert house.lan.complaints == []


def unboxed(house: SipHouse, plugin: str = "yealink", name: str = "T27P") -> PluggedIn:
    north(house)
    return house.boots(house.phone(plugin, name))


def test_a_registration_is_refreshed_for_as_long_as_the_phone_is_on() -> None:
    with SipHouse() as house:
        plugged = unboxed(house)
        plugged.live(7 * 3600, most_steps=10_000)
        assert plugged.telephony is not None
        assert plugged.telephony.registered
        assert house.exchange.endpoint.registrations == 1
        plugged.pull()
        assert house.exchange.endpoint.registrations == 0, "it says good-bye"


def test_a_phone_that_challenges_its_server_is_convinced() -> None:
    with SipHouse() as house:
        plugged = unboxed(house, "cisco_spa", "SPA504G")
        plugged.phone.settings["Auth_Resync-Reboot_1_"] = "Yes"
        plugged.dial(house.code("n1"))
        assert house.exchange.reports == ["accepted 200 OK"]
        plugged.live()
        assert plugged.phone.accounts[0].username == "north-user-1"


@pytest.mark.parametrize(
    ("change", "report"),
    [({"sip.notify_reboot_enable": "2"}, "accepted 200 OK"), ({"sip.trust_ctrl": "1"}, "accepted 200 OK")],
)
def test_a_phone_that_ignores_what_it_is_told_comes_with_its_next_poll(change: dict[str, str], report: str) -> None:
    with SipHouse() as house:
        plugged = unboxed(house)
        plugged.phone.settings.update(change)
        plugged.dial(house.code("n1"))
        assert house.exchange.reports == [report]
        plugged.live()
        assert plugged.phone.accounts[0].username == "north-user-1"


def test_two_phones_and_one_code() -> None:
    with SipHouse() as house:
        first = unboxed(house)
        second = house.boots(house.phone("cisco_spa", "SPA504G"))
        code = house.code("n1")
        first.dial(code)
        second.dial(code)
        assert house.exchange.played[-2:] == ["accepted", "spent"]
        second.live(120)
        assert second.phone.accounts[0].username == f"ap{second.phone.mac}"
        assert second.phone.accounts[0].server == SERVER


def test_guessing_ends_in_a_lock() -> None:
    with SipHouse() as house:
        plugged = unboxed(house)
        heard = []
        for number in range(12):
            plugged.dial(f"{number:08}")
            heard.append(house.exchange.played[-1])
            plugged.live(40)
        assert heard[0] == "wrong"
        assert heard[-1] == "locked"
