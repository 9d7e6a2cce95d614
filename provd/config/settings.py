"""The settings of the daemon: one model per section of the configuration file, the large ones in modules of their own.

The field descriptions are the comments of the annotated sample (``etc/provd.toml``), which a test keeps fresh.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from provd.base.secrets import Secret
from provd.config.dhcp import DhcpSection
from provd.config.documents import CONTROL, DEFAULT_STATE
from provd.config.hooks import WebhookSection
from provd.config.mqtt import MqttSection
from provd.config.pbx import PbxSection, ResyncSection
from provd.config.plugins import PluginsSection
from provd.config.regions import RegionSection
from provd.config.section import Section
from provd.config.tasks import TasksSection, WebhookStepSection
from provd.config.values import (
    Duration,
    Endpoint,
    ListenOn,
    Network,
    Network4,
    PortRange,
    SecretText,
    port_bounds,
)


class ServerSection(Section):
    """The daemon itself."""

    state_dir: Path = Field(default=DEFAULT_STATE, description="database, plugins, overrides, firmware, keys")
    advertise: str = Field(
        default="", description="host or address put into URLs; default: the local address the phone talked to"
    )
    control: str = Field(default="", description="socket for the command line; default: control.sock in state_dir")
    event_loop: Literal["asyncio", "uvloop"] = Field(
        default="asyncio", description="asyncio | uvloop   (uvloop comes with the extra `fast`; less memory in a storm)"
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="debug | info | warning | error"
    )
    log_format: Literal["text", "json"] = Field(default="text", description="text | json")

    @property
    def control_path(self) -> Path:
        """Where the control socket is."""
        return Path(self.control) if self.control else self.state_dir / CONTROL


class DatabaseSection(Section):
    """Where everything durable is kept."""

    url: str = Field(default="sqlite", description="sqlite (= state_dir/provd.db) or postgresql://provd@db/provd")

    @field_validator("url")
    @classmethod
    def _known(cls, url: str) -> str:
        if url != "sqlite" and not url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError('url must be "sqlite", "sqlite:///FILE" or "postgresql://…"')
        return url


class TftpSection(Section):
    """Files over TFTP."""

    listen: tuple[ListenOn, ...] = Field(default=(Endpoint("0.0.0.0", 69),), description="[] turns TFTP off")
    networks: tuple[Network4, ...] = Field(default=(), description="whose requests are answered; empty: everybody's")
    transfers_per_client: int = Field(
        default=4, ge=1, le=2000, description="at a time; more from one address wait. Raise it for phones behind a NAT"
    )


class PhonesSection(Section):
    """HTTP(S) that phones and devices talk to."""

    listen: tuple[ListenOn, ...] = Field(
        default=(Endpoint("0.0.0.0", 8667),), description="[] turns HTTP for phones off"
    )
    tls_listen: tuple[ListenOn, ...] = Field(default=(), description="HTTPS; needs tls_certificate and tls_key")
    tls_certificate: str = Field(default="", description="PEM file with the certificate and its chain")
    tls_key: str = Field(default="", description="PEM file with the private key")
    tls_legacy_listen: tuple[ListenOn, ...] = Field(
        default=(), description="HTTPS for old firmware that speaks TLS 1.0 only: weak, keep it off the internet"
    )
    tls_legacy_certificate: str = Field(default="", description="a certificate of its own, usually RSA")
    tls_legacy_key: str = Field(default="", description="another key than tls_key")
    trusted_proxies: tuple[Network, ...] = Field(default=(), description="whose X-Forwarded-For counts")

    @model_validator(mode="after")
    def _certificate(self) -> Self:
        if self.tls_listen and not (self.tls_certificate and self.tls_key):
            raise ValueError("tls_listen needs tls_certificate and tls_key")
        if self.tls_legacy_listen:
            if not (self.tls_legacy_certificate and self.tls_legacy_key):
                raise ValueError("tls_legacy_listen needs tls_legacy_certificate and tls_legacy_key")
            if self.tls_legacy_key == self.tls_key:
                raise ValueError("tls_legacy_key is tls_key: a weak protocol must not put the good key at risk")
        return self


class SipSection(Section):
    """Where temporary accounts register and provisioning codes are dialed."""

    listen: tuple[ListenOn, ...] = Field(
        default=(Endpoint("0.0.0.0", 5060),),
        description="UDP and TCP; the port of the first one stands in the temporary account of unclaimed phones. "
        "[] turns SIP off",
    )
    digest: tuple[Literal["SHA-256", "MD5"], ...] = Field(
        # Agents take the first challenge they know (RFC 8760 section 2.4), and old ones give up at the sight of a first
        # one that they do not know. MD5 keeps a temporary secret, which has 128 random bits, as well as SHA-256 does.
        default=("MD5", "SHA-256"),
        min_length=1,
        description="challenges in this order; old phones know MD5 only and look at the first one. A phone that does "
        "not answer them gets MD5 alone when it asks again",
    )
    expires_min: Duration = Field(
        default=60, ge=10, le=3600, description="shorter registrations are refused with this as Min-Expires"
    )
    expires_max: Duration = Field(default=3600, ge=60, le=86400, description="longer registrations are cut to this")
    expires_nat: Duration = Field(
        default=120, ge=30, le=86400, description="the same for phones behind a NAT over UDP, whose mapping times out"
    )
    keepalive: Duration = Field(
        default=25, le=3600, description="how often the mapping is kept open from here; 0s = never"
    )
    agi_listen: tuple[ListenOn, ...] = Field(
        default=(), description='FastAGI for a PBX that takes the call: ["127.0.0.1:4573"]; whose word counts: [pbx]'
    )
    pnp: bool = Field(
        default=True,
        description="answer phones that ask by multicast (ua-profile), on dhcp.interfaces, as dhcp.mode lets us",
    )
    rtp_ports: PortRange = Field(
        default="16384-16583",
        description="UDP ports for what callers hear; every call takes two, so these serve 100 calls at a time",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.expires_min > self.expires_max:
            raise ValueError("expires_min is longer than expires_max")
        if len(set(self.digest)) != len(self.digest):
            raise ValueError("digest names an algorithm twice")
        return self

    @property
    def rtp_range(self) -> range:
        """The ports of ``rtp_ports``."""
        first, last = port_bounds(self.rtp_ports)
        return range(first, last + 1)


class ApiSection(Section):
    """The web page, health and metrics. Keep it off the phones' network."""

    listen: tuple[ListenOn, ...] = Field(default=(Endpoint("127.0.0.1", 8666),), description="[] turns the page off")
    hosts: tuple[str, ...] = Field(
        default=(), description="host names under which the page is reached, in addition to addresses"
    )


class PolicySection(Section):
    """Who gets what."""

    secrets: Literal["open", "bound", "token", "certificate"] = Field(
        default="bound", description="who gets a file with secrets: open | bound | token"
    )
    auto_add: bool = Field(default=True, description="add phones that a plugin recognises automatically")
    claim: Literal["dial", "mac"] = Field(
        default="dial",
        description="how a tenant's token takes an unclaimed phone: dial (a code on it) | mac (knowing it)",
    )
    max_new_devices: int = Field(
        default=5000, ge=1, description="how many phones of one network are added so in an hour"
    )
    stale_after: Duration = Field(default=30 * 86400, description="a device not seen for this long is marked stale")

    @model_validator(mode="after")
    def _buildable(self) -> Self:
        if self.secrets == "certificate":
            raise ValueError('secrets = "certificate" is not available in this version; use "token" or "bound"')
        return self


class CodesSection(Section):
    """Provisioning codes: what is dialed on a phone so that it becomes somebody's."""

    length: int = Field(default=8, ge=6, le=16, description="keys of a new code")
    alphabet: str = Field(default="0123456789", description="the keys it is drawn from; * and # are possible")
    expires: Duration = Field(default=86400, ge=60, description='how long a new code is good; or "infinite"')
    uses: int = Field(default=1, ge=1, le=10_000, description="how many phones may use a new code")
    tries: int = Field(default=5, ge=1, le=100, description="wrong codes from one phone until it is locked")
    delay: Duration = Field(
        default=2, le=600, description="what the first wrong code costs; each further one doubles it"
    )
    lock: Duration = Field(
        default=3600,
        ge=60,
        le=86400,
        description="how long a lock lasts; whoever had one may try once in this time",
    )
    source_tries: int = Field(
        default=10, ge=1, le=10_000, description="tries from one address while it is not known which phone dials"
    )
    crowd: int = Field(
        default=10, ge=2, le=10_000, description="locked phones behind one address until that is closed to new ones"
    )
    site_tries: int = Field(
        default=240, ge=1, le=1_000_000, description="wrong codes in a day until the site is closed to new phones"
    )
    reset_number: str = Field(
        default="*44832225", description='this number and the PIN make a phone unclaimed again ("*giveback"); "" = off'
    )
    reset_pin: SecretText = Field(
        default_factory=lambda: Secret(""),
        description="the PIN, 4 to 12 digits; nobody can reset a phone by dialing without one",
    )

    @field_validator("alphabet")
    @classmethod
    def _keys(cls, alphabet: str) -> str:
        odd = sorted(set(alphabet) - set("0123456789*#"))
        if odd:
            raise ValueError(f"a phone has no key {odd[0]!r}; there are 0-9, * and #")
        if len(set(alphabet)) != len(alphabet) or len(alphabet) < 8:
            raise ValueError("name at least 8 different keys, each once")
        return alphabet

    @field_validator("reset_number")
    @classmethod
    def _number(cls, number: str) -> str:
        if number and (set(number) - set("0123456789*#") or not 3 <= len(number) <= 16):
            raise ValueError("a number has 3 to 16 of the keys 0-9, * and #")
        return number

    @field_validator("reset_pin")
    @classmethod
    def _pin(cls, pin: Secret) -> Secret:
        digits = pin.reveal()
        if digits and not (digits.isascii() and digits.isdigit() and 4 <= len(digits) <= 12):
            raise ValueError("a PIN has 4 to 12 digits")
        return pin


class ActivationSection(Section):
    """Devices that are not phones."""

    window: Duration = Field(
        default=86400,
        description="how long after being enabled a device may be activated; a model may have its own",
    )
    coap_listen: tuple[ListenOn, ...] = Field(
        default=(), description="CoAP for devices without HTTP; needs the extra `coap`, usually on port 5683"
    )
    content_mib: int = Field(default=64, ge=1, le=1024, description="largest content that devices may fetch, in MiB")
    contents_mib: int = Field(default=1024, ge=1, le=65536, description="all contents of one vendor together, in MiB")


class Settings(Section):
    """The whole configuration file."""

    server: ServerSection = ServerSection()
    database: DatabaseSection = DatabaseSection()
    dhcp: DhcpSection = DhcpSection()
    tftp: TftpSection = TftpSection()
    phones: PhonesSection = PhonesSection()
    sip: SipSection = SipSection()
    api: ApiSection = ApiSection()
    policy: PolicySection = PolicySection()
    codes: CodesSection = CodesSection()
    resync: ResyncSection = ResyncSection()
    pbx: PbxSection = PbxSection()
    plugins: PluginsSection = PluginsSection()
    activation: ActivationSection = ActivationSection()
    tasks: TasksSection = TasksSection()
    region: RegionSection = RegionSection()
    mqtt: MqttSection = MqttSection()
    webhook: tuple[WebhookSection, ...] = ()

    @model_validator(mode="after")
    def _apart(self) -> Self:
        """No two TCP listeners on one port."""
        phones = self.phones
        wanted = {
            "phones.listen": phones.listen,
            "phones.tls_listen": phones.tls_listen,
            "phones.tls_legacy_listen": phones.tls_legacy_listen,
            "sip.listen": self.sip.listen,
            "sip.agi_listen": self.sip.agi_listen,
            "api.listen": self.api.listen,
        }
        before: list[tuple[str, Endpoint]] = []
        for name, endpoints in wanted.items():
            for endpoint in endpoints:
                other = next((one for one in before if endpoint.collides(one[1])), None)
                if other is not None:
                    raise ValueError(f"{other[0]} {other[1]} and {name} {endpoint} are the same port")
                before.append((name, endpoint))
        return self

    @model_validator(mode="after")
    def _told(self) -> Self:
        names = {each.name for each in self.webhook}
        for template in self.tasks.template:
            for step in template.step:
                if isinstance(step, WebhookStepSection) and step.to not in names:
                    raise ValueError(f"template {template.id!r}, step {step.id!r}: there is no webhook {step.to!r}")
        return self

    @field_validator("webhook")
    @classmethod
    def _named_once(cls, webhooks: tuple[WebhookSection, ...]) -> tuple[WebhookSection, ...]:
        names = [each.name for each in webhooks]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"{twice!r} is there twice")
        return webhooks
