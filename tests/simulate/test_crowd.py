from __future__ import annotations

import pytest

from provd.base.errors import UsageError
from provd.plugin import Manifest, OuiRule
from provd.simulate.crowd import CrowdOptions, make_phones, read_codes, run
from provd.simulate.load import phone_class
from provd.simulate.session import PhoneEvent
from tests.kit.miniserver import MiniServer
from tests.kit.patience import PATIENCE
from tests.kit.phones import PLUGINS, SPA_MODELS, YEALINK_MODELS

SPA = Manifest(
    id="cisco_spa",
    version="1.0.0",
    contract=1,
    vendor="Cisco",
    license="Apache-2.0",
    description="",
    models=SPA_MODELS,
    ouis=(OuiRule(("002699",)),),
)
YEALINK = Manifest(
    id="yealink",
    version="1.0.0",
    contract=1,
    vendor="Yealink",
    license="Apache-2.0",
    description="",
    models=YEALINK_MODELS,
    ouis=(OuiRule(("805ec0",)),),
)
MANIFESTS = (SPA, YEALINK)
CLASSES = {plugin: made for plugin in ("cisco_spa", "yealink") if (made := phone_class(PLUGINS / plugin))}


def account(user: str, server: str = "10.0.0.1") -> bytes:
    values = {"enable": 1, "user_name": user, "sip_server.1.address": server, "sip_server_host": server}
    lines = "".join(f"account.1.{name} = {value}\n" for name, value in values.items())
    repeat = "static.auto_provision.repeat.enable = 1\nstatic.auto_provision.repeat.minutes = 1\n"
    return f"#!version:1.0.0.1\n{lines}{repeat}".encode()


def options(server: MiniServer, **more) -> CrowdOptions:
    relayed = {"relay": "127.20.0.1", "server": server.ip, "server_port": server.dhcp_port, "tick": 0.001}
    return CrowdOptions(**{"vendor": "yealink", "timeout": PATIENCE, **relayed, **more})


async def test_a_crowd_gets_addresses_files_and_accounts():
    async with MiniServer() as server:
        crowd = options(server, count=20, spread=0.2)
        for phone in make_phones(crowd, MANIFESTS, CLASSES):
            server.files[f"{phone.mac}.cfg"] = account(f"ap{phone.mac}")
        events: list[PhoneEvent] = []
        report = await run(crowd, MANIFESTS, CLASSES, events.append)
    assert report.ok
    assert (report.phones, report.addresses.count, report.files.count, report.accounts.count) == (20, 20, 20, 20)
    assert report.claimed.count == 0
    assert report.complaints == ()
    assert report.lines()[0].startswith("20 phones in ")
    assert len({event.mac for event in events}) == 20
    # Each phone used the address it was given.
    assert {peer for _, peer, _ in server.asked} == {f"127.20.16.{n}" for n in range(1, 21)}
    assert set(server.classes.values()) == {"yealink"}


async def test_a_crowd_that_waits_for_its_users_accounts():
    async with MiniServer() as server:
        crowd = options(server, count=2, model="T27P", claimed=True)
        macs = [phone.mac for phone in make_phones(crowd, MANIFESTS, CLASSES)]
        for mac in macs:
            server.files[f"{mac}.cfg"] = account(f"ap{mac}")

        def claim(event: PhoneEvent) -> None:
            if event.kind == "settled":
                server.files[f"{event.mac}.cfg"] = account(f"20{macs.index(event.mac)}")

        report = await run(crowd, MANIFESTS, CLASSES, claim)
    assert report.ok
    assert report.claimed.count == 2


async def test_spa_phones_over_tftp_with_their_leading_slash():
    async with MiniServer(option66="{tftp}/spa$PSN.cfg") as server:
        crowd = options(server, vendor="Cisco", model="SPA504G", blksize=100)
        profile = (
            "<flat-profile><User_ID_1_>200</User_ID_1_><Proxy_1_>h</Proxy_1_>" + "<A>1</A>" * 50 + "</flat-profile>"
        )
        server.files["spa504G.cfg"] = profile.encode()
        report = await run(crowd, MANIFESTS, CLASSES)
    assert report.ok
    assert server.asked[0] == ("tftp", "127.20.16.1", "/spa504G.cfg")


async def test_time_runs_out():
    async with MiniServer() as server:
        timeout, report = 0.3, None
        while report is None or report.missing < 2:  # a busy machine needs longer for as much as that
            report, timeout = await run(options(server, timeout=timeout), MANIFESTS, CLASSES), timeout * 3
    assert not report.ok
    assert report.addresses.count == 1
    assert report.accounts.count == 0
    assert report.missing == 2
    assert "NOT all done" in report.lines()[0]
    assert report.as_dict()["phones"] == 1


async def test_complaints_are_counted_over_all_phones():
    async with MiniServer() as server:
        for phone in make_phones(options(server, count=3), MANIFESTS, CLASSES):
            server.files[f"{phone.mac}.cfg"] = b"account.1.enable = 1\n"
        timeout, count = 0.5, 0
        while count < 3:  # a busy machine needs longer for all of them
            report = await run(options(server, count=3, timeout=timeout), MANIFESTS, CLASSES)
            [(text, count)] = report.complaints or [("", 0)]
            timeout *= 3
    assert (text, count) == ("<mac>.cfg: refused: the first line is not #!version:1.0.0.1 from octet 0", 3)


async def test_an_address_that_is_not_ours_is_told():
    async with MiniServer(pool="192.0.2.1") as server:
        crowd = options(server)
        for phone in make_phones(crowd, MANIFESTS, CLASSES):
            server.files[f"{phone.mac}.cfg"] = account("200")
        report = await run(crowd, MANIFESTS, CLASSES)
    assert report.ok
    assert "not local" in report.notes[0]


def test_the_same_seed_makes_the_same_phones():
    some = CrowdOptions(vendor="Cisco", count=7)
    macs = [phone.mac for phone in make_phones(some, MANIFESTS, CLASSES)]
    assert macs == [phone.mac for phone in make_phones(some, MANIFESTS, CLASSES)]
    assert len(set(macs)) == 7
    assert all(mac.startswith("002699") for mac in macs)
    others = make_phones(CrowdOptions(vendor="Cisco", count=7, seed=2), MANIFESTS, CLASSES)
    assert macs != [phone.mac for phone in others]


@pytest.mark.parametrize(
    ("some", "says"),
    [
        ({"vendor": "acme"}, "nobody can play a phone of 'acme'; known: Cisco, Yealink"),
        ({"vendor": "cisco", "model": "T27P"}, "cisco has no model 'T27P' that can be played"),
        ({"vendor": "cisco"}, "name either an interface or a relay address"),
        ({"vendor": "cisco", "interface": "eth0", "relay": "127.0.0.1"}, "name either"),
        ({"vendor": "cisco", "relay": "127.0.0.1"}, "a relay needs the address of the server"),
    ],
)
async def test_what_cannot_be_played_is_said(some, says):
    with pytest.raises(UsageError, match=says):
        await run(CrowdOptions(**some), MANIFESTS, CLASSES)


def test_a_file_of_codes_is_a_line_for_each_phone():
    assert read_codes("# who dials what\n9999 1234\n\n*77#\n") == (("9999", "1234"), (), ("*77#",))


async def test_the_keys_of_the_phones_can_be_looked_at():
    async with MiniServer() as server:
        crowd = options(server, model="T27P", count=2, show_screen=True)
        first, second = (phone.mac for phone in make_phones(crowd, MANIFESTS, CLASSES))
        keys = b"linekey.1.type = 15\nlinekey.1.line = 1\nlinekey.1.label = Anna\n"
        server.files[f"{first}.cfg"] = account("one") + keys
        server.files[f"{second}.cfg"] = account("two")
        report = await run(crowd, MANIFESTS, CLASSES, lambda _event: None)
    shown = [note.split("  ")[1] for note in report.notes]
    assert shown == ["1: Anna [line 1]", "no keys"]
