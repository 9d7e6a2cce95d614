"""From the cable to the device's own file: what can go wrong on that way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provd.app.diagnosis.case import PATIENCE, Case, Finding, ago, heard, of
from provd.base.facts import Fact
from provd.base.types import mac_text

_DHCP = frozenset(
    {"DHCP-OFFER", "DHCP-ACK", "DHCP-ACK-REST", "DHCP-NAK", "DHCP-IGNORED", "DHCP-WOULD-ANSWER", "DHCP-DECLINE"}
)
_ASKED = frozenset({"FILE-SERVED", "FILE-REFUSED", "FILE-UNKNOWN", "RENDER-FAILED", "TFTP-ABANDONED", "TFTP-REFUSED"})
_FRESH = frozenset({"selecting", "init-reboot"})
"""States of a client that starts, and does not merely keep its address."""
_REFUSED: Mapping[str, str] = {
    "the token belongs to another device": (
        "it asks with another phone's URL: give it its own, provd device show {mac} --reveal"
    ),
    "no valid token": "give it its own URL (provd device show {mac} --reveal), on its web page or as its option 66",
    "the address is leased to another device": (
        "restart it, so that it asks our DHCP for an address of its own; where a proxy stands between: "
        "phones.trusted_proxies"
    ),
    "another MAC uses the address that is leased to this device": (
        "find the host with the MAC that FILE-REFUSED tells (used_by) and have it give the address back; where that is "
        "a repeater or a router that the phone is behind by now, restart the phone"
    ),
    "the address has no lease of ours and there is no valid token": (
        "restart it with DHCP from here; where another DHCP server gives the addresses, choose policy.secrets = "
        '"token" and give it its URL: provd device show {mac} --reveal'
    ),
}


def unheard(case: Case) -> Iterator[Finding]:
    """Nothing has ever arrived from it."""
    if heard(case.facts) or (case.device is not None and case.device.last_seen):
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


def silent(case: Case) -> Iterator[Finding]:
    """It was there, and is not any more."""
    if case.silent and case.device is not None:
        yield Finding(
            "problem",
            f"it was last heard {ago(case.now - case.device.last_seen)}, and should ask for its file more often",
            "is it still switched on and connected, in the same VLAN? Restart it, and look at provd tail {mac}: its "
            "settings may lead it elsewhere",
        )


def network(case: Case) -> Iterator[Finding]:
    """It asks for an address, or has one, and gets no further."""
    heard, asked = case.last(*_DHCP), case.last(*_ASKED)
    if heard is None or not case.later(heard, asked) or case.now - heard.at < PATIENCE:
        return
    when, reason = case.ago(heard), of(heard, "reason")
    match heard.ID:
        case "DHCP-OFFER":
            yield Finding(
                "problem",
                f"it was offered {of(heard, 'ip')} {when} and did not take it",
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
        case _ if of(heard, "state") in _FRESH or asked is None:
            yield Finding(
                "problem",
                f"it was given the address {of(heard, 'ip')} {when}, and has not asked for a file",
                _option(case),
            )


def _option(case: Case) -> str:
    if case.device is None or not case.device.plugin:
        return "no plugin knows it, so that it was not told where its files are: see provd identify --mac {mac}"
    return (
        "it does not follow option 66: a server set by hand on it counts more (reset it to factory settings), or the "
        "option of another server. Or the way is closed: from its VLAN to this server, TCP 8667 and UDP 69"
    )


def files(case: Case) -> Iterator[Finding]:
    """It asks for files, and does not have its own."""
    own, refused, failed = case.own(), case.last("FILE-REFUSED"), case.last("RENDER-FAILED")
    if case.later(refused, own) and refused is not None:
        reason = str(of(refused, "reason"))
        yield Finding(
            "problem",
            f"{of(refused, 'name')} was refused to it {case.ago(refused)}, at {of(refused, 'peer')}: {reason}",
            _from_elsewhere(case, refused) or _REFUSED.get(reason, "provd explain FILE-REFUSED"),
        )
    if case.later(failed, own) and failed is not None and not of(failed, "last_good"):
        yield Finding(
            "problem",
            f"its file {of(failed, 'name')} could not be made: {of(failed, 'reason')}",
            "provd render {mac} shows the same; provd template restore takes an override of yours away",
        )
    broken = case.last("TFTP-ABANDONED", "TFTP-REFUSED")
    if case.later(broken, own) and broken is not None:
        yield Finding("problem", f"its TFTP transfer broke off: {of(broken, 'reason')}", f"provd explain {broken.ID}")
    if own is None or (
        case.facts and own.boot and own.boot != case.facts[-1].boot and not case.later(own, case.last(*_DHCP))
    ):
        yield from _not_its_own(case, own)


def _from_elsewhere(case: Case, refused: Fact) -> str:
    """It has an address from us, and its request did not come from there."""
    lease = case.last("DHCP-ACK", "DHCP-ACK-REST")
    if lease is None or of(lease, "ip") == of(refused, "peer"):
        return ""
    return (
        f"it has {of(lease, 'ip')} from our DHCP and asks by way of {of(refused, 'peer')}: name that proxy in "
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
            f"it asks for {of(unknown, 'name')}, which no plugin offers ({case.ago(unknown)})",
            f"provd identify --path {of(unknown, 'name')} says what it looks like: its model's plugin is missing, or "
            "its option 66 has a wrong ending (each vendor expects another one)",
        )
    elif served is not None and case.later(served, own) and case.now - served.at >= PATIENCE:
        yield Finding(
            "problem",
            f"it had {of(served, 'name')} {case.ago(served)}, and has not asked for its own file",
            "restart it; if that does not help, reset it to factory settings: it may keep another server's settings",
        )


def identity(case: Case) -> Iterator[Finding]:
    """Who it is."""
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
