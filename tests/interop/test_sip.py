"""SIP programs that we did not write register, dial a code and are told to fetch their files."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from provd.app.resyncing import Heard, Order
from provd.base.clock import SystemClock
from provd.config.settings import SipSection
from provd.daemon.translate import sip_of
from provd.domain.records import Device
from provd.sip.player import Player
from tests.conftest import program
from tests.kit.patience import PATIENCE
from tests.sip.edge import World, serving
from tests.sip.stage import accounts, password_of

USER = "ap02aaaa000001"
DEVICE = Device(mac=accounts()[USER].mac)
ORDER = Order(event="check-sync")

pytestmark = pytest.mark.peer

HEAD = """
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:[field0]@[remote_ip]>;tag=[call_number]
      Call-ID: [call_id]
      Contact: <sip:[field0]@[local_ip]:[local_port]>
      Max-Forwards: 70
"""
REGISTER = (
    """
  <send retrans="500"><![CDATA[
      REGISTER sip:[remote_ip]:[remote_port] SIP/2.0"""
    + HEAD
    + """      To: <sip:[field0]@[remote_ip]>
      CSeq: {cseq} REGISTER
      {auth}Expires: 120
      Content-Length: 0

  ]]></send>
"""
)
INVITE = (
    """
  <send retrans="500"><![CDATA[
      INVITE sip:1234@[remote_ip]:[remote_port] SIP/2.0"""
    + HEAD
    + """      To: <sip:1234@[remote_ip]>
      CSeq: {cseq} INVITE
      {auth}Content-Type: application/sdp
      Content-Length: [len]

      v=0
      o=- 1 1 IN IP4 [local_ip]
      s=-
      c=IN IP4 [local_ip]
      t=0 0
      m=audio 6000 RTP/AVP 8 0

  ]]></send>
"""
)
ACK = (
    """
  <send><![CDATA[
      ACK sip:1234@[remote_ip]:[remote_port] SIP/2.0"""
    + HEAD
    + """      To: <sip:1234@[remote_ip]>[peer_tag_param]
      CSeq: {cseq} ACK
      Content-Length: 0

  ]]></send>
"""
)
OK = """
  <send><![CDATA[
      SIP/2.0 200 OK
      [last_Via:]
      [last_From:]
      [last_To:]
      [last_Call-ID:]
      [last_CSeq:]
      Content-Length: 0

  ]]></send>
"""
AUTH = "[field1]\n      "
CALLER = (
    REGISTER.format(cseq=1, auth="")
    + '<recv response="401" auth="true"/>'
    + REGISTER.format(cseq=2, auth=AUTH)
    + '<recv response="200"/>'
    + INVITE.format(cseq=3, auth="")
    + '<recv response="401" auth="true"/>'
    + ACK.format(cseq=3)
    + INVITE.format(cseq=4, auth=AUTH)
    + '<recv response="100" optional="true"/><recv response="200"/>'
    + ACK.format(cseq=4)
    + '<recv request="BYE"/>'
    + OK
)
"""Everything that a phone does, in the words of sipp."""
LATE = '<recv request="NOTIFY"/><pause milliseconds="1700"/>' + OK
"""By then two more copies have come."""
WHO = 'WWW-Authenticate: Digest realm="phone", nonce="n1", qop="auth", algorithm=MD5\n      Content-Length'
CHALLENGER = (
    '<recv request="NOTIFY"/>'
    + OK.replace("200 OK", "401 Unauthorized").replace("Content-Length", WHO)
    + '<recv request="NOTIFY" next="good" test="1"><action>'
    + f'<verifyauth assign_to="1" username="{USER}" password="{password_of(1)}"/></action></recv>'
    + OK.replace("200 OK", "403 Forbidden").replace("<send>", '<send next="end">')
    + '<label id="good"/>'
    + OK
    + '<label id="end"/>'
)


USUAL = sip_of(SipSection())
"""What a site has that sets nothing: these programs, like old phones, know MD5 only."""
_ALONE = ("-nostdin", "-trace_err", "-timeout", "200s")


def scenario(folder: Path, steps: str) -> str:
    """A file for ``sipp -sf``."""
    path = folder / f"{abs(hash(steps))}.xml"
    path.write_text(f'<?xml version="1.0" encoding="ISO-8859-1" ?>\n<scenario name="x">{steps}</scenario>\n')
    return str(path)


async def run(*command: str, seconds: float = PATIENCE, cwd: Path | None = None, code: int = 0) -> str:
    """What a program printed; it must end by itself, and with this code."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        stdin=asyncio.subprocess.DEVNULL,
        cwd=cwd,
    )
    try:
        output, _ = await asyncio.wait_for(process.communicate(), seconds)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    text = output.decode(errors="replace")
    assert process.returncode == code, text[-3000:]
    return text


async def sipp(world: World, folder: Path, steps: str, *more: str, calls: int = 1) -> None:
    words = "SEQUENTIAL\n"
    for name, account in accounts().items():
        words += f"{name};[authentication username={name} password={account.password.reveal()}]\n"
    (folder / "accounts.csv").write_text(words)
    server = f"127.0.0.1:{world.port}"
    # Left alone it names the host in its credentials, and not what it dials.
    who = ("-inf", str(folder / "accounts.csv"), "-auth_uri", f"1234@{server}")
    how = ("-i", "127.0.0.1", "-m", str(calls), *_ALONE, *more)
    await run(program("sipp"), server, "-sf", scenario(folder, steps), *who, *how, cwd=folder)


def quiet_player() -> Player:
    return Player(range(43000, 43100), print, SystemClock())


async def soon(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    async def wait() -> None:
        while not condition():  # noqa: ASYNC110 - somebody else's event
            await asyncio.sleep(0.01)

    await asyncio.wait_for(wait(), seconds)


@pytest.mark.parametrize("transport", ["u1", "t1"])
async def test_sipp_registers_dials_and_is_hung_up(transport: str, tmp_path: Path) -> None:
    async with serving(player=quiet_player(), settings=USUAL) as world:
        await sipp(world, tmp_path, CALLER, "-t", transport)
        assert [dial.digits for dial in world.desk.dials] == ["1234"]
        assert world.desk.dials[0].account == USER
        await soon(lambda: world.ids().count("SIP-CALL-ENDED") == 1)
        assert [fact.reason for fact in world.facts if fact.ID == "SIP-CALL-ENDED"] == ["played"]


async def test_forty_phones_of_sipp_at_once(tmp_path: Path) -> None:
    async with serving(player=quiet_player(), settings=USUAL) as world:
        await sipp(world, tmp_path, CALLER, "-r", "40", calls=40)
        assert sorted(dial.account for dial in world.desk.dials) == sorted(accounts())[:40]
        await soon(lambda: world.ids().count("SIP-CALL-ENDED") == 40)
        assert world.server.endpoint.calls == 0


async def told(world: World, folder: Path, steps: str) -> tuple[str, str]:
    """Register with sipp on a port, then hear there what another sipp makes of a NOTIFY."""
    registering = (
        REGISTER.format(cseq=1, auth="") + '<recv response="401" auth="true"/>' + REGISTER.format(cseq=2, auth=AUTH)
    )
    await sipp(world, folder, registering + '<recv response="200"/>')
    flow = world.server.flow_of(USER)
    assert flow is not None
    where = ("-i", "127.0.0.1", "-p", str(flow.port), "-m", "1", *_ALONE)
    listening = asyncio.create_task(run(program("sipp"), "-sf", scenario(folder, steps), *where, cwd=folder))
    answer = await world.server.tell(DEVICE, ORDER)
    return answer.heard, await listening


async def test_sipp_answers_after_the_third_copy_of_a_notify(tmp_path: Path) -> None:
    """SP-01, SP-02."""
    async with serving(settings=USUAL) as world:
        heard, _ = await told(world, tmp_path, LATE)
        assert heard is Heard.ACCEPTED


async def test_sipp_challenges_a_notify(tmp_path: Path) -> None:
    """SP-03."""
    async with serving(settings=USUAL) as world:
        heard, _ = await told(world, tmp_path, CHALLENGER)
        assert heard is Heard.ACCEPTED


async def test_sipsak_registers_and_asks() -> None:
    """It looks at the first challenge only, and gives up where that is not MD5; the second time it gets what it can."""
    sipsak = program("sipsak")
    async with serving() as world:
        server, contact = f"127.0.0.1:{world.port}", f"sip:{USER}@127.0.0.1:5099"
        who = ("-u", USER, "-a", password_of(1), "-s", f"sip:{USER}@{server}", "-vv")
        register = (sipsak, "-U", "-C", contact, "-x", "120", *who)
        assert "unsupported authentication algorithm" in await run(*register, code=2)
        assert "completed successful" in await run(*register)
        flow = world.server.flow_of(USER)
        assert flow is not None
        assert flow.contact == contact
        assert "200 OK" in await run(sipsak, "-s", f"sip:x@{server}", "-vv")


async def test_sipsak_sends_rubbish() -> None:
    async with serving() as world:
        server = f"sip:x@127.0.0.1:{world.port}"
        process = await asyncio.create_subprocess_exec(
            program("sipsak"), "-R", "-t", "40", "-s", server,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        ending = asyncio.create_task(process.wait())
        await soon(lambda: ending.done() or world.server.endpoint.stats.messages > 30)
        if not ending.done():
            process.terminate()
        await ending
        assert world.server.endpoint.stats.messages
        assert "INTERNAL-ERROR" not in world.ids()
        assert "200 OK" in await run(program("sipsak"), "-s", server, "-vv")


BARESIP = """
poll_method epoll
sip_listen 127.0.0.1:0
audio_player aubridge,nil
audio_source aubridge,nil
audio_alert aubridge,nil
module_path /usr/lib/baresip/modules
module g711.so
module aubridge.so
module_tmp account.so
module_app account.so
module_app menu.so
"""


async def test_baresip_registers_dials_a_code_and_hears_it(tmp_path: Path) -> None:
    baresip = program("baresip")
    player = quiet_player()
    async with serving(player=player) as world:
        (tmp_path / "config").write_text(BARESIP)
        (tmp_path / "accounts").write_text(
            f"<sip:{USER}@127.0.0.1:{world.port}>;auth_pass={password_of(1)};regint=120;audio_codecs=PCMA\n"
        )
        process = await asyncio.create_subprocess_exec(
            baresip, "-4", "-f", str(tmp_path), "-e", f"/dial sip:*1234@127.0.0.1:{world.port}", "-t", "200",
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT, stdin=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        try:
            await soon(lambda: world.ids().count("SIP-CALL-ENDED") == 1)
            ended = next(fact for fact in world.facts if fact.ID == "SIP-CALL-ENDED")
            assert (ended.reason, ended.said) == ("played", "No such code")
            assert [dial.digits for dial in world.desk.dials] == ["*1234"]
            assert player.stats.packets > 40
            await soon(lambda: world.server.flow_of(USER) is not None)
            # It has no such thing as files to fetch, and says so; what counts is that it was reached.
            answer = await world.server.tell(DEVICE, ORDER)
            assert answer.heard in {Heard.ACCEPTED, Heard.REFUSED}
            assert answer.detail[:1] in {"2", "4", "5"}
        finally:
            process.terminate()
            text = (await process.communicate())[0].decode(errors="replace")
        assert "200 OK" in text
        assert "Call established" in text
