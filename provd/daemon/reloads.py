"""Which settings a reload takes over, and which of them differ."""

from __future__ import annotations

from provd.config.settings import Settings

_CERTIFICATES = {f"phones.tls_{name}" for name in ("certificate", "key", "legacy_certificate", "legacy_key")}
_RELOADABLE = _CERTIFICATES | {
    "dhcp",
    "policy",
    "codes",
    "server.advertise",
    "server.log_level",
    "server.log_format",
    "sip.digest",
    "sip.expires_min",
    "sip.expires_max",
    "sip.expires_nat",
    "sip.keepalive",
    "sip.pnp",
    "activation.window",
    "activation.content_mib",
    "activation.contents_mib",
    "resync",
    "pbx",
    "tasks",
    "region",
    "mqtt",
    "webhook",
    "plugins.trust",
    "plugins.keys",
    "plugins.sources",
    "plugins.proxy",
}


def changes(old: Settings, new: Settings) -> list[str]:
    """Dotted names of the settings that differ."""
    found = []
    for section in Settings.model_fields:
        before, after = getattr(old, section), getattr(new, section)
        if isinstance(before, tuple):
            found += [section] if before != after else []
            continue
        found += [
            f"{section}.{key}" for key in type(before).model_fields if getattr(before, key) != getattr(after, key)
        ]
    return found


def applies(name: str) -> bool:
    """Whether a setting takes effect on a reload; others wait for a restart."""
    return name == "plugins" or name in _RELOADABLE or name.partition(".")[0] in _RELOADABLE
