"""Operations carried out on the database, for when no daemon runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from provd.base.clock import SystemClock
from provd.base.dataclass import dataclass
from provd.base.errors import ConfigError, UsageError
from provd.base.facts import Fact, Level
from provd.config.documents import config_path
from provd.config.load import load
from provd.config.settings import Settings
from provd.plugin import Manifest

if TYPE_CHECKING:
    from provd.plugins.catalogue import PluginCatalogue
    from provd.tftp.packet import Packet


def perform(settings: Settings, operation: str, params: Mapping[str, object]) -> Any:
    """Carry out one operation directly, as the user whom the database belongs to. Raises ProvdError."""
    from provd.app.admin import Admin, Caller
    from provd.app.zones import zone
    from provd.daemon.core import Core
    from provd.daemon.stored import StoredAddresses

    become_owner(settings.server.state_dir)

    async def run() -> Any:
        clock = SystemClock()
        core = Core(settings, clock, _warn)
        try:
            await core.renderer.start()
            addresses = StoredAddresses(core.store, clock)
            admin = Admin(
                fleet=core.fleet,
                boot=core.boot,
                clock=clock,
                emit=_warn,
                zone=zone,
                addresses=addresses,
                codes=core.codes,
                vendors=core.vendors,
                tasks=core.tasks,
                shop=core.packaging.shop,
                regions=core.regions,
                rollouts=core.rollouts,
            )
            result = await admin.call(operation, params, Caller(name="command line"))
            return result if isinstance(result, Mapping) else {"items": result}
        finally:
            await core.close()

    return asyncio.run(run())


def become_owner(folder: Path) -> None:
    """Root takes the rights of the folder's owner for good, so that the daemon can use what is made there."""
    if os.geteuid() != 0:
        return
    try:
        owner = folder.stat()
    except OSError:
        return
    if owner.st_uid != 0:
        os.setgroups([])
        os.setgid(owner.st_gid)
        os.setuid(owner.st_uid)


@contextlib.contextmanager
def as_owner(folder: Path) -> Iterator[None]:
    """The same for a while: what is opened and made in between belongs to the daemon."""
    if os.geteuid() != 0 or not folder.exists():
        yield
        return
    owner = folder.stat()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def _warn(fact: Fact) -> None:
    if fact.LEVEL >= Level.WARNING:
        import click

        from provd.base.facts import text_of

        click.echo(text_of(fact), err=True)


@dataclass(frozen=True)
class _Plugins:
    folders: tuple[Path, ...]
    state_dir: Path


def _plugins(config: str | None) -> _Plugins:
    """Where the plugins are, also on a machine without any configuration, or for a user who may not read it."""
    from provd.daemon.core import plugin_folders

    path = config_path(config)
    try:
        settings = load(path)
    except ConfigError:
        if config or os.access(path, os.R_OK, effective_ids=True):
            raise
        settings = Settings()
    return _Plugins(plugin_folders(settings), settings.server.state_dir)


def catalogue(config: str | None) -> PluginCatalogue:
    """The plugins that the daemon would have in force."""
    from provd.plugins.catalogue import PluginCatalogue

    found = _plugins(config)
    return PluginCatalogue(found.folders, found.state_dir, SystemClock(), _warn)


def manifests(config: str | None) -> tuple[Manifest, ...]:
    """Their manifests."""
    return catalogue(config).manifests


def identifier(config: str | None) -> Callable[[Mapping[str, str]], dict[str, Any]]:
    """A function from evidence to ``{vendor, model, version, mac, serial, plugin, confidence, reasons}``."""
    from provd.app.admin import views
    from provd.base.types import parse_mac
    from provd.domain.evidence import Evidence, Via
    from provd.domain.identify import Index
    from provd.sip.pnp import device_words, mac_in

    index = Index.build(manifests(config))

    def identify(given: Mapping[str, str]) -> dict[str, Any]:
        over = given.get("over") or _likely_transport(given)
        via = next((name for name in get_args(Via) if name == over), None)
        if via is None:
            raise UsageError(f"over is http, tftp, dhcp or pnp, not {over!r}")
        try:
            mac = parse_mac(given["mac"]) if given.get("mac") else None
        except ValueError as error:
            raise UsageError(str(error)) from None
        name, words = given.get("path", "").lstrip("/"), device_words(given.get("event", ""))
        if via == "pnp":
            # What is asked for by multicast is no file but a URI that has the MAC for its user.
            mac, name = mac or mac_in(name if "@" in name else f"sip:{name}@"), ""
        found = index.identify(
            Evidence(
                via=via,
                mac=mac,
                option60=given.get("option60", "").rstrip("\0"),
                option77=given.get("option77", ""),
                user_agent=given.get("user_agent", ""),
                name=name,
                vendor=words.vendor,
                model=words.model,
                version=words.version,
            )
        )
        return views.identity(found)

    return identify


def _likely_transport(given: Mapping[str, str]) -> str:
    if "event" in given:
        return "pnp"
    if "user_agent" in given:
        return "http"
    return "tftp" if "path" in given else "dhcp"


def explain_capture(config: str | None, file: Path, tell: Callable[[str], None]) -> int:
    """Tell what the datagrams of a capture say, with what provd makes of their senders; how many there were."""
    from provd.app.tokens import ACCOUNT
    from provd.dhcp.explain import explain as explain_dhcp
    from provd.dhcp.options import user_class_text
    from provd.dhcp.packet import decode as decode_dhcp
    from provd.net.explain import explain_pcap
    from provd.sip.explain import explain as explain_sip
    from provd.sip.explain import sender as sip_sender
    from provd.sip.pnp import question_in
    from provd.tftp.packet import Request
    from provd.tftp.packet import decode as decode_tftp

    identify = identifier(config)
    told = 0

    def dhcp(datagram: bytes) -> list[str]:
        nonlocal told
        told += 1
        message = decode_dhcp(datagram)
        lines = list(explain_dhcp(message))
        if message.op == 1:
            option60 = bytes(message.options.get(60, b"")).decode("latin-1")
            option77 = user_class_text(message.options[77]) if 77 in message.options else ""
            mac = message.chaddr[:6].hex()
            who = identify({"mac": mac, "option60": option60, "option77": option77, "over": "dhcp"})
            lines.append(_who(who))
        return lines

    def tftp(datagram: bytes) -> list[str]:
        nonlocal told
        told += 1
        packet = decode_tftp(datagram)
        lines = [_tftp_line(packet)]
        if isinstance(packet, Request) and packet.name:
            lines.append(_who(identify({"path": packet.name, "over": "tftp"})))
        return lines

    def sip(datagram: bytes) -> list[str]:
        nonlocal told
        told += 1
        lines = explain_sip(datagram)
        user, agent = sip_sender(datagram)
        account = ACCOUNT.fullmatch(user)
        event, uri = question_in(datagram)
        evidence = {"user_agent": agent, "over": "http"} if agent else {}
        if event:
            evidence |= {"event": event, "path": uri, "over": "pnp"}
        if account is not None:
            evidence["mac"] = account["mac"]
        if evidence:
            lines.append(_who(identify(evidence)))
        return lines

    for line in explain_pcap(file, {67: dhcp, 68: dhcp, 69: tftp, 5060: sip}):
        tell(line)
    return told


def _tftp_line(packet: Packet) -> str:
    """A TFTP packet in the words of RFC 1350."""
    from provd.tftp import packet as tftp

    match packet:
        case tftp.Request():
            options = "".join(f" {name}={value}" for name, value in packet.options.items())
            return f"{packet.opcode.name} {packet.name!r} {packet.mode}{options}"
        case tftp.Data():
            return f"DATA block {packet.block}, {len(packet.payload)} octets"
        case tftp.Ack():
            return f"ACK block {packet.block}"
        case tftp.OptionAck():
            return "OACK" + "".join(f" {name}={value}" for name, value in packet.options.items())
        case tftp.Error():
            return f"ERROR {packet.code} {packet.message!r}"


def _who(identity: Mapping[str, Any]) -> str:
    if not identity["vendor"]:
        return "  = no plugin knows this sender"
    known = " ".join(str(identity[key]) for key in ("vendor", "model", "version") if identity[key])
    return f"  = {known} (plugin {identity['plugin']}, confidence {identity['confidence']})"
