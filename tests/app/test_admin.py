"""The operations behind the command line."""

from __future__ import annotations

import json
import re

import pytest

from provd.app.admin import Admin, Caller
from provd.app.site import Site
from provd.base.errors import ConflictError, NotFoundError, PluginError, StorageError, UsageError
from provd.domain.records import MASTER_TENANT, AuditEntry, Device, DeviceState
from provd.domain.rulebook import Rulebook
from provd.plugin import Manifest
from tests.app.fakes import (
    OTHER,
    PHONE,
    BrokenJournal,
    MemoryJournal,
    World,
    claimed,
    context_of,
    lease,
    line,
    tenant,
)
from tests.app.packages.shelf import acme_shelf, shop_of

COLON = "02:aa:aa:00:00:01"


class FakeAddresses:
    def __init__(self) -> None:
        self.every = [lease(OTHER, "10.0.0.10"), lease(PHONE, "10.0.0.9")]
        self.reserved: list[str] = []

    def leases(self):
        return self.every

    async def release(self, ip):
        return ip == "10.0.0.9"

    def reserve(self, reservation):
        if reservation.ip == "10.0.0.10":
            raise ConflictError("10.0.0.10 is leased to somebody else")
        self.reserved.append(reservation.ip)

    def unreserve(self, reservation):
        self.reserved.remove(reservation.ip)


class Office:
    """A world with an administrator in it."""

    def __init__(
        self,
        *records: object,
        journal: type[MemoryJournal] = MemoryJournal,
        site: Site | None = None,
        rules: Rulebook | None = None,
    ):
        self.world = World(journal(*records), site=site or Site(), rules=rules or Rulebook())
        self.addresses = FakeAddresses()
        self.admin = Admin(
            fleet=self.world.fleet,
            boot=self.world.boot,
            clock=self.world.clock,
            emit=self.world.facts.append,
            zone=lambda name: {"name": name} if name == "Europe/Madrid" else None,
            addresses=self.addresses,
            tasks=self.world.tasks,
            shop=shop_of(self.world, acme_shelf()),
        )

    async def do(self, operation: str, /, **params: object):
        result = await self.admin.call(operation, params, Caller(name="ann"))
        json.dumps(result)  # plain values only
        return result

    def audit(self) -> list[tuple[str, str]]:
        told = [(fact.action, fact.object) for fact in self.world.facts if fact.ID == "ADMIN-CHANGED"]
        assert all(fact.by == "ann" for fact in self.world.facts if fact.ID == "ADMIN-CHANGED")
        self.world.facts.clear()
        return told

    def audit_by(self) -> set[str]:
        return {fact.by for fact in self.world.facts if fact.ID == "ADMIN-CHANGED"}


def furnished(**more: object) -> Office:
    return Office(tenant(), tenant("south"), line("n1"), line("n2"), line("n3"), line("s1", "south"), **more)


async def test_a_phone_is_added_assigned_and_served():
    office = furnished()
    added = await office.do("device.add", mac=COLON, model="a1g", description="Reception")
    assert (added["id"], added["mac"], added["vendor"], added["model"], added["plugin"]) == (
        PHONE,
        COLON,
        "Acme",
        "A1G",
        "acme",
    )
    assigned = await office.do("device.assign", mac="02AA.AA00.0001", line="n1")
    assert (assigned["tenant"], assigned["lines"], assigned["state"]) == ("north", ["n1"], "assigned")
    assert [fact.ID for fact in office.world.facts] == ["ADMIN-CHANGED", "ADMIN-CHANGED", "DEVICE-STATE"]
    assert office.audit() == [("device.add", PHONE), ("device.assign", PHONE)]
    office.world.leases.held["10.0.0.9"] = PHONE
    reply = await office.world.fetch(f"/{PHONE}.cfg")
    assert context_of(reply)["lines"][0]["password"] == "secret-n1"
    assert (await office.do("device.show", mac=PHONE))["state"] == "provisioned"


async def test_a_device_of_no_known_vendor_may_be_added_and_named_later():
    office = furnished()
    added = await office.do("device.add", mac="0c0000000001", description="from a label")
    assert (added["vendor"], added["state"]) == ("", "seen")
    named = await office.do("device.set", mac="0c0000000001", vendor="bolt")
    assert (named["vendor"], named["model"], named["state"]) == ("Bolt", "", "identified")
    assert (await office.do("device.set", mac="0c0000000001", model="b9"))["model"] == "B9"


async def test_moving_to_the_tenant_and_taking_the_line_is_one_submission():
    office = furnished()
    await office.do("device.add", mac=PHONE)
    writes = len(office.world.journal.batches)
    await office.do("device.assign", mac=PHONE, line=["n1", "n2"])
    assert len(office.world.journal.batches) == writes + 1
    assert office.world.journal.device(PHONE).lines == ("n1", "n2")
    entry = office.world.journal.batches[-1][-1].record
    assert entry == AuditEntry(
        at=office.world.clock.now(), by="ann", action="device.assign", kind="device", object=PHONE, tenant="north"
    )


async def test_a_secret_is_shown_only_when_that_is_in_the_audit():
    office = Office(tenant(), line("n1"), journal=BrokenJournal)
    with pytest.raises(StorageError):
        await office.do("line.show", id="n1", reveal=True)
    assert office.audit() == []


async def test_a_line_may_be_allowed_on_several_devices():
    office = furnished()
    for mac in (PHONE, OTHER):
        await office.do("device.add", mac=mac)
    assert (await office.do("line.set", id="n1", max_devices=2))["max_devices"] == 2
    await office.do("device.assign", mac=PHONE, line="n1")
    assert "n1" in [line["id"] for line in (await office.do("line.list", free=True))["items"]]
    await office.do("device.assign", mac=OTHER, line="n1")
    assert "n1" not in [line["id"] for line in (await office.do("line.list", free=True))["items"]]
    assert len((await office.do("line.show", id="n1"))["devices"]) == 2
    for count in (0, 101):
        with pytest.raises(UsageError, match="between 1 and 100"):
            await office.do("line.set", id="n1", max_devices=count)
    await office.do("line.delete", id="n1")
    assert all(not office.world.device(mac).lines for mac in (PHONE, OTHER))


@pytest.mark.parametrize(
    ("name", "params", "error", "reason"),
    [
        ("device.add", {"mac": PHONE}, ConflictError, "there already"),
        ("device.add", {"mac": "nonsense"}, UsageError, "mac: not a MAC"),
        ("device.add", {}, UsageError, "mac: is needed"),
        ("device.add", {"mac": OTHER, "model": "Z9"}, NotFoundError, "no plugin knows 'Z9'"),
        ("device.add", {"mac": OTHER, "tenant": "nowhere"}, NotFoundError, "no tenant"),
        ("device.add", {"mac": OTHER, "settings": {"sip.sever": "x"}}, UsageError, "did you mean sip.server"),
        ("device.add", {"mac": OTHER, "settings": {"time.zone": "Mars/Base"}}, UsageError, "no time zone 'Mars/Base'"),
        ("device.set", {"mac": PHONE, "unset": "sip.port"}, UsageError, "not set here"),
        ("device.set", {"mac": PHONE, "description": "a\nb"}, UsageError, "must be printable"),
        ("line.set", {"id": "n1", "password": "secret "}, UsageError, "password: must not begin or end with a blank"),
        ("device.set", {"mac": PHONE, "description": 5}, UsageError, "must be a text"),
        ("device.set", {"mac": PHONE, "new_token": "yes"}, UsageError, "true or false"),
        ("device.set", {"mac": PHONE, "settings": []}, UsageError, "must be a mapping"),
        ("device.set", {"mac": PHONE, "profile": "none"}, NotFoundError, "no profile 'none'"),
        ("device.set", {"mac": PHONE, "descripton": "x"}, UsageError, "did you mean description"),
        ("device.assign", {"mac": PHONE, "line": "none"}, NotFoundError, "no line 'none'"),
        ("device.assign", {"mac": PHONE, "line": "s1"}, ConflictError, "belongs to tenant 'north'; transfer"),
        ("device.assign", {"mac": PHONE, "line": ["n2", "s1"]}, ConflictError, "several tenants"),
        ("device.assign", {"mac": PHONE, "line": []}, ConflictError, "no line is named"),
        ("device.assign", {"mac": PHONE, "line": ["n2", "n3"]}, ConflictError, "A1 holds 2 lines, not 3"),
        ("device.assign", {"mac": OTHER, "line": "n1"}, NotFoundError, "no device"),
        ("device.unassign", {"mac": PHONE, "line": "n2"}, NotFoundError, "is not on device"),
        ("device.transfer", {"mac": PHONE, "tenant": "north"}, ConflictError, "already"),
        ("device.transfer", {"mac": PHONE, "tenant": "nowhere"}, NotFoundError, "no tenant"),
        ("device.list", {"state": "happy"}, UsageError, "must be one of seen"),
        ("device.list", {"limit": "many"}, UsageError, "limit: must be a number"),
        ("device.list", {"limit": -1}, UsageError, "not be negative"),
        ("device.render", {"mac": PHONE, "name": "nope.cfg"}, NotFoundError, "has no file"),
        ("device.render", {"mac": PHONE, "name": f"{OTHER}.cfg"}, NotFoundError, "has no file"),
        ("tenant.add", {"id": "north"}, ConflictError, "there already"),
        ("tenant.add", {"id": "North East"}, UsageError, "made of a-z"),
        ("tenant.add", {"id": ""}, UsageError, "must not be empty"),
        ("tenant.delete", {"id": "master"}, ConflictError, "cannot be deleted"),
        ("line.add", {"id": "n1", "tenant": "north"}, ConflictError, "there already"),
        ("line.add", {"id": "x", "tenant": "nowhere"}, NotFoundError, "no tenant"),
        ("line.set", {"id": "n1", "transport": "sctp"}, UsageError, "udp, tcp, tls"),
        ("line.set", {"id": "n1", "port": 70000}, UsageError, "port: must be at most 65535"),
        ("line.set", {"id": "n1", "username": ""}, UsageError, "username: must not be empty"),
        ("line.set", {"id": "n1", "number": "x" * 300}, UsageError, "longer than 255"),
        ("profile.add", {"id": "kept"}, ConflictError, "there already"),
        ("device.add", {"mac": OTHER, "vendor": "Bolt", "model": "A1"}, NotFoundError, "no plugin knows 'Bolt A1'"),
        ("device.list", {"limit": True}, UsageError, "must be a number"),
        ("device.import", {"csv": 'mac\n"02aaaa'}, UsageError, "line 2"),
        ("profile.show", {"id": "none"}, NotFoundError, "no profile"),
        ("profile.add", {"id": "p", "level": "device"}, UsageError, "level: must be one of"),
        ("profile.add", {"id": "p", "level": "vendor"}, UsageError, "applies_to: is needed"),
        ("profile.add", {"id": "p", "applies_to": "x"}, UsageError, "applies_to: must be empty"),
        ("profile.add", {"id": "p", "parents": "none"}, NotFoundError, "no profile 'none'"),
        ("lease.release", {"ip": "10.0.0.77"}, NotFoundError, "no active lease"),
        ("lease.release", {"ip": "10.0.0.999"}, UsageError, "ip: not an IPv4"),
        ("lease.list", {"state": "odd"}, UsageError, "active"),
        ("reservation.add", {"ip": "10.0.0.10", "mac": PHONE}, ConflictError, "leased to somebody else"),
        ("reservation.add", {"ip": "10.0.0.11"}, UsageError, "for a mac or for a client_id"),
        ("reservation.add", {"ip": "10.0.0.11", "client_id": "xyz"}, UsageError, "hex digits"),
        ("reservation.delete", {"id": "none"}, NotFoundError, "no reservation"),
        ("identify", {"over": "pigeon"}, UsageError, "over: must be one of"),
        ("device.shwo", {}, UsageError, "did you mean device.show"),
        ("device.import", {"csv": ""}, UsageError, "csv: must not be empty"),
    ],
)
async def test_refusals_say_why_and_change_nothing(name, params, error, reason):
    office = furnished()
    await office.do("device.add", mac=PHONE, model="A1")
    await office.do("device.assign", mac=PHONE, line="n1")
    await office.do("profile.add", id="kept")
    office.audit()
    before, writes = dict(office.world.fleet.tables.devices), len(office.world.journal.batches)
    with pytest.raises(error, match=reason):
        await office.do(name, **params)
    assert dict(office.world.fleet.tables.devices) == before
    assert len(office.world.journal.batches) == writes
    assert office.audit() == []


async def test_what_the_journal_refuses_is_not_told_as_done():
    office = furnished(journal=BrokenJournal)
    with pytest.raises(StorageError):
        await office.do("device.add", mac=PHONE)
    assert office.world.fleet.tables.device(PHONE) is None
    with pytest.raises(StorageError):
        await office.do("reservation.add", ip="10.0.0.11", mac=PHONE)
    assert office.addresses.reserved == []
    assert office.audit() == []


async def test_unassign_reset_and_transfer():
    office = furnished()
    await office.do("device.add", mac=PHONE, settings={"vlan.id": 5}, description="Ana's desk")
    await office.do("device.assign", mac=PHONE, line=["n1", "n2"])
    kept = await office.do("device.unassign", mac=PHONE, line="n1")
    assert (kept["lines"], kept["state"], kept["tenant"]) == (["n2"], "assigned", "north")
    bare = await office.do("device.reset", mac=PHONE)
    assert (bare["lines"], bare["state"], bare["tenant"], bare["settings"]) == ([], "unclaimed", "north", {})
    assert office.world.device(PHONE).token_epoch == 0
    moved = await office.do("device.transfer", mac=PHONE, tenant="south", new_token=True)
    assert (moved["tenant"], office.world.device(PHONE).token_epoch) == ("south", 1)
    assert (bare["description"], moved["description"]) == ("Ana's desk", "")
    assert (await office.do("device.assign", mac=PHONE, line="s1"))["lines"] == ["s1"]
    assert (await office.do("device.delete", mac=PHONE)) == {"deleted": COLON}
    assert office.world.fleet.tables.holders("s1") == ()


@pytest.mark.parametrize(
    ("secrets", "leased", "given", "epoch"),
    [
        ("bound", False, {}, 1),
        ("open", False, {}, 1),
        ("token", True, {}, 1),
        ("token", False, {}, 0),
        ("token", False, {"new_token": True}, 1),
        ("bound", True, {"new_token": False}, 0),
    ],
)
async def test_who_had_a_device_before_keeps_no_key_to_it(secrets, leased, given, epoch):
    office = Office(
        tenant(), tenant("south"), Device(mac=PHONE, tenant="north", ip="10.0.0.9"), site=Site(secrets=secrets)
    )
    if leased:
        office.world.leases.held["10.0.0.9"] = PHONE
    await office.do("device.transfer", mac=PHONE, tenant="south", **given)
    assert office.world.device(PHONE).token_epoch == epoch
    if not given:
        await office.do("tenant.delete", id="south")
        assert office.world.device(PHONE).token_epoch == 2 * epoch


async def test_deleting_a_line_takes_it_from_its_device():
    office = furnished()
    await office.do("device.add", mac=PHONE)
    await office.do("device.assign", mac=PHONE, line="n1")
    await office.do("line.delete", id="n1")
    assert office.world.device(PHONE).lines == ()
    assert office.world.device(PHONE).state is DeviceState.UNCLAIMED
    await office.do("line.delete", id="n2")


async def test_deleting_a_tenant_gives_its_devices_back():
    office = furnished()
    for mac, name in ((PHONE, "n1"), (OTHER, "n2")):
        await office.do("device.add", mac=mac)
        await office.do("device.assign", mac=mac, line=name)
    writes = len(office.world.journal.batches)
    await office.do("tenant.delete", id="north")
    assert len(office.world.journal.batches) == writes + 1
    assert {device.tenant for device in office.world.fleet.tables.devices.values()} == {MASTER_TENANT}
    assert list(office.world.fleet.tables.lines) == ["s1"]


async def test_settings_are_merged_unset_masked_and_explained():
    office = furnished()
    await office.do("profile.add", id="site", level="site", settings={"sip.server": "pbx", "syslog.server": "log"})
    await office.do("profile.add", id="desk", settings={"admin.password": "s3cret", "syslog.server": None})
    await office.do("tenant.set", id="north", settings={"time.zone": "Europe/Madrid"})
    await office.do("device.add", mac=PHONE, tenant="north", profile="desk", settings={"vlan.id": "7"})
    shown = await office.do("device.set", mac=PHONE, settings={"vlan.priority": 5}, unset=["vlan.id"])
    assert shown["settings"] == {"vlan.priority": 5}
    effective = {each["name"]: each for each in (await office.do("device.settings", mac=PHONE))["items"]}
    assert effective["admin.password"] == {
        "name": "admin.password",
        "value": "***",
        "origin": "group profile desk",
        "note": "the plugin acme does not write it",
    }
    assert effective["sip.server"]["origin"] == "site profile site"
    assert effective["time.zone"]["origin"] == "tenant north"
    assert effective["vlan.priority"]["origin"] == "device"
    assert effective["resync.at"]["origin"] == "default"
    assert "syslog.server" not in effective
    with pytest.raises(ConflictError, match="in use"):
        await office.do("profile.delete", id="desk")
    assert (await office.do("profile.show", id="desk"))["devices"] == 1
    await office.do("profile.set", id="desk", parents=[], name="Desks")
    await office.do("device.set", mac=PHONE, profile="")
    await office.do("profile.delete", id="desk")


async def test_what_does_nothing_on_a_device_is_said_and_free_parameters_have_known_names():
    office = furnished()
    await office.do("device.add", mac=PHONE, model="A1", settings={"keys.9.type": "dnd", "vlan.id": 5})
    await office.do("line.set", id="n1", settings={"sip.dtmf": "info"})
    await office.do("device.assign", mac=PHONE, line=["n1"])
    items = (await office.do("device.settings", mac=PHONE))["items"]
    notes = {(each["name"], each["origin"]): each["note"] for each in items if each["origin"] != "default"}
    assert notes == {
        ("keys.9.type", "device"): "A1 has only 4 keys",
        ("vlan.id", "device"): "",
        ("sip.dtmf", "line n1"): "the plugin acme does not write it",
    }
    await office.do("device.set", mac=PHONE, settings={"vendor.acme.colour": "red", "vendor.acme.key.3.tone": "low"})
    for name, reason in {
        "vendor.acme.color": "Acme has no parameter 'color'; did you mean colour?",
        "vendor.nobody.colour": "there is no plugin 'nobody'",
    }.items():
        with pytest.raises(UsageError, match=f"{name}: {re.escape(reason)}"):
            await office.do("device.set", mac=PHONE, settings={name: "x"})


async def test_a_file_is_compared_with_the_one_that_was_served_last():
    office = furnished(site=Site(secrets="open"))
    await office.do("device.add", mac=PHONE, model="A1", tenant="north")
    await office.do("device.assign", mac=PHONE, line=["n1"])
    with pytest.raises(NotFoundError, match="not at hand any more"):
        await office.do("device.render", mac=PHONE, diff=True, reveal=True)
    await office.world.fetch(f"/{PHONE}.cfg")
    await office.do("line.set", id="n1", display_name="Anna")
    office.audit()
    with pytest.raises(UsageError, match="diff: needs reveal"):
        await office.do("device.render", mac=PHONE, diff=True)
    given = await office.do("device.render", mac=PHONE, local="10.0.0.1", diff=True, reveal=True)
    shown = given["diff"].splitlines()
    assert shown[:2] == [f"--- {PHONE}.cfg as served", f"+++ {PHONE}.cfg as it would be"]
    assert [line[0] for line in shown if "Anna" in line] == ["+"]
    assert office.audit() == [("device.reveal", PHONE)]
    assert given == await office.do("device.render", mac=PHONE, diff=True, reveal=True), "asked where it has asked last"


async def test_a_file_is_shown_as_a_device_that_there_is_not_would_get_it():
    office = furnished()
    await office.do("tenant.set", id="north", settings={"vlan.id": 7})
    made = await office.do("device.render_as", model="a1g", firmware="52.84.0.15", settings={"ntp.server": "10.0.0.9"})
    file = json.loads(made["text"])
    assert made["name"] == "00005e005300.cfg"
    assert (file["model"]["name"], file["firmware"]["parts"]) == ("A1G", [52, 84, 0, 15])
    assert (file["claimed"], file["lines"][0]["display_name"]) == (True, "Sample")
    assert (file["settings"]["ntp"]["server"], file["settings"]["vlan"]["id"]) == ("10.0.0.9", None)
    of_line = json.loads((await office.do("device.render_as", model="A1", line=["n1"]))["text"])
    assert (of_line["lines"][0]["username"], of_line["lines"][0]["password"]) == ("user-n1", "***")
    assert of_line["settings"]["vlan"]["id"] == 7
    common = await office.do("device.render_as", model="A1", name="acme-a1.cfg")
    assert json.loads(common["text"])["lines"] == []
    for wrong in ({"model": "Z9"}, {"model": "A1", "name": "nope"}, {"model": "A1", "line": ["nope"]}):
        with pytest.raises(NotFoundError):
            await office.do("device.render_as", **wrong)
    with pytest.raises(UsageError, match="must be between 1 and 4094"):
        await office.do("device.render_as", model="A1", settings={"vlan.id": 0})
    with pytest.raises(UsageError, match="firmware: must be a version like"):
        await office.do("device.render_as", model="A1", firmware="newest")
    assert len(office.world.fleet.tables.devices) == 0


async def test_secrets_are_masked_unless_revealed_and_revealing_is_told():
    office = furnished(site=Site(secrets="token"))
    await office.do("device.add", mac=PHONE, model="A1", settings={"admin.password": "s3cret-admin"})
    shown = await office.do("device.show", mac=PHONE, local="10.0.0.1")
    file = await office.do("device.render", mac=PHONE)
    listed = await office.do("device.list")
    token = office.world.tokens.token(PHONE)
    password = office.world.tokens.account(PHONE).password.reveal()
    for text in (json.dumps(shown), json.dumps(file), json.dumps(listed)):
        assert not any(secret in text for secret in (token, password, "s3cret-admin"))
    assert shown["url"] == "http://10.0.0.1:8667/***"
    assert shown["files"] == [f"{PHONE}.cfg", f"{PHONE}-ring.txt"]
    office.audit()
    open_ = await office.do("device.show", mac=PHONE, local="10.0.0.1", reveal=True)
    assert (open_["url"], open_["account"]["password"]) == (f"http://10.0.0.1:8667/{token}", password)
    whole = await office.do("device.render", mac=PHONE, name=f"{PHONE}.cfg", reveal=True)
    assert all(secret in whole["text"] for secret in (token, password, "s3cret-admin"))
    assert office.audit() == [("device.reveal", PHONE), ("device.reveal", PHONE)]
    assert (await office.do("line.show", id="n1"))["password"] == "***"
    assert (await office.do("line.show", id="n1", reveal=True))["password"] == "secret-n1"
    assert office.audit() == [("line.reveal", "n1")]


async def test_a_preview_is_what_the_phone_gets():
    office = furnished()
    office.world.leases.held["10.0.0.9"] = PHONE
    await office.do("device.add", mac=PHONE, model="A1")
    await office.do("device.assign", mac=PHONE, line="n1")
    served = await office.world.fetch(f"/{PHONE}.cfg")
    shown = await office.do("device.render", mac=PHONE, local="10.0.0.1", reveal=True)
    assert json.loads(shown["text"]) == context_of(served)
    common = await office.do("device.render", mac=PHONE, name="acme-a1.cfg")
    assert json.loads(common["text"])["account"] is None
    office.world.renderer.fails = True
    with pytest.raises(PluginError, match="undefined"):
        await office.do("device.render", mac=PHONE)


async def test_lists_are_filtered_and_come_in_pages():
    office = Office(tenant(), *(claimed(f"02aaaa0000{number:02}") for number in range(5)))
    first = await office.do("device.list", limit=2)
    assert [each["id"] for each in first["items"]] == ["02aaaa000000", "02aaaa000001"]
    second = await office.do("device.list", limit=2, after=first["next"])
    third = await office.do("device.list", limit="2", after=second["next"])
    assert [each["id"] for each in third["items"]] == ["02aaaa000004"]
    assert third["next"] is None
    assert (await office.do("device.list", tenant="south"))["items"] == []
    assert len((await office.do("device.list", vendor="ACME", state="identified"))["items"]) == 5
    assert len((await office.do("device.list", query="00:00:03"))["items"]) == 1


async def test_tenants_lines_and_profiles_can_be_listed_and_changed():
    office = furnished()
    await office.do("tenant.add", id="east", name="East", settings={"locale.country": "ES"})
    assert (await office.do("tenant.set", id="east", enabled=False))["enabled"] is False
    assert (await office.do("tenant.set", id="east", name="Far East"))["enabled"] is False
    assert (await office.do("tenant.show", id="north")) | {"settings": {}} == {
        "id": "north",
        "name": "North",
        "enabled": True,
        "settings": {},
        "revision": 1,
        "devices": 0,
        "lines": 3,
    }
    assert len((await office.do("tenant.list"))["items"]) == 4
    added = await office.do("line.add", id="e1", tenant="east", display_name="Ann", port=5062)
    assert (added["username"], added["password"], added["port"]) == ("e1", "***", 5062)
    assert len(office.world.fleet.tables.lines["e1"].password.reveal()) >= 20
    await office.do("line.set", id="e1", password="new", number="12")
    assert office.world.fleet.tables.lines["e1"].password.reveal() == "new"
    await office.do("device.add", mac=PHONE)
    await office.do("device.assign", mac=PHONE, line="e1")
    assert (await office.do("line.show", id="e1"))["device"] == COLON
    assert [each["id"] for each in (await office.do("line.list", free=True))["items"]] == ["n1", "n2", "n3", "s1"]
    assert [each["id"] for each in (await office.do("line.list", tenant="east"))["items"]] == ["e1"]
    await office.do("profile.add", id="maker", level="vendor", applies_to="Acme")
    assert [each["id"] for each in (await office.do("profile.list", level="vendor"))["items"]] == ["maker"]


async def test_leases_and_reservations():
    office = furnished()
    assert [each["ip"] for each in (await office.do("lease.list"))["items"]] == ["10.0.0.9", "10.0.0.10"]
    assert [each["ip"] for each in (await office.do("lease.list", mac=COLON, state="active"))["items"]] == ["10.0.0.9"]
    assert await office.do("lease.release", ip="10.0.0.9") == {"released": "10.0.0.9"}
    kept = await office.do("reservation.add", ip="10.0.0.11", mac=COLON, description="door")
    assert (kept["id"], kept["mac"]) == ("10.0.0.11", COLON)
    await office.do("reservation.add", ip="10.0.0.12", client_id="01:AA:bb", id="gate")
    with pytest.raises(ConflictError, match="reserved already"):
        await office.do("reservation.add", ip="10.0.0.11", mac=OTHER, id="again")
    assert office.addresses.reserved == ["10.0.0.11", "10.0.0.12"]
    assert len((await office.do("reservation.list"))["items"]) == 2
    await office.do("reservation.delete", id="gate")
    assert office.addresses.reserved == ["10.0.0.11"]
    assert [action for action, _ in office.audit()] == [
        "lease.release",
        "reservation.add",
        "reservation.add",
        "reservation.delete",
    ]


async def test_without_dhcp_there_are_no_leases():
    office = furnished()
    office.admin = Admin(
        fleet=office.world.fleet,
        boot=office.world.boot,
        clock=office.world.clock,
        emit=office.world.facts.append,
        zone=lambda _name: None,
    )
    assert (await office.do("lease.list"))["items"] == []
    with pytest.raises(NotFoundError):
        await office.do("lease.release", ip="10.0.0.9")
    await office.do("reservation.add", ip="10.0.0.11", mac=COLON)
    await office.do("reservation.delete", id="10.0.0.11")
    assert (await office.do("status"))["dhcp"] is False


async def test_insight():
    office = furnished()
    await office.do("device.add", mac=PHONE)
    found = await office.do("identify", user_agent=f"Acme A1G/1.2 {PHONE}", path=f"/{PHONE}.cfg")
    assert (found["model"], found["version"], found["mac"], found["plugin"]) == ("A1G", "1.2", COLON, "acme")
    assert found["reasons"]
    assert (await office.do("identify", option60="acme", mac=COLON))["vendor"] == "Acme"
    assert (await office.do("identify", option60="MSFT 5.0"))["plugin"] == ""
    assert [each["id"] for each in (await office.do("plugin.list"))["items"]] == ["acme", "bolt"]
    status = await office.do("status")
    assert (status["devices"], status["states"], status["leases"]) == (1, {"identified": 1}, {"active": 2})


async def test_csv_goes_in_as_a_whole_and_comes_out_the_same():
    office = furnished()
    text = f"MAC, model ,tenant,description,lines\n{COLON},A1,north,'=1+1,n1;n2\n\n{OTHER},,,Door,\n"
    assert await office.do("device.import", csv=text, dry_run=True) == {
        "rows": 2,
        "added": 2,
        "changed": 2,
        "dry_run": True,
    }
    assert not office.world.fleet.tables.devices
    writes = len(office.world.journal.batches)
    await office.do("device.import", csv=text)
    assert len(office.world.journal.batches) == writes + 1
    device = office.world.device(PHONE)
    assert (device.model, device.tenant, device.lines, device.description) == ("A1", "north", ("n1", "n2"), "=1+1")
    assert device.state is DeviceState.ASSIGNED
    exported = (await office.do("device.export"))["csv"]
    assert exported == (
        "mac,vendor,model,tenant,profile,description,lines\n"
        f"{COLON},Acme,A1,north,,'=1+1,n1;n2\n"
        "02:aa:aa:00:00:02,Acme,,master,,Door,\n"
    )
    assert (await office.do("device.import", csv=exported))["changed"] == 1  # OTHER: its vendor is named now
    assert (await office.do("device.import", csv=exported))["changed"] == 0


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n", "the file is empty"),
        ("model\nA1\n", "header must name mac"),
        ("mac,colour\n", "header must name mac"),
        ("mac\nnonsense\n", "line 2: mac: not a MAC"),
        ("mac\n02aaaa000001,x\n", "line 2: more cells"),
        ("mac\n02aaaa000001\n02:aa:aa:00:00:01\n", "line 3: 02:aa:aa:00:00:01 occurs twice"),
        ("mac,lines\n02aaaa000001,none\n02aaaa000002,n1;s1\n", "line 2: there is no line 'none'\nline 3: .*several"),
        ("mac,tenant,lines\n02aaaa000001,south,n1\n", "line 2: the device belongs to tenant 'south'"),
        ("mac,tenant\n02aaaa000001,nowhere\n", "line 2: there is no tenant"),
        ("mac,model\n02aaaa000001,Z1\n", "line 2: no plugin knows"),
        ("mac,lines\n02aaaa000001,n1\n02aaaa000002,n1\n", "line 'n1' is on another device"),
    ],
)
async def test_a_faulty_csv_changes_nothing(text, reason):
    office = furnished()
    with pytest.raises(UsageError, match=reason):
        await office.do("device.import", csv=text)
    assert not office.world.fleet.tables.devices


async def test_a_device_with_lines_does_not_change_hands_by_csv():
    office = furnished()
    await office.do("device.import", csv=f"mac,lines\n{PHONE},n1\n")
    with pytest.raises(UsageError, match="transfer it first"):
        await office.do("device.import", csv=f"mac,tenant\n{PHONE},south\n")


def test_every_operation_explains_itself():
    office = Office()
    assert all(operation.doc.endswith(".") for operation in office.admin.operations.values())
    assert all(name == operation.name for name, operation in office.admin.operations.items())
    assert isinstance(office.world.catalogue.manifests[0], Manifest)
