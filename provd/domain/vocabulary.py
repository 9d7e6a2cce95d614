"""The vocabulary of settings: what may be set, of which kind, with which default.

One table in the order of the documentation. ``N`` in a name stands for a number from 1: ``keys.N.type``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from provd.base.dataclass import dataclass
from provd.domain.forms import (
    ADDRESS,
    DIAL_RULES,
    FLAG,
    HOST,
    PORT,
    POSITIONS,
    STAR_CODE,
    URL,
    Form,
    between,
    matching,
    one_of,
    short,
    some_of,
)
from provd.domain.places import COUNTRY, LANGUAGE

Kind = Literal["text", "number", "flag", "list", "secret"]

KEY_TYPES = (
    "none",
    "line",
    "speed_dial",
    "blf",
    "blf_pickup",
    "park",
    "pickup",
    "group_pickup",
    "dnd",
    "forward",
    "dtmf",
    "url",
    "voicemail",
    "intercom",
)
"""What a programmable key may do."""

CODECS = (
    "pcma",
    "pcmu",
    "g722",
    "g729",
    "g723",
    "g726-16",
    "g726-24",
    "g726-32",
    "g726-40",
    "ilbc",
    "opus",
)
"""Audio codecs by their usual names (RFC 3551, in lower case)."""

_ZONE = matching(re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(?:/[A-Za-z0-9_+-]+)*"), "an IANA name like Europe/Madrid")
_CLOCK = matching(re.compile(r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"), "a time like 03:00")
_VERSION = matching(re.compile(r"[0-9]+(?:\.[0-9]+)*[a-z]?"), "a version like 7.5.2b or 83.0.10")
RELEASE = matching(re.compile(r"[0-9][0-9A-Za-z._()-]{0,39}"), "a version like 7.5.5 or 66.86.0.15")
"""A version of firmware, as vendors write them."""
_PIN = matching(re.compile(r"[0-9]{4,8}"), "4 to 8 digits")
_USERNAME = matching(re.compile(r"[A-Za-z0-9._-]{1,32}"), "up to 32 of a-z, 0-9, '.', '_' and '-'")
_FILE_KEY = matching(re.compile(r"[0-9A-Za-z]{16}"), "16 letters and digits")
_DSCP = between(0, 63)
_PRIORITY = between(0, 7)
_VLAN = between(1, 4094)


@dataclass(frozen=True, slots=True)
class Setting:
    """One known setting. ``default`` applies when no level sets it; None means that the phone's own default does."""

    name: str
    kind: Kind
    doc: str
    form: Form
    default: str | int | None = None
    of_line: bool = False
    """Whether it may be set for a single line as well."""

    @property
    def secret(self) -> bool:
        """Whether its value is kept as a Secret and shown as ``***``."""
        return self.kind == "secret"

    @property
    def group(self) -> str:
        """Its first word."""
        return self.name.partition(".")[0]


def _text(name: str, doc: str, form: Form, default: str | None = None) -> Setting:
    return Setting(name, "text", doc, form, default)


def _number(name: str, doc: str, form: Form, default: int | None = None) -> Setting:
    return Setting(name, "number", doc, form, default)


def _flag(name: str, doc: str) -> Setting:
    return Setting(name, "flag", doc, FLAG)


def _of_line(name: str, kind: Kind, doc: str, form: Form, default: str | int | None = None) -> Setting:
    return Setting(name, kind, doc, form, default, of_line=True)


_ACCESS = (
    _text("admin.username", "User name of the phone's administrator pages.", _USERNAME),
    Setting("admin.password", "secret", "Password of the phone's administrator pages.", short(63)),
    _text("user.username", "User name of the phone's user pages.", _USERNAME),
    Setting("user.password", "secret", "Password of the phone's user pages.", short(63)),
    _flag("web.enabled", "Whether the phone has its web pages."),
    _number("web.port", "TCP port of its web pages.", PORT),
)

_PLACE = (
    _text("locale.language", "Language of the display (ISO 639-1).", LANGUAGE, "en"),
    _text("locale.country", "Country of the tones (ISO 3166).", COUNTRY),
    _text("locale.time_format", "Clock of 12 or 24 hours; unset: as in the country.", one_of("12h", "24h")),
    _text(
        "locale.date_format",
        "Order of day, month and year; unset: the phone's own.",
        one_of("day-month", "month-day", "year-month-day"),
    ),
    _text("time.zone", "Time zone (IANA name).", _ZONE),
    _text("ntp.server", "Time server.", HOST),
    _text("ntp.backup_server", "Second time server.", HOST),
)

_NETWORK = (
    _text("network.dns", "DNS server; unset: the one of DHCP.", ADDRESS),
    _text("network.backup_dns", "Second DNS server.", ADDRESS),
    _flag("network.lldp", "Whether the phone learns its VLAN by LLDP-MED."),
    _flag("network.cdp", "Whether the phone learns its VLAN by CDP."),
    _number("vlan.id", "VLAN of the phone itself (802.1Q).", _VLAN),
    _number("vlan.priority", "Priority of the phone's own frames (802.1p).", _PRIORITY),
    _number("vlan.pc_id", "VLAN of the socket for a computer.", _VLAN),
    _number("vlan.pc_priority", "Priority of the computer's frames.", _PRIORITY),
    _flag("vlan.dhcp", "Whether the phone takes its VLAN from a DHCP option."),
    _number("qos.sip", "DSCP of SIP (RFC 2474).", _DSCP),
    _number("qos.rtp", "DSCP of voice.", _DSCP),
    _text("syslog.server", "Where the phone sends its log.", HOST),
    _number("syslog.port", "UDP port of the log server.", PORT),
    _text("syslog.level", "What is logged.", one_of("critical", "error", "warning", "info", "debug")),
    _flag("tls.verify", "Whether the phone checks the certificates of servers."),
    _text("tls.ca_url", "Certificates (PEM) of the authorities that it trusts besides its own.", URL),
    _text("tls.certificate_url", "Certificate and key (PEM) that the phone shows as its own.", URL),
)

_SERVICE = (
    _text("dialing.text", "Shown on a phone that nobody has claimed yet.", short(32), "Dial your code"),
    _text("dialing.server", "PBX where unclaimed phones register and dial; unset: provd.", HOST),
    _number("dialing.port", "Its port.", PORT),
    _number("resync.minutes", "How often a claimed phone asks for its files.", between(1, 10080), 1440),
    _number("resync.unclaimed_minutes", "The same for a phone that nobody has claimed.", between(1, 1440), 1),
    _text("resync.at", "Local time of the daily re-sync.", _CLOCK, "03:00"),
    Setting("files.key", "secret", "Key that the files of claimed devices are encrypted with.", _FILE_KEY),
    _text(
        "firmware.version", "Version that the phone is to run, of the packages here; outranks firmware.url.", RELEASE
    ),
    _text("firmware.url", "Image that the phone is to run.", URL),
    _text("firmware.step_url", "Image that a phone with older firmware than step_below is given first.", URL),
    _text("firmware.step_below", "Version of the firmware from which on firmware.url may be installed.", _VERSION),
    _text("firmware.handset_url", "Image for the handsets of a DECT base.", URL),
)

_SIP = (
    _of_line("sip.server", "text", "SIP server of lines that name none.", HOST),
    _of_line("sip.port", "number", "Its port.", PORT),
    _of_line("sip.registrar", "text", "Registrar where it is not the server: requests go to it by the server.", HOST),
    _of_line("sip.registrar_port", "number", "Its port.", PORT),
    _of_line("sip.backup_server", "text", "Second SIP server.", HOST),
    _of_line("sip.backup_port", "number", "Its port.", PORT),
    _of_line("sip.backup_registrar", "text", "Registrar behind the second server.", HOST),
    _of_line("sip.backup_registrar_port", "number", "Its port.", PORT),
    _of_line("sip.outbound_proxy", "text", "Where SIP requests go first.", HOST),
    _of_line("sip.outbound_port", "number", "Its port.", PORT),
    _of_line("sip.transport", "text", "SIP transport.", one_of("udp", "tcp", "tls"), "udp"),
    _of_line("sip.register_seconds", "number", "How long a registration holds.", between(60, 86400)),
    _of_line("sip.keep_alive", "number", "Seconds between what keeps a NAT open; 0 for none.", between(0, 3600)),
    _of_line("sip.dtmf", "text", "How keys pressed in a call are sent.", one_of("rfc4733", "inband", "info", "auto")),
    _of_line("sip.srtp", "text", "Encryption of voice (RFC 3711).", one_of("off", "preferred", "required")),
    _of_line("sip.subscribe_mwi", "flag", "Whether the phone subscribes to its mailbox (RFC 3842).", FLAG),
)

_CALLS = (
    _of_line("audio.codecs", "list", "Codecs in order; those left out are off.", some_of(*CODECS)),
    _of_line("audio.ringtone", "number", "Number of a ring tone that the phone brings.", between(1, 12)),
    _text("audio.ringtone_url", "A ring tone to load.", URL),
    _of_line("call.auto_answer", "flag", "Whether calls are answered at once.", FLAG),
    _flag("call.waiting", "Whether a second call is announced."),
    Setting("dialplan.rules", "list", "Numbers that are dialed as soon as they are complete.", DIAL_RULES),
    _number("dialplan.seconds", "How long after the last digit a number is dialed.", between(1, 14)),
)

_FEATURES = (
    _text("feature.pickup", "Code that takes another's call; its number follows.", STAR_CODE),
    _text("feature.pickup_group", "Code that takes a call of the group.", STAR_CODE),
    _text("feature.park", "Code that parks a call.", STAR_CODE),
    _text("feature.unpark", "Code that takes a parked call back.", STAR_CODE),
    _text("feature.voicemail", "Number of the mailbox, for lines that name none.", STAR_CODE),
    _text("feature.dnd_on", "Code for do not disturb.", STAR_CODE),
    _text("feature.dnd_off", "Code that ends it.", STAR_CODE),
    _text("feature.forward_on", "Code that forwards every call.", STAR_CODE),
    _text("feature.forward_off", "Code that ends it.", STAR_CODE),
    _text("feature.forward_busy_on", "Code that forwards calls while the line is busy.", STAR_CODE),
    _text("feature.forward_busy_off", "Code that ends it.", STAR_CODE),
    _text("feature.forward_no_answer_on", "Code that forwards calls that nobody answers.", STAR_CODE),
    _text("feature.forward_no_answer_off", "Code that ends it.", STAR_CODE),
    _text("feature.forward_cancel", "Code that ends every forwarding, where there is none of its own.", STAR_CODE),
    _text("phonebook.url", "A remote phone book.", URL),
    _text("phonebook.name", "Its name on the display.", short(32)),
    _text("display.wallpaper_url", "Picture behind everything.", URL),
    _text("display.logo_url", "Picture of the idle display.", URL),
    _text("display.logo_text", "Text of the idle display.", short(32)),
)

_ACTIONS = tuple(
    _text(f"action.{name}", f"URL that the phone asks for {when}.", URL)
    for name, when in (
        ("setup_completed", "when it has started"),
        ("registered", "when a line has registered"),
        ("unregistered", "when a line is registered no longer"),
        ("register_failed", "when a registration has failed"),
        ("incoming_call", "when it rings"),
        ("outgoing_call", "when a number is dialed"),
        ("call_established", "when a call is answered"),
        ("call_terminated", "when a call is over"),
        ("missed_call", "when nobody has answered"),
        ("off_hook", "when the handset is lifted"),
        ("on_hook", "when the handset is put back"),
        ("dnd_on", "when do not disturb begins"),
        ("dnd_off", "when do not disturb ends"),
        ("forward_on", "when forwarding of every call begins"),
        ("forward_off", "when it ends"),
        ("ip_change", "when its address changes"),
    )
)


def _keys(start: str, what: str) -> Iterator[Setting]:
    yield _text(f"{start}.type", f"What {what} does.", one_of(*KEY_TYPES))
    yield _text(f"{start}.value", "Number, DTMF digits or URL.", short(200))
    yield _text(f"{start}.label", "What stands beside it.", short(60))
    yield _number(f"{start}.line", "Line that it belongs to, counted from 1.", between(1, 250))
    yield _text(f"{start}.pickup", "Of blf_pickup: code that takes the call; unset: feature.pickup.", STAR_CODE)


_KEYS = (
    *_keys("keys.N", "key N of the phone"),
    *_keys("modules.N.keys.N", "a key of an expansion module"),
)

_DECT = (
    Setting("dect.pin", "secret", "PIN of a DECT base.", _PIN),
    _text("handsets.N.name", "Name of handset N; unset: that of its line.", short(24)),
    Setting("handsets.N.lines", "list", "Lines that it rings for.", POSITIONS),
    Setting("handsets.N.dial_lines", "list", "Lines that it may dial on; unset: those it rings for.", POSITIONS),
    _number("handsets.N.default_line", "The one it dials on unless told otherwise.", between(1, 250)),
)

TABLE = (
    *_ACCESS,
    *_PLACE,
    *_NETWORK,
    *_SERVICE,
    *_SIP,
    *_CALLS,
    *_FEATURES,
    *_ACTIONS,
    *_KEYS,
    *_DECT,
)
"""Every setting, in the order of the documentation."""
