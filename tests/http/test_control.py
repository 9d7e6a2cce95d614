import asyncio
import http.client
import io
import json
import os
import socket
import stat
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, UnixConnector

from provd.base.errors import (
    ConfigError,
    ConflictError,
    NotFoundError,
    PluginError,
    ProvdError,
    StorageError,
    UsageError,
)
from provd.base.facts.daemon import Recovered
from provd.base.secrets import Secret
from provd.http.control import ControlServer, caller_of, may_use
from provd.http.listening import control_socket
from provd.observe import tail as observe
from tests.http.kit import FixedClock, until
from tests.kit.patience import PATIENCE

MAC = "805ec0112233"


class Tail:
    """Watchers that hear what the test says."""

    def __init__(self) -> None:
        self.watching: dict[asyncio.Queue, str | None] = {}
        self.empty = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, mac):
        queue: asyncio.Queue = asyncio.Queue()
        self.watching[queue] = mac

        async def lines():
            while True:
                yield await queue.get()

        try:
            yield lines()
        finally:
            del self.watching[queue]
            self.empty.set()

    def say(self, line: str) -> None:
        for queue in self.watching:
            queue.put_nowait(line)


class Desk:
    """A control server with operations, and a client of it."""

    def __init__(self, folder, permit=None) -> None:
        self.path = folder / "control.sock"
        self.facts: list = []
        self.tail = Tail()
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.finished = asyncio.Event()
        self.server = ControlServer(
            {"echo": self.echo, "fail": self.fail, "wait": self.wait},
            self.tail,
            emit=self.facts.append,
            clock=FixedClock(),
            heartbeat=0.05,
            permit=permit,
        )

    async def echo(self, params):
        return {"params": params, "password": Secret("hunter2")}

    async def fail(self, params):
        raise params["how"] and FAILURES[params["how"]]

    async def wait(self, params):
        self.begun.set()
        await self.gate.wait()
        self.finished.set()
        return {}


FAILURES: dict[str, Exception] = {
    "usage": UsageError("no such colour"),
    "not-found": NotFoundError("no device 1"),
    "conflict": ConflictError("code in use"),
    "config": ConfigError("bad", "a.toml:3"),
    "plugin": PluginError("broken"),
    "storage": StorageError("disk full"),
    "refused": ProvdError("no"),
    "internal": ZeroDivisionError("a secret detail"),
}


@pytest.fixture
async def desk(tmp_path):
    desk = Desk(tmp_path)
    await desk.server.serve(control_socket(desk.path))
    desk.http = ClientSession(connector=UnixConnector(str(desk.path)))
    yield desk
    desk.gate.set()
    await desk.http.close()
    await desk.server.close()
    assert not desk.path.exists()


async def post(desk, operation, body=b"{}"):
    async with desk.http.post(f"http://x/v1/{operation}", data=body) as answer:
        return answer.status, answer.content_type, json.loads(await answer.read())


async def test_an_operation_gets_an_object_and_gives_one(desk):
    status, kind, result = await post(desk, "echo", b'{"mac": "80:5e", "n": [1, null]}')
    assert (status, kind) == (200, "application/json")
    assert result == {"params": {"mac": "80:5e", "n": [1, None]}, "password": "***"}
    assert (await post(desk, "echo", b""))[2]["params"] == {}


@pytest.mark.parametrize(
    ("slug", "status"),
    [
        ("usage", 400),
        ("not-found", 404),
        ("conflict", 409),
        ("config", 422),
        ("plugin", 422),
        ("storage", 503),
        ("refused", 400),
    ],
)
async def test_refusals_are_problem_details(desk, slug, status):
    got, kind, problem = await post(desk, "fail", json.dumps({"how": slug}).encode())
    assert (got, kind) == (status, "application/problem+json")
    assert (problem["type"], problem["status"], problem["detail"]) == (slug, status, str(FAILURES[slug]))
    assert problem["title"]
    assert desk.facts == []


async def test_a_defect_is_told_and_does_not_leak(desk):
    status, _, problem = await post(desk, "fail", b'{"how": "internal"}')
    assert (status, problem["type"]) == (500, "internal")
    assert "secret" not in json.dumps(problem)
    assert [(fact.ID, fact.where) for fact in desk.facts] == [("INTERNAL-ERROR", "control fail")]


@pytest.mark.parametrize("body", [b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
async def test_rubbish_is_refused(desk, body):
    status, _, problem = await post(desk, "echo", body)
    assert (status, problem["type"]) == (400, "usage")


async def test_unknown_names_and_methods(desk):
    assert (await post(desk, "nothing"))[2]["type"] == "unknown-operation"
    assert (await post(desk, "a/b"))[2]["type"] == "unknown-operation"
    async with desk.http.get("http://x/v1/echo") as answer:
        assert (answer.status, json.loads(await answer.read())["type"]) == (405, "method")
    async with desk.http.get("http://x/v1") as answer:
        assert await answer.json() == {"operations": ["echo", "fail", "wait"]}


async def test_too_large_a_body_is_refused(desk):
    status, _, problem = await post(desk, "echo", io.BytesIO(b" " * (17 << 20)))
    assert (status, problem["type"]) == (413, "too-large")


async def test_the_tail_streams_lines_until_the_client_leaves(desk):
    async with desk.http.get("http://x/v1/tail?mac=80-5E-C0-11-22-33") as answer:
        assert answer.content_type == "application/x-ndjson"
        await until(lambda: list(desk.tail.watching.values()) == [MAC])
        desk.tail.say('{"fact":"READY"}')
        lines = [await answer.content.readline()]
        while lines[-1] == b"\n":
            lines.append(await answer.content.readline())
        assert lines[-1] == b'{"fact":"READY"}\n'
        assert await answer.content.readline() == b"\n"
        answer.close()
    await asyncio.wait_for(desk.tail.empty.wait(), PATIENCE)


async def test_the_tail_of_no_mac_is_refused(desk):
    async with desk.http.get("http://x/v1/tail?mac=nonsense") as answer:
        assert (answer.status, json.loads(await answer.read())["type"]) == (400, "usage")


async def test_an_operation_is_completed_although_the_caller_left(desk):
    asking = asyncio.ensure_future(post(desk, "wait"))
    await asyncio.wait_for(desk.begun.wait(), PATIENCE)
    asking.cancel()
    await asyncio.sleep(0.02)
    desk.gate.set()
    await asyncio.wait_for(desk.finished.wait(), PATIENCE)


async def test_the_standard_library_can_talk_to_it(desk):
    def talk():
        connection = http.client.HTTPConnection("localhost")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(desk.path))
        connection.request("POST", "/v1/echo", json.dumps({"a": 1}))
        result = json.loads(connection.getresponse().read())
        connection.close()
        return result["params"]

    assert await asyncio.to_thread(talk) == {"a": 1}


async def test_the_socket_is_ours_alone(desk):
    assert stat.S_IMODE(desk.path.stat().st_mode) == 0o600


async def test_a_stale_socket_is_replaced_and_a_living_one_is_not(desk, tmp_path):
    other = ControlServer({}, desk.tail, emit=desk.facts.append, clock=FixedClock())
    with pytest.raises(ConfigError, match="another daemon"):
        control_socket(desk.path)
    (tmp_path / "file").write_text("precious")
    with pytest.raises(ConfigError, match="something else"):
        control_socket(tmp_path / "file")
    with pytest.raises(ConfigError, match="No such file"):
        control_socket(tmp_path / "nowhere" / "control.sock")
    stale = tmp_path / "stale.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    await other.serve(control_socket(stale))
    await other.close()


def test_who_may_use_it():
    assert may_use(0)
    assert may_use(os.geteuid())
    assert not may_use(os.geteuid() + 1)


def test_the_kernel_says_who_connects():
    left, right = socket.socketpair(socket.AF_UNIX)
    with left, right:
        assert caller_of(left) == os.geteuid()


async def test_a_stranger_is_turned_away(tmp_path):
    desk = Desk(tmp_path, permit=lambda _caller: False)
    await desk.server.serve(control_socket(desk.path))
    async with ClientSession(connector=UnixConnector(str(desk.path))) as desk.http:
        status, _, problem = await post(desk, "echo")
        assert (status, problem["type"]) == (403, "forbidden")
    await desk.server.close()


async def test_the_live_tail_of_facts_fits(tmp_path):
    tail = observe.Tail()
    server = ControlServer({}, tail.watch, emit=print, clock=FixedClock(), heartbeat=0.02)
    await server.serve(control_socket(tmp_path / "control.sock"))
    connector = UnixConnector(str(tmp_path / "control.sock"))
    async with ClientSession(connector=connector) as session, session.get("http://x/v1/tail") as answer:
        assert await answer.content.readline() == b"\n"
        tail([Recovered(at=1.0, part="tftp")])
        line = json.loads(await answer.content.readline())
        assert (line["time"], line["text"]) == ("1970-01-01T00:00:01.000Z", "RECOVERED part=tftp")
    await server.close()


async def test_a_tail_that_fails_ends_and_is_told(tmp_path):
    @asynccontextmanager
    async def broken(mac):
        raise RuntimeError("no tail today")
        yield

    facts = []
    server = ControlServer({}, broken, emit=facts.append, clock=FixedClock())
    await server.serve(control_socket(tmp_path / "control.sock"))
    connector = UnixConnector(str(tmp_path / "control.sock"))
    async with ClientSession(connector=connector) as session, session.get("http://x/v1/tail") as answer:
        assert await answer.read() == b""
    assert [fact.where for fact in facts] == ["control tail"]
    await server.close()


async def test_a_stopping_daemon_ends_the_tails_properly(desk):
    async with desk.http.get("http://x/v1/tail") as answer:
        await until(lambda: desk.tail.watching)
        await desk.server.close()
        assert set(await answer.read()) <= {ord("\n")}
