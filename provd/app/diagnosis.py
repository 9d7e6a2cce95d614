"""What is wrong with a device, and what to do about it: for whoever stands in front of it.

Pure: what is known of the device and its last facts come in, findings go out, the most urgent first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from provd.base.facts import Fact
from provd.base.types import Mac, mac_text
from provd.domain.records import Device, DeviceState

Level = Literal["problem", "waiting", "note", "good"]
PATIENCE = 60.0
"""Seconds that a device may take for its next step."""

_DHCP = frozenset(
    {"DHCP-OFFER", "DHCP-ACK", "DHCP-ACK-REST", "DHCP-NAK", "DHCP-IGNORED", "DHCP-WOULD-ANSWER", "DHCP-DECLINE"}
)
_ASKED = frozenset({"FILE-SERVED", "FILE-REFUSED", "FILE-UNKNOWN", "RENDER-FAILED", "TFTP-ABANDONED", "TFTP-REFUSED"})
_FRESH = frozenset({"selecting", "init-reboot"})
"""States of a client that starts, and does not merely keep its address."""
_CODES: Mapping[str, tuple[str, str]] = {
    "unknown": (
        "there is no such code",
        "dial it once more, digit by digit; good ones: provd code list",
    ),
    "expired": ("the code has expired", "make another one: provd code add --line LINE"),
    "used-up": ("the code was used as often as it may be", "make another one: provd code add --line LINE"),
    "revoked": ("the code was revoked", "make another one: provd code add --line LINE"),
    "tenant-disabled": ("the code's tenant is disabled", "provd tenant set TENANT --enabled"),
    "line-taken": (
        "the code's line is on another device",
        "provd line show LINE says on which: reset that one, or provd line set LINE --max-devices 2",
    ),
    "device-taken": ("the device belongs to another tenant than the code", "provd device transfer {mac} TENANT"),
    "device-full": (
        "the device holds as many lines as it can",
        "provd device assign {mac} LINE … says which it is to have",
    ),
    "no-device": (
        "nobody knows on which device it was dialed",
        "let the phone register its temporary account here (provd device show), or the PBX say which phone it was",
    ),
    "not-stored": ("the database did not take the change", "look at the disk; the code is still good, dial it again"),
}
_REFUSED: Mapping[str, str] = {
    "the token belongs to another device": (
        "it asks with another phone's URL: give it its own, provd device show {mac} --reveal"
    ),
    "no valid token": "give it its own URL (provd device show {mac} --reveal), on its web page or as its option 66",
    "the address is leased to another device": (
        "restart it, so that it asks our DHCP for an address of its own; where a proxy stands between: "
        "phones.trusted_proxies"
    ),
    "the address has no lease of ours and there is no valid token": (
        "restart it with DHCP from here; where another DHCP server gives the addresses, choose policy.secrets = "
        '"token" and give it its URL: provd device show {mac} --reveal'
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """``what`` is so, ``do`` that about it (empty: nothing). A ``problem`` keeps the phone from working, ``waiting`` is
    for somebody to act or for the phone to come, a ``note`` is good to know."""

    level: Level
    what: str
    do: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is known. ``facts`` are the device's last ones, the oldest first; ``servers`` are those of its lines, ``""``
    where a line has none; ``notes`` say which settings do nothing on it and why; ``comes`` says when it fetches a file
    that has changed, empty when none has; ``silent``: it was not heard for longer than it should be; ``near`` are
    devices here whose MAC is almost this one; ``down`` are parts of the daemon that cannot work."""

    mac: Mac
    now: float
    device: Device | None = None
    facts: Sequence[Fact] = ()
    servers: Sequence[str] = ()
    settings: Mapping[str, object] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)
    knows_model: bool = True
    comes: str = ""
    silent: bool = False
    near: Sequence[Mac] = ()
    down: Sequence[str] = ()

    def last(self, *ids: str) -> Fact | None:
        """The newest fact with one of these ids."""
        return next((fact for fact in reversed(self.facts) if fact.ID in ids), None)

    def own(self) -> Fact | None:
        """The last time that it was given its own file."""
        served = (fact for fact in reversed(self.facts) if fact.ID == "FILE-SERVED" and _of(fact, "kind") == "device")
        return next(served, None)

    def later(self, fact: Fact | None, than: Fact | None) -> bool:
        """Whether something has happened, and the other thing not since."""
        return fact is not None and (than is None or than.at < fact.at)

    def ago(self, fact: Fact) -> str:
        """How long ago something was, for people."""
        return ago(self.now - fact.at)


def ago(seconds: float) -> str:
    """``20 s ago``, ``5 min ago``, ``3 h ago``, ``4 days ago``."""
    for unit, length in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def diagnose(case: Case) -> list[Finding]:
    """All findings; one that all is well when there is neither a problem nor anything to wait for."""
    found = [finding for rule in _RULES for finding in rule(case)]
    order: dict[Level, int] = {"problem": 0, "waiting": 1, "note": 2, "good": 3}
    found.sort(key=lambda finding: order[finding.level])
    return [replace(each, do=each.do.replace("{mac}", mac_text(case.mac))) for each in found]


def _unheard(case: Case) -> Iterator[Finding]:
    if case.facts or (case.device is not None and case.device.last_seen):
        return
    for near in case.near[:3]:
        yield Finding(
            "problem", f"it was never heard, and {mac_text(near)}, almost the same MAC, was", "compare the label"
        )
    yield Finding(
        "problem",
        "nothing was ever heard from it",
        "is it switched on (PoE), and its cable in a port of the phones' network (VLAN)? Then restart it, and look "
        "whether anything arrives: provd tail {mac}. Where another DHCP server gives the addresses: does its option 66 "
        "name this server?",
    )


def _silent(case: Case) -> Iterator[Finding]:
    if case.silent and case.device is not None:
        yield Finding(
            "problem",
            f"it was last heard {ago(case.now - case.device.last_seen)}, and should ask for its file more often",
            "is it still switched on and connected, in the same VLAN? Restart it, and look at provd tail {mac}: its "
            "settings may lead it elsewhere",
        )


def _network(case: Case) -> Iterator[Finding]:
    heard, asked = case.last(*_DHCP), case.last(*_ASKED)
    if heard is None or not case.later(heard, asked) or case.now - heard.at < PATIENCE:
        return
    when, reason = case.ago(heard), _of(heard, "reason")
    match heard.ID:
        case "DHCP-OFFER":
            yield Finding(
                "problem",
                f"it was offered {_of(heard, 'ip')} {when} and did not take it",
                "another DHCP server was quicker (DHCP-FOREIGN-SERVER in provd tail), or our answers do not reach it: "
                "look at the relay and the VLAN",
            )
        case "DHCP-NAK" | "DHCP-IGNORED":
            yield Finding(
                "problem",
                f"its request for an address is not answered: {reason} ({when})",
                "provd identify --mac {mac} says whether it counts as a phone; [[dhcp.subnet]] must hold its network"
                if heard.ID == "DHCP-IGNORED"
                else "restart it, so that it asks for another address",
            )
        case "DHCP-WOULD-ANSWER":
            yield Finding(
                "problem",
                f"it asked for an address {when}, and dhcp.mode is observe: nobody is answered",
                'set dhcp.mode = "phones-only" or "full", and reload',
            )
        case "DHCP-DECLINE":
            yield Finding(
                "problem",
                f"it says that somebody else uses the address that it was given ({when})",
                "find the device with that address; DHCP-DECLINE in provd tail has its MAC where it answers",
            )
        case _ if _of(heard, "state") in _FRESH or asked is None:
            yield Finding(
                "problem",
                f"it was given the address {_of(heard, 'ip')} {when}, and has not asked for a file",
                _option(case),
            )


def _option(case: Case) -> str:
    if case.device is None or not case.device.plugin:
        return "no plugin knows it, so that it was not told where its files are: see provd identify --mac {mac}"
    return (
        "it does not follow option 66: a server set by hand on it counts more (reset it to factory settings), or the "
        "option of another server. Or the way is closed: from its VLAN to this server, TCP 8667 and UDP 69"
    )


def _files(case: Case) -> Iterator[Finding]:
    own, refused, failed = case.own(), case.last("FILE-REFUSED"), case.last("RENDER-FAILED")
    if case.later(refused, own) and refused is not None:
        reason = str(_of(refused, "reason"))
        yield Finding(
            "problem",
            f"{_of(refused, 'name')} was refused to it {case.ago(refused)}, at {_of(refused, 'peer')}: {reason}",
            _from_elsewhere(case, refused) or _REFUSED.get(reason, "provd explain FILE-REFUSED"),
        )
    if case.later(failed, own) and failed is not None and not _of(failed, "last_good"):
        yield Finding(
            "problem",
            f"its file {_of(failed, 'name')} could not be made: {_of(failed, 'reason')}",
            "provd render {mac} shows the same; provd template restore takes an override of yours away",
        )
    broken = case.last("TFTP-ABANDONED", "TFTP-REFUSED")
    if case.later(broken, own) and broken is not None:
        yield Finding("problem", f"its TFTP transfer broke off: {_of(broken, 'reason')}", f"provd explain {broken.ID}")
    if own is None or (
        case.facts and own.boot and own.boot != case.facts[-1].boot and not case.later(own, case.last(*_DHCP))
    ):
        yield from _not_its_own(case, own)


def _from_elsewhere(case: Case, refused: Fact) -> str:
    """It has an address from us, and its request did not come from there."""
    lease = case.last("DHCP-ACK", "DHCP-ACK-REST")
    if lease is None or _of(lease, "ip") == _of(refused, "peer"):
        return ""
    return (
        f"it has {_of(lease, 'ip')} from our DHCP and asks by way of {_of(refused, 'peer')}: name that proxy in "
        'phones.trusted_proxies; behind a NAT choose policy.secrets = "token", and give it its URL: provd device show '
        "{mac} --reveal"
    )


def _not_its_own(case: Case, own: Fact | None) -> Iterator[Finding]:
    """It has come for something, and not for its own file."""
    served, unknown = case.last("FILE-SERVED"), case.last("FILE-UNKNOWN")
    if case.later(case.last("FILE-REFUSED"), own):
        return
    if unknown is not None and case.later(unknown, served) and case.now - unknown.at >= PATIENCE:
        yield Finding(
            "problem",
            f"it asks for {_of(unknown, 'name')}, which no plugin offers ({case.ago(unknown)})",
            f"provd identify --path {_of(unknown, 'name')} says what it looks like: its model's plugin is missing, or "
            "its option 66 has a wrong ending (each vendor expects another one)",
        )
    elif served is not None and case.later(served, own) and case.now - served.at >= PATIENCE:
        yield Finding(
            "problem",
            f"it had {_of(served, 'name')} {case.ago(served)}, and has not asked for its own file",
            "restart it; if that does not help, reset it to factory settings: it may keep another server's settings",
        )


def _identity(case: Case) -> Iterator[Finding]:
    device = case.device
    if device is None:
        limited = case.last("DEVICE-LIMIT")
        if limited is not None:
            yield Finding(
                "problem",
                "it was not added: its network brought too many new devices",
                "policy.max_new_devices; or provd device add {mac}",
            )
        elif case.facts:
            yield Finding(
                "problem",
                "it was heard, and is no device here",
                "provd device add {mac} --model MODEL (policy.auto_add)",
            )
        return
    if not device.plugin:
        yield Finding(
            "problem",
            "no plugin knows it" + (f": {device.vendor} {device.model}".rstrip() if device.vendor else ""),
            "provd plugin list shows whose phones are known; provd device set {mac} --model MODEL if it is one of them",
        )
    elif not device.model:
        yield Finding("note", "its model is not known yet; it says so when it asks for a file")
    elif not case.knows_model:
        yield Finding(
            "note",
            f"the plugin {device.plugin} has no model {device.model!r}: it is served as a plain one of its vendor",
            "is the model written as in provd plugin show? Where it is new: a newer plugin (provd plugin available)",
        )


def _account(case: Case) -> Iterator[Finding]:
    device, own = case.device, case.own()
    refused, registered = case.last("SIP-REFUSED"), case.last("AUTOPROV-REGISTERED")
    if case.later(refused, registered) and refused is not None:
        yield Finding(
            "problem",
            f"its temporary account is refused: wrong {_of(refused, 'reason')} ({case.ago(refused)})",
            "it has an old file: provd device sync {mac}, or restart it",
        )
        return
    if device is None or device.state is not DeviceState.UNCLAIMED:
        return
    if case.settings.get("dialing.server"):
        yield Finding(
            "waiting",
            f"nobody has claimed it; its temporary account registers at {case.settings['dialing.server']}",
            "dial a code on it: provd code add --line LINE",
        )
    elif registered is not None:
        yield Finding(
            "waiting",
            "it is ready, and nobody has dialed a good code on it",
            "dial one on it: provd code add --line LINE",
        )
    elif own is not None and case.now - own.at >= PATIENCE:
        yield Finding(
            "problem",
            f"it had its file {case.ago(own)}, and has not registered its temporary account here",
            "are UDP and TCP 5060 open from its VLAN to this server (sip.listen)? Does a firewall meddle with SIP?",
        )
    else:
        yield Finding(
            "waiting",
            "nobody has claimed it",
            "dial a code on it (provd code add --line LINE), or provd device assign {mac} LINE",
        )


def _codes(case: Case) -> Iterator[Finding]:
    refused, locked = case.last("CODE-REFUSED"), case.last("CODE-LOCKED")
    accepted = case.last("CODE-ACCEPTED", "DEVICE-PROVISIONED")
    left = 0.0 if locked is None else locked.at + float(str(_of(locked, "wait") or 0)) - case.now
    if locked is not None and case.later(locked, accepted) and left > 0:
        yield Finding(
            "problem",
            f"after too many wrong codes nothing that is dialed on it counts for {int(left)} s",
            f"wait, or provd lock lift {_of(locked, 'lock')}",
        )
    if case.later(refused, accepted) and refused is not None:
        what, do = _CODES.get(
            str(_of(refused, "outcome")), (str(_of(refused, "outcome")), "provd explain CODE-REFUSED")
        )
        yield Finding("problem", f"the last code dialed on it was refused {case.ago(refused)}: {what}", do)


def _claimed(case: Case) -> Iterator[Finding]:
    device = case.device
    if device is None or not device.lines:
        return
    if any(not server for server in case.servers):
        yield Finding(
            "problem",
            "a line of it has no server to register at",
            "provd tenant set TENANT --set sip.server=HOST, or provd line set LINE --server HOST",
        )
    for part in case.down:
        yield Finding(
            "problem", f"the {part}", "start it, or mend the way to it; provd doctor. Its phones cannot talk meanwhile"
        )
    if case.comes:
        yield Finding(
            "waiting",
            f"its file has changed and it has not fetched it: it comes {case.comes}",
            "provd device sync {mac} tells it now",
        )
    elif device.state is DeviceState.ASSIGNED and device.last_seen:
        yield Finding("waiting", "its lines are ready, and it has not fetched its file with them", "restart it")
    if device.state is DeviceState.PROVISIONED:
        where = ", ".join(dict.fromkeys(server for server in case.servers if server))
        yield Finding(
            "good",
            f"it has its file and is to register at {where or 'nowhere'}",
            "if it does not (401, 403, no answer): compare provd line show LINE --reveal with the PBX, and look "
            "whether that answers from its VLAN. provd sees nothing of such registrations",
        )


def _wishes(case: Case) -> Iterator[Finding]:
    """Settings that do not do what somebody wants of them."""
    device = case.device
    if device is None or not device.plugin:
        return
    for name, reason in case.notes.items():
        do = "provd device check {mac} lists all of it"
        if "firmware" in reason:
            do = "give it newer firmware: provd firmware available --model MODEL, then provd rollout add"
        yield Finding("note", f"{name} does nothing on it: {reason}", do)
    for name, version in case.wanted.items():
        yield Finding(
            "waiting",
            f"it is to run {name} {version}, and runs {device.version or 'a version that it has not told'}",
            "provd firmware list: is the image here? It loads it when it fetches its file: provd device sync {mac}",
        )
    if not case.settings.get("time.zone"):
        yield Finding(
            "note",
            "no time zone is set for it: its clock shows what its vendor has chosen",
            "provd tenant set TENANT --set time.zone=Europe/Madrid",
        )


def _of(fact: Fact, name: str) -> object:
    return getattr(fact, name, "")


_RULES: tuple[Callable[[Case], Iterator[Finding]], ...] = (
    _unheard,
    _silent,
    _network,
    _files,
    _identity,
    _codes,
    _account,
    _claimed,
    _wishes,
)
