"""What changes around a phone: site and tenant settings, tokens, other DHCP servers, tenants switched off."""

from __future__ import annotations

import pytest

from provd.base.facts.files import FileRefused, FileUnknown
from provd.domain.records import DeviceState
from provd.plugin.phone import Phone
from tests.e2e.test_life import DAY, MINUTE, comes_back, language, left_behind, north
from tests.e2e.world import BASE, SERVER, House, model

VENDORS = [("cisco_spa", "SPA504G"), ("cisco_spa", "SPA525G2"), ("yealink", "T48G"), ("yealink", "W52P")]
each_vendor = pytest.mark.parametrize(("plugin", "name"), VENDORS)


def own_file(phone: Phone) -> str:
    return f"/{phone.mac}.cfg"


@each_vendor
def test_what_the_site_says_does_not_undo_what_the_tenant_says(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        comes_back(house, plugged, MINUTE)
        spanish = language(phone)
        site = {"locale.language": "de", "ntp.server": "ntp.site.example", "resync.unclaimed_minutes": 7}
        house.admin("profile.add", id="site", level="site", settings=site)
        for _ in range(3):
            comes_back(house, plugged, DAY)
        assert language(phone) == spanish
        assert left_behind(phone, ("ntp.north.example",))
        assert not left_behind(phone, ("ntp.site.example",))


@each_vendor
def test_the_site_decides_for_phones_that_nobody_has_claimed(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        house.admin("profile.add", id="site", level="site", settings={"dialing.text": "Ring *77 & wait"})
        comes_back(house, plugged, MINUTE)
        assert phone.accounts[0].display_name == "Ring *77 & wait"
        house.admin("profile.set", id="site", settings={"resync.unclaimed_minutes": 5})
        comes_back(house, plugged, MINUTE)
        comes_back(house, plugged, 5 * MINUTE)


@each_vendor
def test_a_tenant_that_is_switched_off_leaves_no_account_on_its_phones(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        comes_back(house, plugged, MINUTE)
        house.admin("tenant.set", id="north", enabled=False)
        comes_back(house, plugged, DAY)
        assert phone.accounts == ()
        assert not left_behind(phone, ("north-user-1", "north&secret", "pbx.north"))
        house.admin("tenant.set", id="north", enabled=True)
        comes_back(house, plugged, DAY)
        assert [account.username for account in phone.accounts] == ["north-user-1"]


@each_vendor
def test_a_line_less_and_a_line_more(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        house.admin("device.assign", mac=phone.mac, line=["n1", "n2"])
        comes_back(house, plugged, MINUTE)
        house.admin("device.unassign", mac=phone.mac, line=["n1"])
        comes_back(house, plugged, DAY)
        # On a phone the lines that are left move up; on a base or an adapter each stays on its port.
        place = 2 if model(plugin, name).ports else 1
        assert [(account.line, account.username) for account in phone.accounts] == [(place, "north-user-2")]
        assert not left_behind(phone, ("north-user-1", "north&secret", "pbx2.north", "*977"))
        house.admin("line.set", id="n2", password="changed-2", backup_server="later.example")
        comes_back(house, plugged, DAY)
        assert (phone.accounts[0].password, phone.accounts[0].backup_server) == ("changed-2", "later.example")
        house.admin("line.delete", id="n2")
        comes_back(house, plugged, DAY)
        assert [account.username for account in phone.accounts] == [f"ap{phone.mac}"]
        assert not left_behind(phone, ("north-user-2", "changed-2", "later.example"))


@each_vendor
def test_a_power_cut_changes_nothing(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        plugged = house.boots(phone)
        north(house)
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        comes_back(house, plugged, MINUTE)
        kept, ip = dict(phone.settings), house.lan.ips[phone.mac]
        plugged.pull()
        house.boots(phone)
        assert phone.settings == kept
        assert house.lan.ips[phone.mac] == ip
        assert house.device(phone.mac).state is DeviceState.PROVISIONED


@each_vendor
def test_bound_means_the_holder_of_our_lease(plugin: str, name: str) -> None:
    with House() as house:
        victim, thief = house.phone(plugin, name), house.phone(plugin, name)
        house.boots(victim)
        house.boots(thief)
        asked = own_file(victim)
        assert house.ask(asked, peer=house.lan.ips[victim.mac]).found
        house.facts.clear()
        for via in ("http", "tftp"):
            assert not house.ask(asked, peer=house.lan.ips[thief.mac], via=via).found
            assert not house.ask(asked, via=via).found
        refused = [fact.reason for fact in house.facts if isinstance(fact, FileRefused)]
        assert (
            refused
            == [
                "the address is leased to another device",
                "the address has no lease of ours and there is no valid token",
            ]
            * 2
        )


@each_vendor
def test_with_tokens_the_url_is_the_key(plugin: str, name: str) -> None:
    with House("token") as house:
        phone, thief = house.phone(plugin, name), house.phone(plugin, name)
        plugged = house.boots(phone)
        house.boots(thief)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert house.lan.complaints == []
        token = house.boot.station.token(phone.mac, house.device(phone.mac))
        own = [url for mac, url, _ in house.replies if mac == phone.mac]
        assert all(f"/{token}/" in url for url in own), own
        # A lease proves nothing here, nor does another device's token.
        other = house.boot.station.token(thief.mac, house.device(thief.mac))
        assert not house.ask(own_file(phone), peer=house.lan.ips[phone.mac]).found
        assert not house.ask(f"/{other}{own_file(phone)}", peer=house.lan.ips[thief.mac]).found
        assert house.ask(f"/{token}{own_file(phone)}").found
        north(house)
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        comes_back(house, plugged, MINUTE)
        assert phone.accounts[0].username == "north-user-1"
        # A new token: the old URL is dead, DHCP tells the new one at the next boot.
        house.admin("device.transfer", mac=phone.mac, tenant="master", new_token=True)
        assert not house.ask(f"/{token}{own_file(phone)}").found
        plugged.pull()
        house.boots(phone)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert not left_behind(phone, (token, "north"))


@each_vendor
def test_open_is_open(plugin: str, name: str) -> None:
    """A site with a DHCP server of its own, on a network that it trusts."""
    foreign = f"{BASE}/spa$PSN.cfg" if plugin == "cisco_spa" else BASE
    with House("open", option66=foreign) as house:
        phone = house.phone(plugin, name)
        house.boots(phone)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert house.ask(own_file(phone), user_agent=phone.user_agent).found
        assert house.lan.complaints == []


@each_vendor
def test_a_refused_file_looks_like_one_that_is_not_there(plugin: str, name: str) -> None:
    with House() as house:
        phone = house.phone(plugin, name)
        house.boots(phone)
        refused = house.ask(own_file(phone))
        assert refused == house.ask("/0002fd999999.cfg") == house.ask("/nothing.txt")
        assert not bytes(refused.body)
        assert [type(fact) for fact in house.facts[-3:]] == [FileRefused, FileUnknown, FileUnknown]


def test_a_device_that_was_announced_boots_straight_to_its_line() -> None:
    with House() as house:
        north(house)
        phone = house.phone("yealink", "T27P")
        house.admin("device.add", mac=phone.mac, vendor="Yealink", model="T27P")
        house.admin("device.assign", mac=phone.mac, line=["n1"])
        house.boots(phone)
        assert phone.accounts[0].username == "north-user-1"
        assert phone.accounts[0].server != SERVER
        assert house.device(phone.mac).state is DeviceState.PROVISIONED
