"""What a vendor plugin says about itself: the manifest as plain frozen data.

``plugin.toml`` is read into these classes by :mod:`provd.plugins.loader`; nothing here does input or output.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from typing import Literal

from provd.base.dataclass import dataclass
from provd.plugin.firmware import Package

CONTRACT = 1
"""Version of this contract. A manifest names the version it was written for."""

MatchSource = Literal["option60", "option77", "user_agent", "file"]
FileKind = Literal["common", "device", "static", "absent", "elsewhere", "thing"]
FileFormat = Literal["xml", "keyvalue", "text", "json"]
"""``json`` is for steps of tasks alone: every value is written as JSON has it, a text with its quotation marks."""
Encryption = Literal["", "salted-aes-256-cbc", "aes-128-ecb", "aes128gcm"]
"""``salted-aes-256-cbc``: what ``openssl enc -aes-256-cbc -md md5 -k PHRASE`` writes. ``aes-128-ecb``: the key is the
phrase's 16 octets and the file is filled up with blanks. ``aes128gcm``: the content coding of RFC 8188, told in the
header, so over HTTP only; the phrase is the input keying material."""
ActionAuth = Literal["none", "basic", "digest"]
Reboots = Literal["never", "changed", "always"]


@dataclass(frozen=True, slots=True)
class Model:
    """One device model. ``common`` lists its model-generic file names in the device's own spelling."""

    name: str
    aliases: tuple[str, ...] = ()
    """Other spellings met on the wire (User-Agent word, option 60), compared without regard to case."""
    lines: int = 1
    """How many accounts the model holds."""
    keys: int = 0
    """How many programmable keys it has of its own."""
    common: tuple[str, ...] = ()
    traits: Mapping[str, str | int | bool] = field(default_factory=dict)
    """Anything the plugin's own templates and advice need to know (firmware family, image name …)."""
    ports: bool = False
    """Its accounts are sockets or handsets of their own, which may belong to different tenants."""


@dataclass(frozen=True, slots=True)
class Match:
    """Evidence to identity: a regular expression that must match a whole header, option or file name.

    Named groups ``model``, ``version``, ``mac`` and ``serial`` are taken over; ``model`` is looked up among the
    names and aliases of the plugin's models and does not match when it is none of them. ``starts`` are the
    literal prefixes (lower case) under which the expression is indexed, so that it is tried only where it can
    match.
    """

    source: MatchSource
    starts: tuple[str, ...]
    regex: str
    confidence: int
    model: str = ""
    """Fixed model, for expressions without a ``model`` group."""


@dataclass(frozen=True, slots=True)
class OuiRule:
    """MAC prefixes (6 lower-case hex digits) that point at the vendor: the weakest evidence."""

    prefixes: tuple[str, ...]
    confidence: int = 20
    only_without_option60: bool = False
    """For prefixes shared with other products: believe them only of a DHCP client that names no class."""
    nameless: tuple[str, ...] = ()
    """Option 60 texts, lower case, that count as naming no class (``dslforum.org`` says TR-069 and no more)."""
    models: tuple[str, ...] = ()
    """DHCP advice for these prefixes is the one written for these models (empty: the default advice)."""


@dataclass(frozen=True, slots=True)
class FileRule:
    """One file name that devices of this plugin ask for.

    ``name`` is matched whole and without regard to case; ``{mac}`` stands for the device's MAC in any form, beside it
    ``{model}`` for the name or an alias of each model, and ``{common}`` for each common file of each model. Kind
    ``absent`` is a name that is known and deliberately not offered. Kind ``thing`` is the file of a device that has no
    MAC and shows its key: ``{serial}`` stands for its serial.
    """

    name: str
    kind: FileKind
    template: str = ""
    """Template below ``templates/``; for kind ``static`` the file below ``static/``."""
    format: FileFormat = "text"
    """Decides how values are escaped and which are refused."""
    content_type: str = "text/plain; charset=utf-8"
    secrets: bool = True
    """Only a file that says so itself is given to anybody who asks."""
    elsewhere: str = ""
    """Template of a device's file that is given instead when another server looks after the device: it sends it
    there, to ``urls.home``, and holds nothing else. Empty: this file cannot do that."""

    def sending_away(self) -> FileRule:
        """The rule of that file."""
        return replace(self, kind="elsewhere", template=self.elsewhere, secrets=False)

    encryption: Encryption = ""
    """How the file is encrypted, with the setting ``files.key``, for a device that has that key already."""
    encrypted_only: bool = False
    """A file that there is in encrypted form only."""
    hands_over: bool = False
    """A device's file that is there only until a device that has changed hands has fetched its own: it makes the device
    forget what neither of them says."""
    brings_key: bool = False
    """The file, as long as it goes out in the clear, has the key in it: who got it whole has the key."""


@dataclass(frozen=True, slots=True)
class OptionValue:
    """The value of a DHCP option as a text with placeholders, and how it becomes octets.

    Placeholders: ``{base}`` the HTTP base URL without trailing slash (with the device's token where the policy
    wants one), ``{host}``, ``{port}`` and ``{path}`` (the token, or nothing) its parts, ``{address}`` our IPv4 address,
    ``{tftp}`` the TFTP host, ``{mac}`` twelve lower-case digits.
    """

    encoding: Literal["text", "ip", "hex", "suboptions"]
    text: str = ""
    suboptions: Mapping[int, str] = field(default_factory=dict)
    """For ``suboptions`` (option 43, RFC 2132 section 8.4): code to text."""


@dataclass(frozen=True, slots=True)
class DhcpAdvice:
    """The DHCP options that devices of this plugin understand. The first block that names the model applies,
    then the block that names none."""

    options: Mapping[int, OptionValue]
    models: tuple[str, ...] = ()
    force: tuple[int, ...] = ()
    """Codes that are sent even when the client's parameter request list (option 55) does not ask for them."""


@dataclass(frozen=True, slots=True)
class ActionUri:
    """A path on the device's own web server that makes it fetch its files.

    ``paths`` are tried in order while the answer is 404 (newer firmware first). ``password`` is the one that the
    device leaves the factory with; ours is the setting ``admin.password``.
    """

    paths: tuple[str, ...]
    auth: ActionAuth = "digest"
    """The weakest scheme that may be used (a digest is always taken where it is offered); ``none``: no password."""
    user: str = "admin"
    password: str = ""
    tls: bool = False
    """Over HTTPS; the certificate proves nothing, phones sign their own."""
    port: int = 0
    """0: the usual one of the scheme."""
    later: str = ""
    """Part of the answer of a device that is busy and will do it afterwards."""


@dataclass(frozen=True, slots=True)
class ResyncAdvice:
    """How devices of this plugin are told to fetch their files, and when they do so by themselves."""

    event: str
    """SIP Event header (RFC 6665 section 8.2.1) of the NOTIFY while nobody has claimed the device …"""
    event_claimed: str = ""
    """… and once somebody has; empty: the same."""
    reboots: Reboots = "never"
    """Whether the device restarts when it is told: never, when the file brings something new, always."""
    daily: bool = False
    """A claimed device that asks once a day or less does so at ``resync.at`` of its own time zone."""
    spread: int = 0
    """Seconds by which it may be later than that."""
    step: int = 1
    """Minutes: devices are told to ask every so many, or a multiple of it, whatever the settings say."""
    action: ActionUri | None = None
    body: tuple[str, ...] = ()
    """Lines of a body (``text/plain``) that the device wants to hear with the NOTIFY."""


@dataclass(frozen=True, slots=True)
class PnpAdvice:
    """What devices of this plugin say of themselves over multicast PnP (a SIP SUBSCRIBE for ua-profile, RFC 6080), and
    the URL that they want to hear."""

    vendors: tuple[str, ...]
    """Values of the Event header's ``vendor=``, lower case."""
    url: str
    """A text with the placeholders of :class:`OptionValue`."""
    model: str = "(?P<model>.+)"
    """A regular expression for the whole of ``model=``, without regard to case, with a group ``model``."""
    confidence: int = 90


@dataclass(frozen=True, slots=True)
class Writes:
    """Settings that this plugin's templates write, and for which models. What no row covers they do not write; a name
    that several rows cover must suit all of them."""

    settings: tuple[str, ...]
    """Names as the vocabulary has them (``keys.N.type``), or their beginnings (``keys``, ``sip``)."""
    when: Mapping[str, int | bool | tuple[str, ...]] = field(default_factory=dict)
    """Fields and traits of the model: at least that number, that truth, one of those words."""
    otherwise: str = ""
    """What is said of a model that does not suit, after its name: ``has no line keys``. Empty: the row is not meant for
    such a model."""
    values: tuple[str, ...] = ()
    """The only values (of a list: members) that the device understands; empty: all."""
    upto: tuple[str, ...] = ()
    """For each number in the name the field or trait of the model that holds the highest one, or several with ``+``."""
    never: str = ""
    """What is said of every model, for none can be told: the templates do not write it."""
    since: str = ""
    """The version of the firmware from which on the device knows it, compared from :attr:`Manifest.version_from` on."""


@dataclass(frozen=True, slots=True)
class StepRule:
    """A kind of step that tasks may have. Its templates say what is asked of a server and what the reply means; which
    server that is, with its secrets, is the operator's matter."""

    name: str
    template: str
    """Renders a JSON object: a request, or how the step ends."""
    reply: str = ""
    """Renders how the step ends, from ``reply`` and ``status``. Empty: it is done and gives what ``take`` names."""
    take: Mapping[str, str] = field(default_factory=dict)
    """Values of the reply by JSON pointer (RFC 6901)."""
    needs: tuple[str, ...] = ()
    """What a task must give with it."""
    accepts: tuple[int, ...] = ()
    """Statuses beside 2xx that ``reply`` understands."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A whole plugin. ``id`` is the folder name; ``version`` is SemVer."""

    id: str
    version: str
    contract: int
    vendor: str
    license: str
    description: str
    models: tuple[Model, ...]
    showcase: tuple[str, ...] = ()
    """The models that a demonstration plays, in turn; empty: all of them."""
    matches: tuple[Match, ...] = ()
    ouis: tuple[OuiRule, ...] = ()
    files: tuple[FileRule, ...] = ()
    dhcp: tuple[DhcpAdvice, ...] = ()
    star_codes: tuple[str, ...] = ()
    """Numbers, or their beginnings, that these devices keep for themselves when they leave the factory."""
    resync: ResyncAdvice | None = None
    """None: its devices cannot be told, and come by themselves."""
    limits: str = ""
    """Template below ``templates/`` that says, a line each, what a device cannot do of what it is told:
    ``setting: reason``. It has the context of the device's own file."""
    pnp: PnpAdvice | None = None
    """None: its devices are not answered over multicast PnP."""
    writes: tuple[Writes, ...] = ()
    version_from: int = 0
    """How many numbers at the beginning of a firmware's version tell the model and not the age."""
    packages: tuple[Package, ...] = ()
    """Firmware and languages of its devices."""
    names: frozenset[str] = frozenset()
    """The vendor's own parameter names, with ``X`` or ``#`` in place of a number: what ``vendor.ID.NAME`` may be."""
    steps: tuple[StepRule, ...] = ()

    def step(self, name: str) -> StepRule | None:
        """The kind of step of that name."""
        return next((step for step in self.steps if step.name == name), None)

    def model(self, name: str) -> Model | None:
        """The model with that name or alias, without regard to case."""
        wanted = name.lower()
        for model in self.models:
            if model.name.lower() == wanted or any(alias.lower() == wanted for alias in model.aliases):
                return model
        return None

    def package(self, name: str) -> Package | None:
        """The firmware or language package of that name, without regard to case."""
        return next((each for each in self.packages if each.name.lower() == name.lower()), None)

    def assumed(self, name: str) -> Model:
        """The model with that name, else what to assume of a device whose model is not known: a single line, no keys,
        and the traits of the first model, for templates rely on their presence."""
        found = self.model(name) if name else None
        if found is None:
            found = Model(name="", lines=1, keys=0, traits=self.models[0].traits if self.models else {})
        return found
