"""Which region is a device's home."""

from __future__ import annotations

import pytest

from provd.domain.regions.home import Home
from provd.domain.regions.rules import By, Chosen, Rule, chosen

HOME = Home(
    device_id="acme/s2/S1",
    sn="S1",
    vin="WVW" + "0" * 14,
    tenant="blue",
    country="DE",
    attributes={"mac": "80:5E:C0:11:22:33", "line": "Alpha"},
)


@pytest.mark.parametrize(
    ("rule", "fits"),
    [
        (Rule(by=By.SERIAL, value="acme/", region="eu"), True),
        (Rule(by=By.SERIAL, value="s1", region="eu"), True),
        (Rule(by=By.SERIAL, value="wvw", region="eu"), True),
        (Rule(by=By.SERIAL, value="1", region="eu"), False),
        (Rule(by=By.MAC, value="805ec0", region="eu"), True),
        (Rule(by=By.MAC, value="80-5e-c0-11", region="eu"), True),
        (Rule(by=By.MAC, value="001122", region="eu"), False),
        (Rule(by=By.COUNTRY, value="de", region="eu"), True),
        (Rule(by=By.TENANT, value="BLUE", region="eu"), True),
        (Rule(by=By.ATTRIBUTE, name="line", value="alpha", region="eu"), True),
        (Rule(by=By.ATTRIBUTE, name="colour", value="alpha", region="eu"), False),
        (Rule(by=By.ALL, region="eu"), True),
        (Rule(by=By.ALL, region="nowhere"), False),
    ],
)
def test_a_rule(rule: Rule, *, fits: bool) -> None:
    assert chosen([rule], HOME, "", ["eu"]) == Chosen("eu" if fits else "")


def test_the_first_that_has_an_answer_counts() -> None:
    last = Rule(by=By.ALL, region="us")
    table = Rule(by=By.TABLE)
    assert chosen([table, last], HOME, "eu", ["eu", "us"]).region == "eu"
    assert chosen([table, last], HOME, "", ["eu", "us"]).region == "us"
    assert chosen([table, last], HOME, "closed", ["eu", "us"]).region == "us"
    server = Rule(by=By.WEBHOOK, value="https://homes")
    assert chosen([table, server, last], HOME, "", ["us"]) == Chosen(webhook="https://homes", rest=(last,))
