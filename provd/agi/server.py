"""FastAGI: a PBX takes the call, we say what the dialed number means (``AGI(agi://host:4573/dial,${EXTEN})``).

Only the PBXs that the configuration trusts are listened to: what they say of a caller decides whose phone is given
away.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
from collections.abc import Sequence
from dataclasses import field

from provd.agi import wire
from provd.agi.wire import Environment
from provd.app.dialing import Answer, Dial, DialDesk
from provd.base.clock import Clock
from provd.base.dataclass import dataclass
from provd.base.errors import ProvdError, WireError
from provd.base.facts import FactSink
from provd.base.facts.pbx import AgiCall, AgiRefused
from provd.base.types import Mac, parse_mac
from provd.guard.tally import Tally

CALLS = 200
PATIENCE = 5.0
"""Seconds for the environment, and for the answer to each command."""
PROMPT = 30.0
"""Seconds that a prompt may play."""

KINDS = ("account", "mac", "ip", "contact", "user_agent")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgiTerms:
    """Whose word counts; the expressions that the PBX evaluates on the caller's channel, by what they tell; and the
    PBX's own prompts by outcome (``accepted``; ``refused`` for all others that have none)."""

    trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...] = ()
    evidence: dict[str, str] = field(default_factory=dict)
    prompts: dict[str, str] = field(default_factory=dict)

    def trusts(self, peer: str) -> bool:
        """Whether this address is a PBX of ours."""
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        return any(address in network for network in self.trusted)


class HungUpError(ProvdError):
    """The channel is gone: nothing more can be said to it."""


class AgiServer:
    """``listen`` on each address, then ``close``. ``terms`` may be replaced at any time."""

    def __init__(
        self,
        desk: DialDesk,
        *,
        terms: AgiTerms,
        clock: Clock,
        emit: FactSink,
        patience: float = PATIENCE,
        calls: int = CALLS,
    ) -> None:
        self.terms = terms
        self._desk = desk
        self._clock = clock
        self._emit = emit
        self._patience = patience
        self._most = calls
        self._servers: list[asyncio.Server] = []
        self._calls: set[asyncio.Task[None]] = set()
        self._told: Tally[tuple[str, str]] = Tally()

    async def listen(self, host: str, port: int) -> tuple[str, int]:
        """Open a listener; gives where. Raises OSError."""
        server = await asyncio.start_server(self._accept, host, port, limit=wire.LONGEST_LINE)
        self._servers.append(server)
        opened = server.sockets[0].getsockname()
        return opened[0], opened[1]

    async def close(self, grace: float) -> None:
        """Take no more calls; those in hand have ``grace`` seconds."""
        for server in self._servers:
            server.close()
        if self._calls:
            await asyncio.wait(self._calls, timeout=grace)
        for call in list(self._calls):
            call.cancel()
        await asyncio.gather(*self._calls, return_exceptions=True)
        for server in self._servers:
            await server.wait_closed()

    async def _accept(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        if call is None:
            return
        peer = (writer.get_extra_info("peername") or ("?",))[0]
        self._calls.add(call)
        try:
            await self._admitted(stream, writer, peer)
        except asyncio.CancelledError:
            pass  # we are stopping; the PBX goes on with its dialplan
        finally:
            self._calls.discard(call)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _admitted(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: str) -> None:
        if not self.terms.trusts(peer):
            self._refuse(peer, "untrusted")
        elif len(self._calls) > self._most:
            self._refuse(peer, "full")
        else:
            conversation = Conversation(stream, writer, self._patience)
            try:
                await self._call(conversation, peer)
            except HungUpError:
                return
            except WireError as error:
                self._refuse(peer, "protocol", str(error))
            except TimeoutError:
                self._refuse(peer, "slow")
            except OSError:
                return

    async def _call(self, conversation: Conversation, peer: str) -> None:
        call = await conversation.environment()
        script, query = call.script
        given = {**query, **_named(call.arguments[1:])}
        digits = call.arguments[0] if call.arguments else query.get("code", "") or call.get("extension")
        if script not in {"", "dial"}:
            raise WireError(f"there is no script {script[:40]!r}; it is called dial")
        heard = await self._evidence(conversation, call, given)
        dial = dial_of(digits, heard, call, peer)
        answer = await self._desk.dial(dial)
        channel = call.get("channel")[:80]
        self._emit(
            AgiCall(
                at=self._clock.now(),
                mac=answer.mac,
                peer=peer,
                channel=channel,
                digits=len(digits),
                outcome=answer.outcome.value,
                account=dial.account,
            )
        )
        await self._say(conversation, answer)

    async def _evidence(self, conversation: Conversation, call: Environment, given: dict[str, str]) -> dict[str, str]:
        """What the PBX knows of the caller: what it says in the dialplan, then what it is asked for."""
        technology, _ = call.channel
        heard = {kind: given[kind] for kind in KINDS if given.get(kind)}
        for kind, expression in self.terms.evidence.items():
            if kind in heard or not expression or ("PJSIP" in expression.upper() and technology != "PJSIP"):
                continue
            value = (await conversation.ask(wire.get_full_variable(expression))).given
            if value:
                heard[kind] = value
        return heard

    async def _say(self, conversation: Conversation, answer: Answer) -> None:
        said = {
            "PROVD_RESULT": answer.outcome.value,
            "PROVD_REASON": answer.text,
            "PROVD_MAC": answer.mac or "",
            "PROVD_TENANT": answer.tenant,
            "PROVD_LINE": answer.line,
            "PROVD_WAIT": str(round(answer.wait)),
        }
        for name, value in said.items():
            await conversation.ask(wire.set_variable(name, value))
        prompts = self.terms.prompts
        prompt = prompts.get(answer.outcome.value, "" if answer.good else prompts.get("refused", ""))
        if prompt:
            await conversation.ask(wire.stream_file(prompt), PROMPT)

    def _refuse(self, peer: str, reason: str, detail: str = "") -> None:
        now = self._clock.now()
        if count := self._told.add((peer, reason), now):
            self._emit(AgiRefused(at=now, peer=peer, reason=reason, detail=detail, count=count))


class Conversation:
    """One call: commands out, answers in, each in time. Raises WireError, TimeoutError, HungUpError and OSError."""

    def __init__(self, stream: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self._stream = stream
        self._writer = writer
        self._patience = patience
        self.hung_up = False

    async def environment(self) -> Environment:
        """What the PBX says first. Raises WireError, TimeoutError and what the stream raises."""
        async with asyncio.timeout(self._patience):
            lines: list[str] = []
            while line := await self._line():
                lines.append(line)
                if len(lines) > wire.MOST_LINES:
                    raise WireError("an environment of too many lines")
        return wire.environment(lines)

    async def ask(self, command: bytes, patience: float = 0.0) -> wire.Answer:
        """Send a command; gives its answer. After HANGUP the channel still takes variables for the dialplan.

        ``patience``: seconds for the answer, in place of the usual ones. Raises HungUpError for a channel that is gone,
        WireError, and TimeoutError.
        """
        async with asyncio.timeout(patience or self._patience):
            self._writer.write(command)
            await self._writer.drain()
            lines = [await self._line()]
            while lines[0] == "HANGUP":
                self.hung_up = True
                lines = [await self._line()]
            while lines[0].startswith("520-") and not lines[-1].startswith("520 "):
                lines.append(await self._line())
                if len(lines) > wire.MOST_LINES:
                    raise WireError("an answer of too many lines")
        found = wire.answer(lines)
        if found.code == 511:
            raise HungUpError("the channel is dead")
        return found

    async def _line(self) -> str:
        try:
            octets = await self._stream.readuntil(b"\n")
        except asyncio.IncompleteReadError:
            raise HungUpError("the PBX has closed the connection") from None
        except asyncio.LimitOverrunError:
            raise WireError(f"a line of more than {wire.LONGEST_LINE} octets") from None
        return octets.rstrip(b"\r\n").decode("utf-8", "replace")


def dial_of(digits: str, heard: dict[str, str], call: Environment, peer: str) -> Dial:
    """The evidence as the desk takes it. What is not in its form is not known."""
    _, endpoint = call.channel
    ip, contact = host_of(heard.get("ip", "")), host_of(heard.get("contact", ""))
    return Dial(
        digits=digits,
        via="agi",
        account=heard.get("account") or endpoint,
        mac=_mac(heard.get("mac", "")),
        # Where both are known and differ, there is a NAT between, and its address is no phone's.
        ip=ip if contact in {"", ip} else "",
        peer=peer,
        contact=contact,
        user_agent=heard.get("user_agent", ""),
    )


def host_of(text: str) -> str:
    """The address in ``192.0.2.7:5060``, ``<sip:101@192.0.2.7:5060;ob>`` or ``[2001:db8::1]:5060``; empty when none."""
    _, scheme, uri = text.partition("sips:" if "sips:" in text else "sip:")
    rest = (uri if scheme else text).strip().strip("<")
    for end in ">;?":
        rest = rest.partition(end)[0]
    host = rest.rpartition("@")[2]
    for candidate in (host, host.rpartition(":")[0]):
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(candidate.strip("[]")))
    return ""


def _mac(text: str) -> Mac | None:
    try:
        return parse_mac(text)
    except ValueError:
        return None


def _named(arguments: Sequence[str]) -> dict[str, str]:
    """``mac=805ec0112233`` and its like among the arguments of the application."""
    pairs = (argument.partition("=") for argument in arguments)
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}
