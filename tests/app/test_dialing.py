"""A code is dialed: who gets what, what everybody hears, and what is on disk by then."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from provd.app.dialing import Dial, Flow, Outcome
from provd.app.ports import Delete, Put
from provd.base.errors import ClashError, StorageError
from provd.base.secrets import Secret
from provd.domain.reckoning import Leap
from provd.domain.records import AuditEntry, Code, DeviceState, PendingResync, Redemption, Tenant
from tests.app.dialing_kit import TERMS, Floor, gateway, phone
from tests.app.fakes import BrokenJournal, MemoryJournal, SlowJournal, line

ONE, TWO = phone(1), phone(2)


async def test_a_good_code_gives_the_device_its_line_and_tells_it_so() -> None:
    floor = Floor(ONE)
    code, digits = floor.code()
    answer = await floor.dials(ONE, digits, flow=Flow(transport="udp", host="10.0.0.9", port=5062, local="10.0.0.1"))
    assert (answer.outcome, answer.text, answer.line, answer.tenant, answer.mac, answer.good) == (
        Outcome.ACCEPTED,
        "Welcome Ann",
        "n1",
        "north",
        ONE.mac,
        True,
    )
    device = floor.device(ONE)
    assert (device.tenant, device.lines, device.state, device.revision) == ("north", ("n1",), DeviceState.ASSIGNED, 2)
    kept = floor.tables.code(code.id)
    assert kept is not None
    assert (kept.uses, kept.used, kept.last_used) == (0, 1, floor.clock.now())
    assert floor.resync.asked == [(ONE.mac, "code")]
    assert floor.ids() == ["CODE-ACCEPTED", "DEVICE-STATE"]


async def test_everything_is_one_transaction() -> None:
    floor = Floor(ONE)
    code, digits = floor.code()
    await floor.dials(ONE, digits, flow=Flow(transport="tcp", host="10.0.0.9", port=5062, local="10.0.0.1"))
    assert len(floor.journal.batches) == 1
    records = [change.record for change in floor.journal.batches[0]]
    assert [type(record).__name__ for record in records] == [
        "Device",
        "Code",
        "Redemption",
        "PendingResync",
        "AuditEntry",
    ]
    use, pending, entry = records[2:]
    assert use == Redemption(code=code.id, number=1, mac=ONE.mac, line="n1", tenant="north", at=floor.clock.now())
    account = f"ap{ONE.mac}"
    assert pending == PendingResync(
        mac=ONE.mac,
        since=floor.clock.now(),
        reason="code",
        account=account,
        transport="tcp",
        host="10.0.0.9",
        port=5062,
        local="10.0.0.1",
    )
    assert isinstance(entry, AuditEntry)
    assert (entry.by, entry.action, entry.kind, entry.object, entry.tenant) == (
        "dialed (sip)",
        "code.redeem",
        "device",
        ONE.mac,
        "north",
    )
    assert entry.data == {
        "identified": "account",
        "account": account,
        "peer": "10.0.0.9",
        "code": code.id,
        "line": "n1",
        "was": "master",
    }
    assert digits not in str(entry.data)


async def test_nothing_anybody_hears_or_stores_shows_the_code() -> None:
    floor = Floor(ONE, TWO)
    _, digits = floor.code()
    await floor.dials(ONE, digits)
    await floor.dials(TWO, digits)
    assert digits not in repr(floor.facts)
    for batch in floor.journal.batches:
        assert digits not in repr(batch)


@pytest.mark.parametrize(
    ("more", "outcome", "text"),
    [
        ({"expires": 999_999.0}, Outcome.EXPIRED, "Code expired"),
        ({"uses": 0, "used": 1}, Outcome.USED_UP, "Code already used"),
        ({"revoked": 5.0}, Outcome.REVOKED, "Code withdrawn"),
    ],
)
async def test_a_code_that_is_not_good_any_more(more: dict[str, object], outcome: Outcome, text: str) -> None:
    floor = Floor(ONE)
    code, digits = floor.code(**more)
    answer = await floor.dials(ONE, digits)
    assert (answer.outcome, answer.text, answer.good, answer.wait) == (outcome, text, False, 2.0)
    assert floor.device(ONE) == ONE
    (fact,) = floor.told("CODE-REFUSED")
    assert (fact.outcome, fact.code, fact.line, fact.tenant, fact.mac, fact.wrong) == (  # type: ignore[attr-defined]
        outcome.value,
        code.id,
        "n1",
        "north",
        ONE.mac,
        1,
    )
    assert floor.resync.asked == []


async def test_an_unknown_code() -> None:
    floor = Floor(ONE)
    assert (await floor.dials(ONE, "11112222")).outcome is Outcome.UNKNOWN
    assert (await floor.dials(ONE, "")).outcome is Outcome.LOCKED
    floor.clock.pass_(2.0)
    assert (await floor.dials(ONE, "")).outcome is Outcome.UNKNOWN
    floor.clock.pass_(4.0)
    assert (await floor.dials(ONE, "\udc80" * 500)).outcome is Outcome.UNKNOWN


async def test_a_disabled_tenant_gets_no_phone() -> None:
    floor = Floor(ONE, Tenant(id="north", name="North", enabled=False))
    _, digits = floor.code()
    assert (await floor.dials(ONE, digits)).outcome is Outcome.TENANT_DISABLED
    assert floor.device(ONE).lines == ()


async def test_a_line_that_is_on_another_phone() -> None:
    floor = Floor(ONE, replace(TWO, tenant="north", lines=("n1",)))
    _, digits = floor.code()
    answer = await floor.dials(ONE, digits)
    assert (answer.outcome, answer.wait) == (Outcome.LINE_TAKEN, 0.0), "a good code is nobody's guess"
    assert floor.tables.locks == {}
    await floor.fleet.change(lambda: [Put(line("n1", max_devices=2))])
    assert (await floor.dials(ONE, digits)).outcome is Outcome.ACCEPTED
    assert set(floor.tables.holders("n1")) == {ONE.mac, TWO.mac}


async def test_a_phone_of_another_tenant_stays_there() -> None:
    floor = Floor(replace(ONE, tenant="south"))
    code, digits = floor.code()
    assert (await floor.dials(ONE, digits)).outcome is Outcome.DEVICE_TAKEN
    assert floor.tables.code(code.id) == code
    assert floor.device(ONE).tenant == "south"


async def test_a_further_code_adds_a_line_while_there_is_room() -> None:
    floor = Floor(ONE)
    outcomes = [(await floor.dials(ONE, floor.code(owner)[1])).outcome for owner in ("n1", "n2", "n3")]
    assert outcomes == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.DEVICE_FULL]
    assert floor.device(ONE).lines == ("n1", "n2")


async def test_dialing_the_same_code_again_costs_nothing_and_tells_the_phone_again() -> None:
    floor = Floor(ONE, TWO)
    code, digits = floor.code()
    await floor.dials(ONE, digits)
    floor.ids()
    again = await floor.dials(ONE, digits)
    assert (again.outcome, again.line) == (Outcome.ACCEPTED, "n1")
    assert floor.tables.codes[code.id].used == 1
    (fact,) = floor.told("CODE-ACCEPTED")
    assert fact.again  # type: ignore[attr-defined]
    assert len(floor.resync.asked) == 2
    assert (await floor.dials(TWO, digits)).outcome is Outcome.USED_UP


async def test_a_code_for_several_uses_puts_the_line_where_it_may_be() -> None:
    floor = Floor(ONE, TWO, phone(3), line("n1", max_devices=2))
    _, digits = floor.code(uses=5)
    heard = [(await floor.dials(phone(number), digits)).outcome for number in (1, 2, 3)]
    assert heard == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.LINE_TAKEN]
    assert sorted(floor.tables.redemptions) == [(code, number) for code in floor.tables.codes for number in (1, 2)]


async def test_blanks_and_hyphens_are_no_keys() -> None:
    floor = Floor(ONE)
    _, digits = floor.code()
    assert (await floor.dials(ONE, f"{digits[:4]} {digits[4:6]}-{digits[6:]}")).good


# --- races and faults


async def test_of_a_hundred_phones_that_dial_at_once_one_wins() -> None:
    phones = [phone(number) for number in range(100)]
    floor = Floor(*phones, journal=SlowJournal())
    floor.journal.open.set()
    _, digits = floor.code()
    answers = await asyncio.gather(*(floor.dials(each, digits) for each in phones))
    outcomes = [answer.outcome for answer in answers]
    assert outcomes.count(Outcome.ACCEPTED) == 1
    assert outcomes.count(Outcome.USED_UP) == 99
    winner = answers[outcomes.index(Outcome.ACCEPTED)]
    assert floor.tables.holders("n1") == (winner.mac,)
    assert [device.mac for device in floor.tables.devices.values() if device.lines] == [winner.mac]


async def test_of_one_phone_that_guesses_a_hundred_times_at_once_few_are_heard() -> None:
    floor = Floor(ONE)
    answers = await asyncio.gather(*(floor.dials(ONE, f"{number:08}") for number in range(100)))
    assert [answer.outcome for answer in answers].count(Outcome.UNKNOWN) == 1


async def test_the_code_is_still_good_when_the_store_refuses() -> None:
    floor = Floor(ONE, journal=BrokenJournal())
    code, digits = floor.code()
    answer = await floor.dials(ONE, digits)
    assert (answer.outcome, answer.text, answer.wait) == (Outcome.NOT_STORED, "Try again later", 0.0)
    assert floor.tables.code(code.id) == code
    assert (floor.device(ONE).lines, floor.device(ONE).tenant) == ((), "master")
    assert (floor.tables.redemptions, floor.tables.resyncs, floor.tables.locks) == ({}, {}, {})
    assert floor.resync.asked == []
    assert floor.ids() == ["CODE-REFUSED"]
    floor.journal.broken = False
    assert (await floor.dials(ONE, digits)).good


async def test_another_daemon_on_the_database_was_quicker() -> None:
    class Quicker(MemoryJournal):
        async def commit(self, changes):
            raise ClashError("UNIQUE constraint failed")

    floor = Floor(ONE, journal=Quicker())
    _, digits = floor.code()
    assert (await floor.dials(ONE, digits)).outcome is Outcome.USED_UP
    assert floor.device(ONE).lines == ()


async def test_a_phone_that_is_deleted_while_it_dials() -> None:
    floor = Floor(ONE, journal=SlowJournal())
    _, digits = floor.code()
    deleting = asyncio.ensure_future(floor.fleet.change(lambda: [Delete(ONE)]))
    await asyncio.sleep(0)
    floor.tables.put(ONE)  # as the edge saw it a moment ago
    dialing = asyncio.ensure_future(floor.dials(ONE, digits))
    await asyncio.sleep(0)
    floor.tables.remove(ONE)
    floor.journal.open.set()
    await deleting
    assert (await dialing).outcome is Outcome.NO_DEVICE


async def test_a_code_that_is_revoked_or_deleted_while_it_is_dialed() -> None:
    for change, outcome in (("revoke", Outcome.REVOKED), ("delete", Outcome.UNKNOWN)):
        floor = Floor(ONE, journal=SlowJournal())
        code, digits = floor.code()
        record = Delete(code) if change == "delete" else Put(replace(code, revoked=1.0))
        changing = asyncio.ensure_future(floor.fleet.change(lambda record=record: [record]))
        dialing = asyncio.ensure_future(floor.dials(ONE, digits))
        await asyncio.sleep(0)
        floor.journal.open.set()
        await changing
        assert (await dialing).outcome is outcome


async def test_a_leap_of_the_clock_before_the_start_expires_no_code() -> None:
    floor = Floor(ONE)
    code, digits = floor.code()
    leap = Leap(floor.clock.now() + 60, floor.clock.now() + 60 + 400 * 86400)
    floor.clock.pass_(leap.end - floor.clock.now() + 10)
    assert code.expires < floor.clock.now()
    floor.office = floor.open(leap=leap)
    assert (await floor.dials(ONE, digits)).good


# --- the reset number


async def test_the_reset_number_with_its_pin_makes_the_phone_unclaimed() -> None:
    floor = Floor(replace(ONE, tenant="north", lines=("n1",), settings={"vlan.id": 5}, state=DeviceState.PROVISIONED))
    answer = await floor.dials(ONE, "*448322254711")
    assert (answer.outcome, answer.good, answer.tenant) == (Outcome.RESET, True, "north")
    device = floor.device(ONE)
    assert (device.tenant, device.lines, device.settings, device.state) == ("north", (), {}, DeviceState.UNCLAIMED)
    assert floor.ids() == ["DEVICE-GIVEN-BACK", "DEVICE-STATE"]
    assert floor.kinds() == ["AuditEntry", "Device", "PendingResync"]
    assert floor.resync.asked == [(ONE.mac, "reset")]


async def test_a_wrong_pin_counts_as_a_wrong_code() -> None:
    floor = Floor(replace(ONE, tenant="north", lines=("n1",)))
    for dialed in ("*448322254712", "*44832225", "*4483222547110"):
        answer = await floor.dials(ONE, dialed)
        assert answer.outcome is Outcome.UNKNOWN
        floor.clock.pass_(answer.wait)
    assert floor.tables.locks[f"device:{ONE.mac}"].wrong == 3
    assert floor.device(ONE).lines == ("n1",)


@pytest.mark.parametrize("terms", [replace(TERMS, reset_pin=Secret("")), replace(TERMS, reset_number="")])
async def test_nobody_resets_without_a_pin_or_a_number(terms) -> None:
    floor = Floor(replace(ONE, tenant="north", lines=("n1",)), terms=terms)
    for dialed in ("*44832225", "*448322254711", "4711"):
        assert (await floor.dials(ONE, dialed)).outcome in {Outcome.UNKNOWN, Outcome.LOCKED}
        floor.clock.pass_(100.0)
    assert floor.device(ONE).lines == ("n1",)


async def test_a_reset_number_that_was_chosen_later_swallows_no_code() -> None:
    floor = Floor(ONE)
    _, digits = floor.code()
    floor.office.reconfigure(replace(TERMS, reset_number=digits[:3]))
    assert (await floor.dials(ONE, digits)).outcome is Outcome.ACCEPTED


async def test_what_no_dialer_can_mend_is_an_answer_and_no_exception() -> None:
    floor = Floor(replace(ONE, profile="gone"))
    code, digits = floor.code()
    assert (await floor.dials(ONE, digits)).outcome is Outcome.NOT_STORED
    assert floor.tables.code(code.id) == code
    for said in (
        {"ip": "junk"},
        {"ip": "2001:db8::1"},
        {"peer": "\0"},
        {"user_agent": "\udc80" * 9},
        {"account": "ap"},
    ):
        assert (await floor.dials(None, digits, **{"via": "rest", **said})).outcome is Outcome.NO_DEVICE


# --- devices with ports


async def test_a_code_goes_to_the_port_that_dialed_and_the_owner_stays() -> None:
    box = gateway()
    floor = Floor(box)
    _, first = floor.code("n1")
    answer = await floor.dials(box, first, account=f"ap{box.mac}-3")
    assert answer.outcome is Outcome.ACCEPTED
    assert (floor.device(box).tenant, floor.device(box).lines, floor.device(box).ports) == ("north", ("n1",), (3,))
    _, second = floor.code("s1")
    await floor.dials(box, second)
    device = floor.device(box)
    assert (device.tenant, device.lines, device.ports) == ("north", ("n1", "s1"), (3, 1)), "another tenant's port"
    for owner in ("n2", "n3"):
        await floor.dials(box, floor.code(owner)[1])
    assert floor.device(box).ports == (3, 1, 2, 4)
    floor.tables.put(line("n4"))
    assert (await floor.dials(box, floor.code("n4")[1])).outcome is Outcome.DEVICE_FULL


async def test_on_a_shared_device_only_the_port_that_dialed_is_given_back() -> None:
    box = gateway(tenant="north", lines=("n1", "s1"), ports=(1, 2))
    floor = Floor(box)
    assert (await floor.dials(box, "*448322254711", account=f"ap{box.mac}-4")).outcome is Outcome.DEVICE_TAKEN
    assert (await floor.dials(box, "*448322254711", account=f"ap{box.mac}-2")).outcome is Outcome.RESET
    assert (floor.device(box).lines, floor.device(box).ports) == (("n1",), (1,))
    assert (await floor.dials(box, "*448322254711", account=f"ap{box.mac}-4")).outcome is Outcome.RESET
    assert (floor.device(box).lines, floor.device(box).ports) == ((), ())


# --- who dialed


async def test_the_strongest_evidence_counts() -> None:
    floor = Floor(ONE, TWO, phone(3, ip="10.0.0.7"))
    floor.world.leases.held["10.0.0.5"] = TWO.mac
    seen = floor.office.desk._evidence.dialer
    account = f"ap{ONE.mac}"

    def by(**said: object) -> tuple[str | None, str]:
        found = seen(Dial(**{"digits": "1", "via": "rest", **said}))
        return (found.device.mac if found.device else None), found.by

    assert by(account=account, mac=TWO.mac, ip="10.0.0.5") == (ONE.mac, "account")
    assert by(account="ap02aaaa0000ff", mac=TWO.mac) == (TWO.mac, "mac")
    assert by(mac=TWO.mac, ip="10.0.0.7") == (TWO.mac, "mac")
    assert by(user_agent=f"Acme A1/1.0 {TWO.mac}") == (TWO.mac, "mac")
    assert by(user_agent="Acme A1/1.0", ip="10.0.0.5") == (TWO.mac, "lease")
    assert by(ip="10.0.0.7") == (phone(3).mac, "address")
    assert by(peer="10.0.0.7", via="sip") == (phone(3).mac, "address")
    assert by(peer="10.0.0.7", via="sip", contact="10.0.0.7") == (phone(3).mac, "address")
    assert by(ip="10.0.0.8") == (None, "")
    assert by(mac=phone(9).mac, ip="10.0.0.5") == (None, ""), "an address does not make another phone of it"


async def test_an_address_that_several_phones_share_tells_nothing() -> None:
    floor = Floor(replace(ONE, ip="192.0.2.1"), replace(TWO, ip="192.0.2.1"), phone(3, ip="192.0.2.3"))
    _, digits = floor.code()
    for said in (
        {"peer": "192.0.2.1"},
        {"peer": "192.0.2.3", "contact": "10.1.1.1"},  # a NAT that only one phone of is known
        {"peer": "192.0.2.3", "via": "rest"},  # a PBX
    ):
        assert (await floor.dials(None, digits, **said)).outcome is Outcome.NO_DEVICE
    assert all(not device.lines for device in floor.tables.devices.values())


async def test_a_pbx_names_the_account_of_the_line() -> None:
    two_ports = gateway(tenant="north", lines=("n1", "n2"), ports=(1, 4))
    floor = Floor(two_ports)
    seen = floor.office.desk._evidence.dialer
    found = seen(Dial(digits="1", via="agi", account="user-n2"))
    assert (found.device, found.by, found.port) == (floor.device(two_ports), "account", 4)
    assert seen(Dial(digits="1", via="agi", account="user-n3")).device is None, "it is on no device"
    await floor.fleet.change(
        lambda: [Put(replace(line("n3"), username="user-n2")), Put(phone(1, tenant="north", lines=("n3",)))]
    )
    assert seen(Dial(digits="1", via="agi", account="user-n2")).device is None, "two devices have such an account"


async def test_temporary_accounts_are_those_of_devices_there_are() -> None:
    floor = Floor(replace(ONE, token_epoch=3))
    found = floor.office.accounts.find(f"ap{ONE.mac}")
    assert found is not None
    assert (found.mac, found.port) == (ONE.mac, 1)
    assert found.account.password == floor.world.tokens.account(ONE.mac, 3).password
    second = floor.office.accounts.find(f"ap{ONE.mac}-2")
    assert second is not None
    assert second.port == 2
    assert second.account.password != found.account.password
    for name in (f"ap{TWO.mac}", "ap", f"AP{ONE.mac}", f"ap{ONE.mac}-1", f"ap{ONE.mac}-0", f"ap{ONE.mac} ", "101"):
        assert floor.office.accounts.find(name) is None


async def test_without_a_device_nobody_hears_whether_a_code_is_good() -> None:
    floor = Floor()
    _, digits = floor.code()
    good, bad = await floor.dials(None, digits), await floor.dials(None, "00000000")
    assert good == bad
    assert good.outcome is Outcome.NO_DEVICE


# --- issuing


async def test_new_codes_stay_clear_of_star_codes_and_of_each_other() -> None:
    floor = Floor()
    every = [floor.tables.lines[key] for key in ("n1", "n2", "n3", "s1")] * 200
    codes = floor.office.issue(every, by="test", uses=3, life=60.0)
    digits = {code.code.reveal() for code in codes}
    assert len(digits) == len({code.id for code in codes}) == len({code.digest for code in codes}) == 800
    assert not any(number.startswith("23") for number in digits)
    assert {len(number) for number in digits} == {8}
    assert {(code.uses, code.expires, code.by) for code in codes} == {(3, floor.clock.now() + 60, "test")}
    assert {code.tenant for code in codes if code.line == "s1"} == {"south"}
    assert codes[0].digest != floor.office.book.digest("0" + codes[0].code.reveal())


async def test_a_code_is_found_after_a_restart_and_only_with_the_key() -> None:
    floor = Floor(ONE)
    code, digits = floor.code()
    floor.office = floor.open()
    assert floor.office.book.find(digits) == code
    assert digits not in code.digest
    assert type(code) is Code
    assert str(code.code) == "***"


def test_a_reset_number_that_phones_swallow_is_told() -> None:
    floor = Floor()
    floor.office.reconfigure(replace(TERMS, reset_number="*698"))
    (fact,) = floor.told("NUMBER-SWALLOWED")
    assert (fact.number, fact.plugins) == ("*698", "gate")  # type: ignore[attr-defined]
    floor.facts.clear()
    floor.office.reconfigure(replace(TERMS, reset_number="*698", reset_pin=Secret("")))
    floor.office.reconfigure(TERMS)
    assert floor.facts == []


async def test_a_store_that_fails_costs_a_wrong_code_nothing_of_its_weight() -> None:
    floor = Floor(ONE, journal=BrokenJournal())
    assert await floor.guesses(ONE, 6) == ["unknown"] * 5 + ["locked"]
    floor.journal.broken = False
    floor.fleet.flush(floor.clock.now())
    assert floor.journal.records[(type(floor.tables.locks["site"]), "site")] == floor.tables.locks["site"]


def test_a_storage_error_of_a_clash_is_a_storage_error() -> None:
    assert issubclass(ClashError, StorageError)
