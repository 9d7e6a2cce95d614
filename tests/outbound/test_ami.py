"""The manager connection against a server that behaves, and against some that do not."""

import asyncio
import ssl
from contextlib import asynccontextmanager

import pytest

from provd.app.resyncing import Heard, Order
from provd.base.errors import PeerError
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Device
from provd.outbound import ami
from provd.outbound.ami import AmiClient
from provd.outbound.pbx import AmiWay, Pbx
from tests.kit.ami import EVENTS, AmiServer
from tests.kit.certificates import self_signed
from tests.kit.clock import FakeClock
from tests.kit.patience import PATIENCE

PHONE = Device(mac=Mac("02aaaa000001"), tenant="north")
ORDER = Order(event="check-sync", lines=("101", "102"), tenant="north")


class Told:
    """A fact sink that can be waited on."""

    def __init__(self):
        self.facts = []
        self.changed = asyncio.Event()

    def emit(self, fact):
        self.facts.append(fact)
        self.changed.set()

    def ids(self):
        return [fact.ID for fact in self.facts]

    async def until(self, fact_id, count=1):
        async with asyncio.timeout(PATIENCE):
            while self.ids().count(fact_id) < count:
                self.changed.clear()
                await self.changed.wait()


class Pauses:
    """Every pause takes as long as the test lets it."""

    def __init__(self):
        self.waiting = []
        self.changed = asyncio.Event()

    async def __call__(self, seconds):
        future = asyncio.get_running_loop().create_future()
        self.waiting.append((seconds, future))
        self.changed.set()
        await future

    def end(self, seconds):
        for each, future in self.waiting:
            if each == seconds and not future.done():
                future.set_result(None)

    async def until(self, seconds):
        async with asyncio.timeout(PATIENCE):
            while not any(each == seconds and not future.done() for each, future in self.waiting):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def connection(server, patience=ami.ANSWER_WITHIN, host="127.0.0.1", tls=None):
    told, pauses = Told(), Pauses()
    where = ami.AmiServer(host=host, port=server.port, username="provd", secret=Secret("s3cret"), tls=tls)
    client = AmiClient(where, clock=FakeClock(), emit=told.emit, pause=pauses, patience=patience)
    client.start()
    try:
        yield client, told, pauses
    finally:
        await client.close()


def way_over(client, **changes):
    way = AmiWay()
    way.exchanges = (Pbx(client, "pbx", **changes),)
    return way


async def logged_in(pauses):
    await pauses.until(ami.PING_EVERY)


async def test_a_phone_is_told_through_its_line():
    async with AmiServer(endpoints={"102"}) as pbx, connection(pbx) as (client, told, pauses):
        await logged_in(pauses)
        heard = await way_over(client).tell(PHONE, ORDER)
        assert (heard.heard, heard.detail) == (Heard.PASSED_ON, "pbx has sent it to 102")
        assert pbx.notified == [("PJSIP", "102", "check-sync")]
        assert [block["Action"] for block in pbx.asked][:2] == ["Challenge", "Login"]
        assert not any("s3cret" in value for block in pbx.asked for value in block.values())
        assert told.facts == []


async def test_an_order_in_the_body_goes_line_by_line():
    order = Order(event="service-control", lines=("102",), tenant="north", body=("action=restart", "RegisterCallId={}"))
    async with AmiServer(endpoints={"102"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        await way_over(client).tell(PHONE, order)
        assert pbx.notified == [("PJSIP", "102", "service-control")]
        assert pbx.contents == [["Content-type=text/plain", "Content=action=restart", "Content=RegisterCallId={}"]]


@pytest.mark.parametrize("torn", [False, True])
async def test_events_between_the_answers_are_not_answers(torn):
    async with AmiServer(endpoints={"101"}, before=EVENTS, torn=torn) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        answers = await asyncio.gather(*(client.request("Ping", []) for _ in range(20)))
        assert all(answer.good for answer in answers)


async def test_names_of_endpoints_follow_from_the_lines():
    async with AmiServer(endpoints={"north-101-desk"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        way = way_over(client, endpoint="north-{username}-desk", technology="pjsip")
        assert (await way.tell(PHONE, ORDER)).heard is Heard.PASSED_ON


async def test_a_pbx_with_the_older_driver():
    async with AmiServer(pjsip=False, peers={"101"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        assert (await way_over(client).tell(PHONE, ORDER)).heard is Heard.PASSED_ON
        assert (await way_over(client, technology="sip").tell(PHONE, ORDER)).heard is Heard.PASSED_ON
        assert pbx.notified == [("SIP", "101", "check-sync")] * 2
        assert (await way_over(client, technology="pjsip").tell(PHONE, ORDER)).heard is Heard.REFUSED


async def test_a_pbx_with_both_drivers():
    async with AmiServer(endpoints={"900"}, peers={"102"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        assert (await way_over(client).tell(PHONE, ORDER)).heard is Heard.PASSED_ON
        assert pbx.notified == [("SIP", "102", "check-sync")]


async def test_over_tls_the_secret_is_shown_and_only_to_the_right_server(tmp_path):
    certificate, key = self_signed(tmp_path, "localhost")
    ours = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ours.load_cert_chain(certificate, key)
    theirs = ssl.create_default_context(cafile=certificate)
    async with AmiServer(endpoints={"101"}, tls=ours) as pbx:
        async with connection(pbx, host="localhost", tls=theirs) as (client, _, pauses):
            await logged_in(pauses)
            assert (await way_over(client).tell(PHONE, ORDER)).heard is Heard.PASSED_ON
            assert [block["Action"] for block in pbx.asked[:2]] == ["Login", "PJSIPNotify"]
            assert pbx.asked[0]["Secret"] == "s3cret"
        pbx.asked.clear()
        for host, context in (("127.0.0.1", theirs), ("localhost", ssl.create_default_context())):
            async with connection(pbx, host=host, tls=context) as (_, told, _pauses):
                await told.until("DEGRADED")
                assert "certificate verify failed" in told.facts[0].reason
        assert pbx.asked == []


async def test_no_line_no_way():
    async with AmiServer(endpoints={"101"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        assert (await way_over(client).tell(PHONE, Order(event="check-sync"))).heard is Heard.NO_WAY
        assert (await way_over(client, tenants=("south",)).tell(PHONE, ORDER)).heard is Heard.NO_WAY
        refused = await way_over(client).tell(PHONE, Order(event="check-sync", lines=("7",), tenant="north"))
        assert refused.heard is Heard.REFUSED
        assert pbx.notified == []


async def test_a_line_cannot_smuggle_an_action_in():
    async with AmiServer(endpoints={"101"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        evil = Order(event="check-sync", lines=("101\r\n\r\nAction: Originate\r\nX: y",), tenant="north")
        assert (await way_over(client).tell(PHONE, evil)).heard is Heard.NO_WAY
        assert {block["Action"] for block in pbx.asked} == {"Challenge", "Login"}


async def test_a_pbx_that_is_restarted_is_found_again():
    async with AmiServer(endpoints={"101"}) as pbx, connection(pbx) as (client, told, pauses):
        await logged_in(pauses)
        await pbx.down()
        await told.until("DEGRADED")
        assert not client.connected
        assert (await way_over(client).tell(PHONE, ORDER)).heard is Heard.NO_WAY
        with pytest.raises(PeerError):
            await client.request("Ping", [])
        for expected in (1.0, 2.0, 4.0):
            await pauses.until(expected)
            pauses.end(expected)
        await pauses.until(8.0)
        await pbx.open()
        pauses.end(8.0)
        await told.until("RECOVERED")
        assert told.ids() == ["DEGRADED", "RECOVERED"]
        assert told.facts[0].part == f"pbx 127.0.0.1:{pbx.port}"
        assert (await way_over(client).tell(PHONE, ORDER)).heard is Heard.PASSED_ON


async def test_a_connection_that_dies_quietly_is_noticed():
    async with AmiServer() as pbx, connection(pbx) as (client, told, pauses):
        await logged_in(pauses)
        client.patience = 0.05
        pbx.mute = {"Ping"}
        pauses.end(ami.PING_EVERY)
        await told.until("DEGRADED")
        assert told.facts[0].reason == "no answer to Ping within 0.05 s"
        assert not client.connected


async def test_a_slow_answer_is_not_waited_for():
    async with AmiServer(endpoints={"101"}, mute={"PJSIPNotify"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        client.patience = 0.05
        heard = await way_over(client).tell(PHONE, Order(event="check-sync", lines=("101",), tenant="north"))
        assert heard.heard is Heard.SILENT
        assert client.connected


async def test_a_wrong_secret_is_a_degraded_state():
    async with AmiServer(secret="other") as pbx, connection(pbx) as (_, told, _pauses):
        await told.until("DEGRADED")
        assert told.facts[0].reason == "it refuses the login of 'provd': Authentication failed"


@pytest.mark.parametrize(
    ("banner", "word"),
    [(b"SSH-2.0-OpenSSH\r\n", "no Asterisk"), (b"x" * 9000, "octets"), (b"A" * 9000 + b"\r\n", "octets")],
)
async def test_somebody_else_listens_there(banner, word):
    async with AmiServer(banner=banner) as pbx, connection(pbx) as (_, told, _pauses):
        await told.until("DEGRADED")
        assert word in told.facts[0].reason


async def test_nobody_listens_there():
    async with AmiServer() as pbx:
        pass
    async with connection(pbx) as (client, told, _):
        await told.until("DEGRADED")
        assert not client.connected
    assert told.ids() == ["DEGRADED", "RECOVERED"]


async def test_only_so_many_wait_at_once():
    async with AmiServer(mute={"PJSIPNotify"}) as pbx, connection(pbx) as (client, _, pauses):
        await logged_in(pauses)
        asks = [asyncio.create_task(client.request("PJSIPNotify", [])) for _ in range(ami.IN_FLIGHT)]
        await asyncio.sleep(0)
        with pytest.raises(PeerError, match="too many"):
            await client.request("Ping", [])
        await pbx.down()
        assert {type(each) for each in await asyncio.gather(*asks, return_exceptions=True)} == {PeerError}
