"""A telephone of a few lines, of its own making: it registers, dials, and says yes to a NOTIFY (RFC 3261 over UDP).

It shares no code with the server and with the phones that `provd simulate` plays, so it shares no mistake with them.
Everything blocks: run each in a thread of its own.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import socket
import time
from dataclasses import dataclass, field

from tests.kit.patience import PATIENCE

_TRY = 0.5
_LARGEST = 65535
_AUDIO = 4000
"""Where nobody listens to what is played to the phone: a port that neither the kernel nor a test gives to anybody."""
_CHALLENGE = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')


@dataclass
class Message:
    """Start line, headers with lower-case names (the first of each), body."""

    start: str
    headers: dict[str, str]
    vias: list[str]
    body: str = ""

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1]) if self.start.startswith("SIP/2.0 ") else 0

    @property
    def reason(self) -> str:
        return self.start.split(" ", 2)[2]

    @property
    def method(self) -> str:
        return self.start.split(" ")[0]


def parse(octets: bytes) -> Message:
    head, _, body = octets.decode("utf-8", "replace").partition("\r\n\r\n")
    start, *lines = head.split("\r\n")
    headers: dict[str, str] = {}
    vias = []
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip().lower() in {"via", "v"}:
            vias.append(value.strip())
        headers.setdefault(name.strip().lower(), value.strip())
    return Message(start, headers, vias, body)


@dataclass
class SipPhone:
    """``sock`` is bound to the phone's address. ``notified`` are the Events of the NOTIFYs that came."""

    sock: socket.socket
    server: tuple[str, int]
    username: str
    password: str
    notified: list[str] = field(default_factory=list)
    answer_notify: str = "200 OK"
    gives_up: float = PATIENCE
    ended: int = 0
    user_agent: str = ""

    def __post_init__(self) -> None:
        self.ip, self.port = self.sock.getsockname()
        self._cseq = 0
        self._seen: dict[str, bytes] = {}

    # --- what it does

    def register(self, seconds: int = 300) -> int:
        """Register; gives the final status."""
        headers = {"Contact": f"<sip:{self.username}@{self.ip}:{self.port}>", "Expires": str(seconds)}
        headers |= {"User-Agent": self.user_agent} if self.user_agent else {}
        return self._authorized("REGISTER", f"sip:{self.server[0]}", f"sip:{self.username}@{self.server[0]}", headers)[
            0
        ].status

    def dial(self, digits: str, patience: float = PATIENCE) -> tuple[int, str]:
        """Call; gives the final status and its reason phrase. A call that is taken is heard to its end."""
        uri = f"sip:{digits}@{self.server[0]}"
        headers = {"Contact": f"<sip:{self.username}@{self.ip}:{self.port}>", "Content-Type": "application/sdp"}
        body = (
            f"v=0\r\no=- 1 1 IN IP4 {self.ip}\r\ns=-\r\nc=IN IP4 {self.ip}\r\nt=0 0\r\n"
            f"m=audio {_AUDIO} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )
        final, call = self._authorized("INVITE", uri, uri, headers, body)
        if final.status == 200:
            self._ack(final, call, uri)
            ended, end = self.ended, time.monotonic() + patience
            while self.ended == ended and time.monotonic() < end:
                self._receive(_TRY)
        return final.status, final.reason

    def wait_notified(self, count: int = 1, patience: float = PATIENCE) -> list[str]:
        """Wait for so many NOTIFYs in all."""
        end = time.monotonic() + patience
        while len(self.notified) < count and time.monotonic() < end:
            self._receive(_TRY)
        return self.notified

    def close(self) -> None:
        self.sock.close()

    # --- requests

    def _authorized(
        self, method: str, uri: str, to: str, headers: dict[str, str], body: str = ""
    ) -> tuple[Message, dict[str, str]]:
        call = {"id": secrets.token_hex(8), "tag": secrets.token_hex(4)}
        final = self._transact(method, uri, to, headers, body, call)
        for code, asked, given in (
            (401, "www-authenticate", "Authorization"),
            (407, "proxy-authenticate", "Proxy-Authorization"),
        ):
            if final.status == code:
                proof = self._proof(final.headers[asked], method, uri)
                final = self._transact(method, uri, to, {**headers, given: proof}, body, call)
        return final, call

    def _transact(
        self, method: str, uri: str, to: str, headers: dict[str, str], body: str, call: dict[str, str]
    ) -> Message:
        self._cseq += 1
        branch = call["branch"] = f"z9hG4bK{secrets.token_hex(6)}"
        call["cseq"] = str(self._cseq)
        octets = self._build(method, uri, to, call, {**headers, "CSeq": f"{self._cseq} {method}"}, body)
        began, pause, provisional = time.monotonic(), _TRY, False
        while time.monotonic() < began + self.gives_up:
            if not provisional:
                self.sock.sendto(octets, self.server)
            message = self._receive(pause)
            while message is not None:
                if branch in message.vias[0] and message.status >= 200:
                    if method == "INVITE" and message.status >= 300:
                        self._ack(message, call, uri)
                    return message
                provisional = provisional or (branch in message.vias[0] and method == "INVITE")
                message = self._receive(pause)
            pause = min(2 * pause, 4)
        raise AssertionError(f"no answer to {method}")

    def _ack(self, final: Message, call: dict[str, str], uri: str) -> None:
        taken = final.status < 300
        contact = re.search(r"<([^>]*)>", final.headers.get("contact", ""))
        if taken:
            call = {**call, "branch": f"z9hG4bK{secrets.token_hex(6)}"}
        headers = {"CSeq": f"{call['cseq']} ACK"}
        target = contact[1] if taken and contact else uri
        self.sock.sendto(self._build("ACK", target, "", call, headers, "", to_header=final.headers["to"]), self.server)

    def _build(
        self,
        method: str,
        uri: str,
        to: str,
        call: dict[str, str],
        headers: dict[str, str],
        body: str,
        to_header: str = "",
    ) -> bytes:
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/UDP {self.ip}:{self.port};rport;branch={call['branch']}",
            f"From: <sip:{self.username}@{self.server[0]}>;tag={call['tag']}",
            f"To: {to_header or f'<{to}>'}",
            f"Call-ID: {call['id']}",
            "Max-Forwards: 70",
            *(f"{name}: {value}" for name, value in headers.items()),
            f"Content-Length: {len(body)}",
        ]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def _proof(self, challenge: str, method: str, uri: str) -> str:
        given = {name.lower(): quoted or plain for name, quoted, plain in _CHALLENGE.findall(challenge)}
        algorithm = given.get("algorithm", "MD5")
        digest = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm.upper()]

        def h(text: str) -> str:
            return digest(text.encode()).hexdigest()

        ha1 = h(f"{self.username}:{given['realm']}:{self.password}")
        ha2 = h(f"{method}:{uri}")
        cnonce = secrets.token_hex(8)
        response = h(f"{ha1}:{given['nonce']}:00000001:{cnonce}:auth:{ha2}")
        fields = {"username": self.username, "realm": given["realm"], "nonce": given["nonce"], "uri": uri}
        fields |= {"response": response, "cnonce": cnonce} | ({"opaque": given["opaque"]} if "opaque" in given else {})
        quoted = ", ".join(f'{name}="{value}"' for name, value in fields.items())
        return f"Digest {quoted}, algorithm={algorithm}, qop=auth, nc=00000001"

    # --- what comes in

    def _receive(self, patience: float) -> Message | None:
        """One message, or None; requests are answered on the way."""
        self.sock.settimeout(patience)
        try:
            octets, source = self.sock.recvfrom(_LARGEST)
        except TimeoutError:
            return None
        if b"SIP/2.0" not in octets.partition(b"\r\n")[0]:
            # Keep-alives, and audio for a port that was somebody else's a moment ago.
            return self._receive(patience)
        message = parse(octets)
        if message.status:
            return message
        self._answer(message, source)
        return self._receive(patience) if message.method not in {"NOTIFY", "BYE"} else None

    def _answer(self, request: Message, source: tuple[str, int]) -> None:
        if request.method == "ACK":
            return
        branch = request.vias[0]
        again = self._seen.get(branch)
        if again is None:
            status = "200 OK"
            if request.method == "NOTIFY":
                self.notified.append(request.headers["event"])
                status = self.answer_notify
            elif request.method == "BYE":
                self.ended += 1
            to = request.headers["to"] + ("" if "tag=" in request.headers["to"] else f";tag={secrets.token_hex(4)}")
            lines = [
                f"SIP/2.0 {status}",
                *(f"Via: {via}" for via in request.vias),
                f"From: {request.headers['from']}",
                f"To: {to}",
                f"Call-ID: {request.headers['call-id']}",
                f"CSeq: {request.headers['cseq']}",
                "Content-Length: 0",
            ]
            again = self._seen[branch] = ("\r\n".join(lines) + "\r\n\r\n").encode()
        self.sock.sendto(again, source)
