"""The annotated sample configuration, written from the settings models so that it cannot be out of date."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from provd.base.secrets import Secret
from provd.config.dhcp import DhcpSubnet
from provd.config.hooks import WebhookSection
from provd.config.pbx import AmiSection
from provd.config.regions import RegionRule
from provd.config.settings import Settings
from provd.config.tasks import AttributeSection, SqlSection, TaskConstraint, TaskDatabase, TaskServer, TaskTemplate
from provd.config.values import DURATION_MARK, Endpoint, duration_text

_EXAMPLE_SUBNET = {
    "network": "10.20.0.0/16",
    "pools": ["10.20.16.0-10.20.255.254"],
    "routers": ["10.20.0.1"],
    "dns": ["10.20.0.1"],
}
_EXAMPLE_AMI = {"host": "10.20.0.5", "username": "provd", "secret_file": "/etc/provd/ami.secret"}
_EXAMPLE_STEP = {
    "id": "crm",
    "do": "sql",
    "database": "crm",
    "statement": "SELECT customer FROM device WHERE mac = :mac",
    "params": {"mac": "{device.mac}"},
}
_BLOCKS: Mapping[str, tuple[type[BaseModel], Mapping[str, Any]]] = {
    "subnet": (DhcpSubnet, _EXAMPLE_SUBNET),
    "ami": (AmiSection, _EXAMPLE_AMI),
    "database": (TaskDatabase, {"name": "crm", "url": "postgresql+psycopg://provd@crm.example/crm"}),
    "server": (TaskServer, {"name": "assets", "url": "https://assets.example/api"}),
    "constraint": (TaskConstraint, {"name": "desk-phones"}),
    "attributes": (AttributeSection, {"name": "site", "required": True}),
    "template": (TaskTemplate, {"id": "first-boot"}),
    "step": (SqlSection, _EXAMPLE_STEP),
    "webhook": (
        WebhookSection,
        {"name": "crm", "url": "https://crm.example/provd", "facts": ["DEVICE-PROVISIONED", "THING-*"]},
    ),
    "rule": (RegionRule, {"by": "country", "value": "DE", "region": "eu"}),
}
"""Keys that are arrays of tables, with an example of one."""
_HEADER = """\
# provd: the whole configuration with its defaults. Lines that start with "# " and a key show the default; remove
# the mark to change it. Files in conf.d/*.toml beside this one are read afterwards, in order of their names, and
# PROVD_DHCP__MODE=full in the environment outranks both. `provd check-config` names every error with its line.
"""


def sample() -> str:
    """The text of ``etc/provd.toml``."""
    parts = [_HEADER]
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if not (isinstance(section, type) and issubclass(section, BaseModel)):
            parts.append("\n".join(_block(name, *_BLOCKS[name])).lstrip() + "\n")
            continue
        parts.append("\n".join(_section(name, section)) + "\n")
    return "\n".join(parts)


def _section(name: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"# {(model.__doc__ or '').strip().splitlines()[0]}"
    yield f"[{name}]"
    for key, field in model.model_fields.items():
        if key in _BLOCKS:
            yield from _block(f"{name}.{key}", *_BLOCKS[key])
        else:
            yield _line(key, _default(field), field)


def _block(name: str, model: type[BaseModel], example: Mapping[str, Any]) -> Iterator[str]:
    yield ""
    yield f"# {(model.__doc__ or '').strip()} Repeat the block for each."
    yield f"# [[{name}]]"
    for key, field in model.model_fields.items():
        if key in _BLOCKS and key not in example:
            yield from _block(f"{name}.{key}", *_BLOCKS[key])
        else:
            yield _line(key, _toml(example[key]) if key in example else _default(field), field)


def _line(key: str, value: str, field: FieldInfo) -> str:
    comment = f"# {field.description}" if field.description else ""
    if not value:
        return f"# {f'{key}: not set':<44} {comment}".rstrip()
    return f"# {f'{key} = {value}':<44} {comment}".rstrip()


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None:
        return ""
    return _toml(duration_text(value) if any(mark is DURATION_MARK for mark in field.metadata) else value)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple | list) and not isinstance(value, Endpoint):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }" if value else "{}"
    return '""' if isinstance(value, Secret) else json.dumps(str(value))


if __name__ == "__main__":
    sys.stdout.write(sample())
