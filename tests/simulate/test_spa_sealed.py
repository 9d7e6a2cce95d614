"""The SPA phone with encrypted profiles, and what stands on its keys and on its display."""

from __future__ import annotations

import base64
from datetime import UTC, datetime

import pytest

from tests.simulate.test_spa_phone import BASE, lan, profile, spa

PHRASE = "SecretPhrase1234"
SALTED = base64.b64decode(
    "U2FsdGVkX18BAgMEBQYHCInM/PAh9DDUzYkUV2aUJPuoffSPjVDYnP9wZK2KRxdUnMudez3N+RIdnLnUm3SVW4Wc9AITa1wtlOrp199CUIs="
)
GZIPPED_AND_SALTED = base64.b64decode(
    "U2FsdGVkX18BAgMEBQYHCGVV/LWW4MrmWEiioMl/azGahWMfne+PVtoYOIlFKUp84vI6ffgXLZHcAQbf6eH0csCuKlcIQl/KCcobyN8agkY="
)
"""``<GPP_A>12345678</GPP_A>`` as OpenSSL encrypts it, alone and packed before."""


@pytest.mark.parametrize("body", [SALTED, GZIPPED_AND_SALTED], ids=["alone", "packed"])
def test_an_encrypted_profile_is_read_with_the_key_of_its_rule(body):
    phone = spa()
    phone.settings |= {"Profile_Rule": f'[--key "$SA"] {BASE}/own.enc', "GPP_SA": PHRASE}
    net = lan({"own.enc": body})
    net.boot(phone)
    assert net.complaints == []
    assert phone.settings["GPP_A"] == "12345678"


@pytest.mark.parametrize(
    ("rule", "body", "says"),
    [
        ("$SA", SALTED, "the key in the rule is not that of the profile"),
        ("", SALTED, "the profile is encrypted, and the rule has no key"),
        (PHRASE, SALTED[:40], "it is cut short"),
        (PHRASE, SALTED[:32] + SALTED[48:], "is not UTF-8"),
    ],
)
def test_a_profile_that_the_key_does_not_open_is_a_failed_resync(rule, body, says):
    phone = spa()
    phone.settings |= {"Profile_Rule": f'[--key "{rule}"] {BASE}/own.enc' if rule else f"{BASE}/own.enc"}
    phone.settings["GPP_SA"] = "another"
    net = lan({"own.enc": body})
    net.boot(phone)
    assert any(says in complaint for complaint in net.complaints)
    assert "GPP_A" not in phone.settings


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ("<Extended_Function_2_>fnc=jump;ext=1</Extended_Function_2_>", "is no function"),
        ("<Extended_Function_2_>fnc=sd+blf;nme=x</Extended_Function_2_>", "without anybody to watch"),
        ("<Unit_1_Key_3>fnc=sd;nme=x</Unit_1_Key_3>", "without a number"),
        ("<Unit_1_Key_3>fnc=sd;ext=1@$PROXY;nme=a=b</Unit_1_Key_3>", "is not a row of name=value"),
    ],
)
def test_key_functions_that_make_no_sense_are_complained_about(element, says):
    phone = spa()
    net = lan({"spa504G.cfg": profile(element)})
    net.boot(phone)
    assert any(says in complaint for complaint in net.complaints)


def test_keys_from_the_factory_show_the_first_line():
    phone = spa()
    lan({"spa504G.cfg": profile("<User_ID_1_>200</User_ID_1_>")}).boot(phone)
    assert phone.keys == ["1: 200 [line 1]"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"Time_Zone": "GMT+00:00"}, "is not in the list"),
        ({"Time_Offset__HH_mm_": "0:30"}, "Time_Offset"),
        ({"Daylight_Saving_Time_Rule": "start=3/-1/7/2:0:0;end=10/26/5/0:0:0;save=1"}, "leads out of its month"),
        (
            {"Daylight_Saving_Time_Rule": "start=3/-1/7/24:0:0;end=10/-1/7/3:0:0;save=1"},
            "Daylight_Saving_Time_Rule: .3/-1/7/24",
        ),
        ({"Daylight_Saving_Time_Rule": "last Sunday"}, "Daylight_Saving_Time_Rule"),
    ],
)
def test_a_clock_that_cannot_be_set_so_says_it(settings, says):
    phone = spa()
    phone.settings |= settings
    with pytest.raises(Exception, match=says):
        phone.clock(datetime(2030, 10, 31, 12, tzinfo=UTC))


def test_the_clock_from_the_factory_is_that_of_the_pacific():
    assert spa().clock(datetime(2030, 1, 1, 12, tzinfo=UTC)).hour == 4
