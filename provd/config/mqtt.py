"""The section about MQTT: the broker by which instances and devices may reach this one."""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from provd.config.section import Section


class MqttSection(Section):
    """A broker by which devices and other instances reach this one about homes. Needs the extra `mqtt` and `region`."""

    host: str = Field(default="", description="of the broker; empty: MQTT is off, and nothing of it is loaded")
    port: int = Field(default=8883, ge=1, le=65535, description="1883 is usual without TLS")
    tls: bool = Field(
        default=True, description="false: everything can be read on the way; only for a broker on this machine"
    )
    tls_ca: str = Field(default="", description="PEM file with the authority of its certificate; empty: the system's")
    tls_certificate: str = Field(default="", description="PEM file with a certificate to be shown to it, if it asks")
    tls_key: str = Field(default="", description="PEM file with its key")
    username: str = Field(default="", description="our name there")
    password_file: str = Field(default="", description="file with the password and nothing else")
    prefix: str = Field(
        default="provd", pattern=r"^[A-Za-z0-9_-]+(?:/[A-Za-z0-9_-]+)*$", description="beginning of all topics"
    )

    @model_validator(mode="after")
    def _together(self) -> Self:
        if bool(self.tls_certificate) != bool(self.tls_key):
            raise ValueError("tls_certificate and tls_key belong together")
        if self.password_file and not self.username:
            raise ValueError("password_file: a password is that of a username")
        return self
