"""Codes and locks in the administration: who may make, see, print and withdraw what."""

from __future__ import annotations

import csv
import io
import json
import re
import sys

import pytest

from provd.app.admin import Admin, Caller, Scope
from provd.app.codes import printout
from provd.base.errors import ConflictError, ForbiddenError, NotFoundError, StorageError, UsageError
from provd.domain.records import AuditEntry, Device
from tests.app.dialing_kit import Floor, phone
from tests.app.fakes import BrokenJournal, line

ANN = Caller(name="ann")
NORTH = Caller(name="north's", tenant="north")
SOUTH = Caller(name="south's", tenant="south")


class Counter(Floor):
    """A floor with an administration."""

    def __init__(self, *records: object, **more: object) -> None:
        super().__init__(*records, **more)
        self.admin = Admin(
            fleet=self.fleet,
            boot=self.world.boot,
            clock=self.clock,
            emit=self.facts.append,
            zone=lambda name: {"name": name},
            codes=self.office,
        )

    async def do(self, operation: str, caller: Caller = ANN, /, **params: object):
        result = await self.admin.call(operation, params, caller)
        json.dumps(result)
        return result

    def audited(self) -> list[tuple[str, str, str]]:
        """What the journal's audit says."""
        entries = [change.record for batch in self.journal.batches for change in batch]
        return [(e.action, e.object, e.tenant) for e in entries if isinstance(e, AuditEntry)]


async def test_a_code_is_made_shown_once_dialed_and_seen_to_be_used() -> None:
    counter = Counter(phone(1))
    made = await counter.do("code.add", line="n1", expires="7d")
    assert re.fullmatch(r"[0-9]{8}", made["code"])
    assert made["grouped"] == f"{made['code'][:4]} {made['code'][4:]}"
    assert (made["state"], made["uses"], made["used"], made["tenant"], made["by"]) == ("good", 1, 0, "north", "ann")
    assert counter.audited() == [("code.add", "n1", "north")]
    assert (await counter.do("code.show", id=made["id"]))["code"] == "***"
    assert (await counter.dials(phone(1), made["code"])).good
    shown = await counter.do("code.show", id=made["id"])
    assert (shown["state"], shown["uses"], shown["used"]) == ("used-up", 0, 1)
    assert shown["devices"] == ["02:aa:aa:00:00:01 1970-01-12T13:46:40+00:00"]
    counter.clock.pass_(7 * 86400)
    (listed,) = (await counter.do("code.list"))["items"]
    assert (listed["id"], listed["state"], listed["code"]) == (made["id"], "expired", "***")


async def test_codes_for_every_line_that_waits_for_a_phone() -> None:
    counter = Counter(Device(mac=phone(1).mac, tenant="north", lines=("n1",)))
    await counter.do("code.add", line="n2")
    made = await counter.do("code.add", free=True, tenant="north", uses=2, expires=0)
    assert [(each["line"], each["uses"], each["expires"]) for each in made["items"]] == [("n3", 2, None)]
    with pytest.raises(NotFoundError, match="every line of the tenant"):
        await counter.do("code.add", free=True, tenant="north")
    counter.clock.pass_(2 * 86400)
    made = await counter.do("code.add", NORTH, free=True)
    assert [each["line"] for each in made["items"]] == ["n2"], "the first one has expired"


@pytest.mark.parametrize(
    ("params", "error", "reason"),
    [
        ({}, UsageError, "name lines"),
        ({"line": "n1", "free": True}, UsageError, "name lines"),
        ({"line": "n9"}, NotFoundError, "no line 'n9'"),
        ({"line": "s1", "tenant": "north"}, NotFoundError, "has no line 's1'"),
        ({"line": "n1", "uses": 0}, UsageError, "between 1 and 10000"),
        ({"line": "n1", "uses": 10_001}, UsageError, "between 1 and 10000"),
        ({"line": "n1", "expires": "soon"}, UsageError, "expires: must be a duration"),
        ({"free": True}, NotFoundError, "there is no tenant ''"),
    ],
)
async def test_what_is_refused_makes_no_code(params: dict[str, object], error: type[Exception], reason: str) -> None:
    counter = Counter()
    with pytest.raises(error, match=reason):
        await counter.do("code.add", **params)
    assert counter.tables.codes == {}
    assert counter.journal.batches == []


async def test_a_code_is_withdrawn_and_deleted() -> None:
    counter = Counter(phone(1))
    made = await counter.do("code.add", line="n1")
    assert (await counter.do("code.revoke", id=made["id"]))["state"] == "revoked"
    with pytest.raises(ConflictError, match="withdrawn already"):
        await counter.do("code.revoke", id=made["id"])
    assert (await counter.dials(phone(1), made["code"])).outcome.value == "revoked"
    assert await counter.do("code.delete", id=made["id"]) == {"deleted": made["id"]}
    with pytest.raises(NotFoundError):
        await counter.do("code.show", id=made["id"])
    assert [action for action, *_ in counter.audited()] == ["code.add", "code.revoke", "code.delete"]


async def test_deleting_leaves_nothing_of_a_code() -> None:
    counter = Counter(phone(1), phone(2), line("n1", max_devices=2))
    made = await counter.do("code.add", line="n1", uses=2)
    for number in (1, 2):
        await counter.dials(phone(number), made["code"])
    await counter.do("line.delete", id="n1")
    assert (counter.tables.codes, counter.tables.redemptions) == ({}, {})
    assert not [key for kind, key in counter.journal.records if kind.__name__ in {"Code", "Redemption"}]


async def test_to_another_tenant_a_code_does_not_exist() -> None:
    counter = Counter()
    made = await counter.do("code.add", NORTH, line="n1")
    for operation in ("code.show", "code.revoke", "code.delete"):
        with pytest.raises(NotFoundError, match="there is no code"):
            await counter.do(operation, SOUTH, id=made["id"])
    assert (await counter.do("code.list", SOUTH))["items"] == []
    with pytest.raises(NotFoundError, match="no line 'n1'"):
        await counter.do("code.add", SOUTH, line="n1")
    for params in ({"tenant": "north"}, {"line": "n1"}):
        with pytest.raises(NotFoundError):
            await counter.do("code.list", SOUTH, **params)
    with pytest.raises(NotFoundError):
        await counter.do("code.sheet", SOUTH, tenant="north")


async def test_scopes() -> None:
    counter = Counter()
    reader = Caller(name="r", scopes=frozenset({Scope.READ}))
    writer = Caller(name="w", scopes=frozenset({Scope.WRITE}))
    made = await counter.do("code.add", writer, line="n1")
    for caller, operation, params in (
        (reader, "code.add", {"line": "n1"}),
        (reader, "code.revoke", {"id": made["id"]}),
        (writer, "code.show", {"id": made["id"], "reveal": True}),
        (writer, "code.list", {"reveal": True}),
        (writer, "code.sheet", {"tenant": "north"}),
        (reader, "lock.lift", {"id": "site"}),
    ):
        with pytest.raises(ForbiddenError):
            await counter.do(operation, caller, **params)
    assert (await counter.do("code.show", id=made["id"], reveal=True))["code"] == made["code"]
    assert ("code.reveal", made["id"], "north") in counter.audited()


async def test_lists_are_filtered() -> None:
    counter = Counter()
    for name in ("n1", "n2", "s1"):
        await counter.do("code.add", line=name)
    assert {each["line"] for each in (await counter.do("code.list", tenant="north"))["items"]} == {"n1", "n2"}
    assert [each["line"] for each in (await counter.do("code.list", line="n2"))["items"]] == ["n2"]
    assert (await counter.do("code.list", state="expired"))["items"] == []
    with pytest.raises(UsageError, match="state: must be one of good, revoked, expired, used-up"):
        await counter.do("code.list", state="fine")
    for kind in ("codes", "locks"):
        assert kind in counter.admin.collections


# --- sheets


NASTY = '<script>alert("x")</script> & Söhne'


async def test_a_sheet_has_a_card_for_each_code_and_nothing_from_elsewhere() -> None:
    counter = Counter(line("n1", display_name=NASTY, number="101"), line("n2", display_name="Ben", number="99"))
    made = [await counter.do("code.add", line=name) for name in ("n1", "n2", "s1")]
    sheet = await counter.do("code.sheet", tenant="north")
    text = sheet["text"]
    assert (sheet["codes"], sheet["note"], sheet["format"]) == (2, "", "html")
    assert made[0]["grouped"] in text
    assert made[1]["grouped"] in text
    assert made[2]["grouped"] not in text
    assert text.index("Ben") < text.index("101"), "in the order of numbers"
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert text.count("<svg") == 2
    assert not re.search(r"(?:src|href)=|url\(|@import", text)
    assert "@page { size: A4" in text
    assert counter.audited()[-1] == ("code.sheet", "north", "north")


async def test_a_sheet_without_the_qr_package_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segno", None)
    counter = Counter()
    made = await counter.do("code.add", line="n1")
    sheet = await counter.do("code.sheet", tenant="north")
    assert sheet["note"] == printout.NO_QR
    assert "<svg" not in sheet["text"]
    assert printout.NO_QR in sheet["text"]
    assert made["grouped"] in sheet["text"]


async def test_a_sheet_as_csv() -> None:
    counter = Counter(line("n1", display_name="=cmd()", number="+34 1"))
    made = await counter.do("code.add", line="n1", expires=0)
    sheet = await counter.do("code.sheet", tenant="north", format="csv")
    rows = list(csv.DictReader(io.StringIO(sheet["text"])))
    assert rows == [
        {"line": "n1", "name": "'=cmd()", "number": "'+34 1", "code": made["code"], "uses": "1", "expires": ""}
    ]
    with pytest.raises(UsageError, match="html or csv"):
        await counter.do("code.sheet", tenant="north", format="pdf")


async def test_a_sheet_of_nothing_and_one_that_cannot_be_audited() -> None:
    counter = Counter(journal=BrokenJournal())
    with pytest.raises(NotFoundError, match="no code that is good"):
        await counter.do("code.sheet", tenant="south")
    counter.code("n1")
    with pytest.raises(StorageError):
        await counter.do("code.sheet", tenant="north")


# --- locks


async def test_locks_are_listed_and_lifted() -> None:
    counter = Counter(phone(1, tenant="north"))
    await counter.guesses(phone(1), 5)
    listed = {lock["id"]: lock for lock in (await counter.do("lock.list"))["items"]}
    own = listed[f"device:{phone(1).mac}"]
    assert (own["kind"], own["device"], own["tenant"], own["wrong"], own["locked"], own["wait"]) == (
        "device",
        "02:aa:aa:00:00:01",
        "north",
        5,
        True,
        3600,
    )
    assert (listed["site"]["locked"], listed["site"]["until"]) == (False, None)
    assert await counter.do("lock.lift", id=own["id"]) == {"lifted": own["id"]}
    assert (await counter.dials(phone(1), "1")).outcome.value == "unknown"
    assert counter.audited()[-1] == ("lock.lift", own["id"], "north")
    with pytest.raises(NotFoundError):
        await counter.do("lock.lift", id="device:nobody")
    with pytest.raises(UsageError, match="kind: must be"):
        await counter.do("lock.list", kind="door")


async def test_a_tenant_sees_and_lifts_the_locks_of_its_own_devices_only() -> None:
    counter = Counter(phone(1, tenant="north"), phone(2, tenant="south"))
    for number in (1, 2):
        await counter.guesses(phone(number), 5)
    assert [lock["id"] for lock in (await counter.do("lock.list", NORTH))["items"]] == [f"device:{phone(1).mac}"]
    for lock in (f"device:{phone(2).mac}", "site", "crowd:10.0.0.9"):
        with pytest.raises(NotFoundError):
            await counter.do("lock.lift", NORTH, id=lock)
    await counter.do("lock.lift", NORTH, id=f"device:{phone(1).mac}")
