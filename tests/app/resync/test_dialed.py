"""A code is dialed: what its plan says of the reason and the flow goes into the note, with what the fleet knows."""

from provd.app import ownership
from provd.app.ports import Put
from provd.app.resyncing import Heard
from provd.domain.records import PendingResync
from tests.app.fakes import PHONE
from tests.app.resync.site import FakeWay, Site, journal, virtual


@virtual
async def test_the_plan_and_the_note_are_one():
    async with Site(journal(), FakeWay("sip", Heard.ACCEPTED)) as site:
        said = PendingResync(
            mac=PHONE, since=1.0, reason="code", account="ap1", transport="udp", host="192.0.2.1", port=40001
        )

        await site.fleet.change(lambda: [*ownership.assign(site.fleet.tables, PHONE, ["n1"]), Put(said)])
        note = site.note()
        assert (note.reason, note.account, note.host, note.port) == ("code", "ap1", "192.0.2.1", 40001)
        assert note.revision == site.device(PHONE).revision
        assert note.due > note.since > 1.0
        assert site.journal.batches[-1][-1] == Put(note)
