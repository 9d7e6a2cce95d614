"""What a simulated phone hears, over real sockets too, and on which addresses it can play."""

from __future__ import annotations

import asyncio
import itertools
import random

import pytest

from provd.app.dialing import Answer, Dial, KnownAccount, Outcome
from provd.app.resyncing import Heard as Reaction
from provd.app.resyncing import Order
from provd.app.tokens import TemporaryAccount
from provd.base.clock import SystemClock
from provd.base.facts import Fact
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Device
from provd.plugin.phone import Account, Phone
from provd.simulate.telephone import Telephone, reachable, recognised
from provd.sip.player import Player
from provd.sip.prompts import Prompt, frames
from provd.sip.rtp import RtpPacket
from provd.sip.sdp import PCMA, PCMU
from provd.sip.server import SipServer
from tests.kit.patience import PATIENCE
from tests.kit.phones import make_phone
from tests.kit.ports import free_ports

MAC = Mac("002699112233")
ACCOUNT = TemporaryAccount(f"ap{MAC}", Secret("secret"))


class Office:
    """One account, one good code."""

    def find(self, username: str) -> KnownAccount | None:
        return KnownAccount(MAC, ACCOUNT) if username == ACCOUNT.username else None

    async def dial(self, dial: Dial) -> Answer:
        good = dial.digits == "1234"
        return Answer(outcome=Outcome.ACCEPTED if good else Outcome.UNKNOWN, text="Hello" if good else "Unknown code")


async def played(phone: Phone, password: str = "secret") -> tuple[list[str], list[str], str]:
    """A phone at a server: what its user heard, what it told, and what became of a NOTIFY."""
    facts: list[Fact] = []
    clock, office = SystemClock(), Office()
    player = Player(free_ports(20), facts.append, clock)
    server = SipServer(office, office, facts.append, clock, listen=[("127.0.0.1", 0)], key=b"k" * 32, player=player)
    server.open()
    await server.start()
    ((_, port),) = server.addresses
    account = Account(1, ACCOUNT.username, password, "127.0.0.1", port)
    told: list[str] = []
    obeyed: list[str] = []
    telephone = Telephone(
        phone, "127.20.16.9", [account], rng=random.Random(1),
        tell=lambda kind, text: told.append(f"{kind} {text}"), obeyed=obeyed.append,
    )  # fmt: skip
    heard: list[str] = []
    way = ""
    try:
        async with asyncio.timeout(PATIENCE):
            while not told:  # noqa: ASYNC110 - whatever becomes of it
                await asyncio.sleep(0.01)
        async with asyncio.timeout(0):
            await telephone.registered()
        heard = [str(await telephone.call(digits)) for digits in ("9999", "1234")]
        outcome = await server.tell(Device(mac=MAC), Order(event="check-sync"))
        assert (outcome.heard is Reaction.ACCEPTED) == bool(obeyed)
        way = f"{outcome.heard.value} {outcome.detail}"
    except TimeoutError:
        told.append("gives up")
    finally:
        telephone.close()
        await server.close()
    assert player.active == 0
    return heard, told, way


@pytest.mark.parametrize(
    "phone", [make_phone("cisco_spa", "SPA504G"), make_phone("yealink", "T27P")], ids=["spa", "yea"]
)
async def test_it_registers_hears_and_obeys_over_real_sockets(phone: Phone) -> None:
    heard, told, way = await played(phone)
    lengths = [len(frames(prompt, PCMU)) for prompt in (Prompt.WRONG, Prompt.ACCEPTED)]
    assert heard == [
        f"wrong (200 OK, {lengths[0]} packets of audio)",
        f"accepted (200 OK, {lengths[1]} packets of audio)",
    ]
    assert told == [f"registered {ACCOUNT.username}", "notified check-sync"]
    assert way == "accepted 200 OK"


async def test_a_wrong_password_is_told() -> None:
    heard, told, _ = await played(make_phone("yealink", "T27P"), password="wrong")
    assert heard == []
    assert told[0].startswith(f"unregistered {ACCOUNT.username}: 40")
    assert told[-1] == "gives up"


def packets(payloads: list[bytes], kind: int) -> list[RtpPacket]:
    return [RtpPacket(kind, number, 0, 1, payload) for number, payload in enumerate(payloads)]


@pytest.mark.parametrize("kind", [PCMU, PCMA])
@pytest.mark.parametrize("prompt", list(Prompt))
def test_a_prompt_is_recognised_also_with_losses_and_out_of_order(prompt: Prompt, kind: int) -> None:
    payloads = list(frames(prompt, kind))
    random.Random(1).shuffle(payloads)
    assert recognised(packets(payloads, kind)) == prompt
    assert recognised(packets(payloads[len(payloads) // 10 :], kind)) == prompt


def test_something_else_is_not() -> None:
    every = list(itertools.chain.from_iterable(frames(prompt, PCMU) for prompt in Prompt))
    assert recognised([]) == ""
    assert recognised(packets(every, PCMU)) == ""
    assert recognised(packets(list(frames(Prompt.WRONG, PCMU))[:20], PCMU)) == ""
    assert recognised(packets(list(frames(Prompt.WRONG, PCMU)), 9)) == ""


def test_where_a_phone_can_play() -> None:
    told: list[str] = []
    accounts = [
        Account(1, "a", "", "10.0.0.1"),
        Account(1, "b", "", "pbx.example"),
        Account(1, "c", "", "10.0.0.1", transport="tcp"),
    ]
    assert [reachable(account, lambda _kind, text: told.append(text)) for account in accounts] == [True, False, False]
    assert told == ["b: udp to pbx.example is not simulated", "c: tcp to 10.0.0.1 is not simulated"]
