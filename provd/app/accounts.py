"""What a template is told of a line: its own fields, else its own settings, else those of its device."""

from __future__ import annotations

from collections.abc import Mapping

from provd.domain.records import Line

NOTHING: Mapping[str, object] = {
    "number": "",
    "backup_server": "",
    "backup_port": 0,
    "outbound_proxy": "",
    "outbound_port": 0,
    "backup_outbound_proxy": "",
    "backup_outbound_port": 0,
    "voicemail": "",
    "register_seconds": None,
    "keep_alive": None,
    "dtmf": "",
    "srtp": "",
    "subscribe_mwi": None,
    "codecs": [],
    "ringtone": None,
    "auto_answer": None,
}
"""What a temporary account has of all this."""


def text(value: object) -> str:
    """A text, or an empty one."""
    return value if isinstance(value, str) else ""


def port(value: object) -> int:
    """A port, or 0."""
    return value if isinstance(value, int) else 0


def of_line(position: int, line: Line, password: str, values: Mapping[str, object]) -> dict[str, object]:
    """The entry of a line in ``lines``. What is not set is empty, 0 or none."""
    found = {**values, **line.settings}
    codecs = text(found.get("audio.codecs"))
    return {
        "position": position,
        "username": line.username,
        "auth_username": line.auth_username or line.username,
        "password": password,
        "display_name": line.display_name,
        "number": line.number,
        "transport": line.transport or text(found.get("sip.transport")) or "udp",
        **_routes(line, found),
        "voicemail": line.voicemail or text(found.get("feature.voicemail")),
        "register_seconds": found.get("sip.register_seconds"),
        "keep_alive": found.get("sip.keep_alive"),
        "dtmf": text(found.get("sip.dtmf")),
        "srtp": text(found.get("sip.srtp")),
        "subscribe_mwi": found.get("sip.subscribe_mwi"),
        "codecs": codecs.split(",") if codecs else [],
        "ringtone": found.get("audio.ringtone"),
        "auto_answer": found.get("call.auto_answer"),
    }


def _routes(line: Line, found: Mapping[str, object]) -> dict[str, object]:
    """Where its requests go. A port belongs to its server: a line with a server of its own does not take over the
    other one's port, nor its registrar."""
    server = line.server or text(found.get("sip.server")), line.port or _unless(line.server, found, "sip.port")
    backup = (
        line.backup_server or text(found.get("sip.backup_server")),
        line.backup_port or _unless(line.backup_server, found, "sip.backup_port"),
    )
    outbound = (
        line.outbound_proxy or text(found.get("sip.outbound_proxy")),
        line.outbound_port or _unless(line.outbound_proxy, found, "sip.outbound_port"),
    )
    registrar = _registrar("sip.registrar", line.settings if line.server else found)
    if registrar[0] and not _same(registrar, server):
        # Phones know one address for both: they reach the registrar by way of the server.
        outbound, server = outbound if outbound[0] else server, registrar
    behind = _registrar("sip.backup_registrar", line.settings if line.backup_server else found)
    backup_outbound = ("", 0)
    if behind[0] and backup[0] and not _same(behind, backup):
        backup_outbound, backup = backup, behind
    return {
        "server": server[0],
        "port": server[1],
        "backup_server": backup[0],
        "backup_port": backup[1],
        "outbound_proxy": outbound[0],
        "outbound_port": outbound[1],
        "backup_outbound_proxy": backup_outbound[0],
        "backup_outbound_port": backup_outbound[1],
    }


def _same(registrar: tuple[str, int], server: tuple[str, int]) -> bool:
    """Whether they are one, as many systems say it: then nothing has to be reached by way of anything."""
    return registrar[0].lower() == server[0].lower() and registrar[1] in (0, server[1])


def _unless(own: str, found: Mapping[str, object], name: str) -> int:
    return 0 if own else port(found.get(name))


def _registrar(name: str, found: Mapping[str, object]) -> tuple[str, int]:
    return text(found.get(name)), port(found.get(f"{name}_port"))
