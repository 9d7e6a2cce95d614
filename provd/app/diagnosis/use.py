"""From the device's own file to a phone that rings: codes, accounts, lines and wishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.app.diagnosis.case import PATIENCE, Case, Finding, of
from provd.domain.records import DeviceState

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


def account(case: Case) -> Iterator[Finding]:
    """Its temporary account, with which a code is dialed."""
    device, own = case.device, case.own()
    refused, registered = case.last("SIP-REFUSED"), case.last("AUTOPROV-REGISTERED")
    if case.later(refused, registered) and refused is not None:
        yield Finding(
            "problem",
            f"its temporary account is refused: wrong {of(refused, 'reason')} ({case.ago(refused)})",
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


def codes(case: Case) -> Iterator[Finding]:
    """What was dialed on it."""
    refused, locked = case.last("CODE-REFUSED"), case.last("CODE-LOCKED")
    accepted = case.last("CODE-ACCEPTED", "DEVICE-PROVISIONED")
    left = 0.0 if locked is None else locked.at + float(str(of(locked, "wait") or 0)) - case.now
    if locked is not None and case.later(locked, accepted) and left > 0:
        yield Finding(
            "problem",
            f"after too many wrong codes nothing that is dialed on it counts for {int(left)} s",
            f"wait, or provd lock lift {of(locked, 'lock')}",
        )
    if case.later(refused, accepted) and refused is not None:
        what, do = _CODES.get(str(of(refused, "outcome")), (str(of(refused, "outcome")), "provd explain CODE-REFUSED"))
        yield Finding("problem", f"the last code dialed on it was refused {case.ago(refused)}: {what}", do)


def claimed(case: Case) -> Iterator[Finding]:
    """It has lines."""
    device = case.device
    if device is None or not device.lines:
        return
    if any(not server for server in case.servers):
        yield Finding(
            "problem",
            "a line of it has no server to register at",
            "provd tenant set {tenant} --set sip.server=HOST, or provd line set {line} --server HOST",
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
    if device.state is DeviceState.PROVISIONED and all(case.servers):
        where = ", ".join(dict.fromkeys(case.servers))
        yield Finding(
            "good",
            f"it has its file and is to register at {where}",
            "if it does not (401, 403, no answer): compare provd line show {line} --reveal with the PBX, and look "
            "whether that answers from its VLAN. provd sees nothing of such registrations",
        )


def wishes(case: Case) -> Iterator[Finding]:
    """Settings that do not do what somebody wants of them."""
    device = case.device
    if device is None or not device.plugin:
        return
    for name, reason in case.notes.items():
        do = "provd device check {mac} lists all of it"
        if "firmware" in reason:
            do = "give it newer firmware: provd firmware available --model MODEL, then provd rollout add"
        yield Finding("note", f"{name} does nothing on it: {reason}", do)
    if case.wanted_firmware:
        runs = device.version or "a version that it has not told"
        yield Finding(
            "waiting",
            f"it is to run firmware {case.wanted_firmware}, and runs {runs}",
            "provd firmware list: is the image here? It loads it when it fetches its file: provd device sync {mac}",
        )
    if device.lines and not case.settings.get("time.zone"):
        yield Finding(
            "note",
            "no time zone is set for it: its clock shows what its vendor has chosen",
            "provd tenant set {tenant} --set time.zone=Europe/Madrid",
        )
