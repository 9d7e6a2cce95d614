"""The PBX's side of FastAGI, from the protocol: it calls, answers commands from its variables, and can hang up."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field

_SET = re.compile(r'SET VARIABLE (\S+) "(.*)"')
_GET = re.compile(r'GET FULL VARIABLE "(.*)"')
_PLAY = re.compile(r'STREAM FILE "(.*)" ""')


@dataclass
class AgiCall:
    """One ``AGI(agi://…)`` of a dialplan. ``known`` are expressions and their values; what was set is in ``variables``.

    ``hang_up_after`` commands the caller hangs up (HANGUP is sent); with ``dead`` the channel is gone at once.
    """

    script: str = "dial"
    arguments: tuple[str, ...] = ()
    channel: str = "PJSIP/ap02aaaa000001-0000002a"
    extension: str = "s"
    known: dict[str, str] = field(default_factory=dict)
    hang_up_after: int = -1
    dead: bool = False
    unknown: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    played: list[str] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def environment(self) -> bytes:
        fields = {
            "agi_network": "yes",
            "agi_network_script": self.script,
            "agi_request": f"agi://localhost/{self.script}",
            "agi_channel": self.channel,
            "agi_language": "en",
            "agi_type": self.channel.partition("/")[0],
            "agi_uniqueid": "1700000000.42",
            "agi_version": "20.5.0",
            "agi_callerid": "unknown",
            "agi_calleridname": "unknown",
            "agi_dnid": self.extension,
            "agi_context": "provd",
            "agi_extension": self.extension,
            "agi_priority": "2",
            "agi_threadid": "140234",
        }
        fields |= {f"agi_arg_{number}": value for number, value in enumerate(self.arguments, 1)}
        return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode() + b"\n"

    async def run(self, host: str, port: int) -> None:
        """Until the other side ends the call."""
        stream, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(self.environment())
            while line := (await stream.readline()).decode().rstrip("\n"):
                self.commands.append(line)
                if len(self.commands) == self.hang_up_after:
                    writer.write(b"HANGUP\n")
                writer.write(self.answer(line))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    def answer(self, line: str) -> bytes:
        if self.dead and 0 <= self.hang_up_after <= len(self.commands):
            return b"511 Command Not Permitted on a dead channel or intercept routine\n"
        if line.split(" ", maxsplit=1)[0] in self.unknown:
            return b"510 Invalid or unknown command\n"
        if found := _SET.fullmatch(line):
            self.variables[found[1]] = re.sub(r"\\(.)", r"\1", found[2])
            return b"200 result=1\n"
        if found := _GET.fullmatch(line):
            value = self.known.get(found[1])
            return f"200 result=1 ({value})\n".encode() if value is not None else b"200 result=0\n"
        if found := _PLAY.fullmatch(line):
            self.played.append(found[1])
            return b"200 result=0 endpos=8000\n"
        return (
            b"520-Invalid command syntax.  Proper usage follows:\nUsage: SET VARIABLE <name> <value>\n"
            b"520 End of proper usage.\n"
        )
