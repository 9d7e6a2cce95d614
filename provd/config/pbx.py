"""The sections about telling devices, and about PBXs that take calls or hold the lines."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from provd.app.dialing import Outcome
from provd.base.secrets import Secret
from provd.config.section import Section
from provd.config.values import Network, SecretText


class ResyncSection(Section):
    """How devices are told that their files have changed."""

    ways: tuple[Literal["sip", "ami", "http"], ...] = Field(
        default=("sip", "ami", "http"),
        description="in this order: its registration here, its PBX, its own web server; [] = it comes by itself",
    )
    per_second: int = Field(default=20, ge=1, le=1000, description="at most so many devices are told in a second")

    @field_validator("ways")
    @classmethod
    def _once(cls, ways: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(ways)) != len(ways):
            raise ValueError("name each way once")
        return ways


class AmiSection(Section):
    """The manager interface of an Asterisk where lines are registered: it sends NOTIFYs to their phones."""

    host: str = Field(min_length=1, max_length=253, pattern=r"^[A-Za-z0-9.:_-]+$")
    port: int = Field(default=5038, ge=1, le=65535, description="5039 is usual with TLS")
    tls: bool = Field(default=False, description="without it the secret is proved, not shown (MD5 challenge)")
    tls_ca: str = Field(default="", description="PEM file with the authority of its certificate; empty: the system's")
    username: str = Field(min_length=1, max_length=80, description="section of manager.conf; needs write = system")
    secret: SecretText = Field(default_factory=lambda: Secret(""), description="or secret_file")
    secret_file: str = Field(default="", description="file with the secret and nothing else")
    technology: Literal["auto", "pjsip", "sip"] = Field(
        default="auto", description="auto | pjsip | sip   (auto: chan_pjsip, then chan_sip)"
    )
    endpoint: str = Field(
        default="{username}", max_length=120, description="its name for a line: {username} is that of the SIP account"
    )
    tenants: tuple[str, ...] = Field(default=(), description="whose lines are registered there; empty: everybody's")

    @field_validator("endpoint")
    @classmethod
    def _name(cls, endpoint: str) -> str:
        if "{username}" not in endpoint or not endpoint.isprintable():
            raise ValueError("must hold {username}")
        return endpoint

    @model_validator(mode="after")
    def _one_secret(self) -> Self:
        if bool(self.secret) == bool(self.secret_file):
            raise ValueError("give either secret or secret_file")
        return self


class PbxSection(Section):
    """PBXs: what they say of callers (FastAGI), and what they are asked to do (AMI)."""

    agi_trusted: tuple[Network, ...] = Field(
        default=("127.0.0.0/8", "::1/128"), description="whose calls over FastAGI are believed"
    )
    agi_evidence: dict[Literal["account", "mac", "ip", "contact", "user_agent"], str] = Field(
        default={
            "ip": "${CHANNEL(pjsip,remote_addr)}",
            "contact": "${PJSIP_HEADER(read,Contact)}",
        },
        description="what the PBX is asked about a caller, beside the endpoint's name; also account, mac and "
        "user_agent, from a header that callers cannot set themselves",
    )
    agi_prompts: dict[str, str] = Field(
        default={},
        description='prompts of the PBX by outcome: { accepted = "auth-thankyou", refused = "auth-incorrect" }',
    )
    ami: tuple[AmiSection, ...] = ()

    @field_validator("agi_prompts")
    @classmethod
    def _outcomes(cls, prompts: dict[str, str]) -> dict[str, str]:
        known = {outcome.value for outcome in Outcome} | {"refused"}
        for outcome, prompt in prompts.items():
            if outcome not in known:
                raise ValueError(f"there is no outcome {outcome!r}; there are {', '.join(sorted(known))}")
            if not prompt.isprintable():
                raise ValueError(f"the prompt for {outcome} is not printable")
        return prompts
