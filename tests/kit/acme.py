"""A small vendor plugin for tests that break, edit or overload one."""

from __future__ import annotations

from pathlib import Path

MANIFEST = """
id = "acme"
version = "{version}"
contract = 1
vendor = "Acme"
license = "Apache-2.0"
description = "Acme phones"
[[model]]
name = "A1"
common = "acme.cfg"
[[match]]
source = "option60"
starts = ["acme"]
regex = "acme"
confidence = 70
[[oui]]
prefixes = ["02aaaa"]
[[file]]
name = "{{common}}"
kind = "common"
template = "common.cfg.j2"
format = "keyvalue"
secrets = false
[[file]]
name = "{{mac}}.cfg"
kind = "device"
template = "device.cfg.j2"
format = "keyvalue"
[[file]]
name = "acme.rom"
kind = "static"
template = "acme.rom"
secrets = false
[[dhcp]]
options.66 = {{ text = "{{base}}/" }}
"""
PHONE = "02aaaa000001"


def install(state: Path, *, version: str = "1.0.0", common: str = "greeting = hello\n", rom: bytes = b"") -> Path:
    """Write the plugin into the state directory; gives its folder."""
    folder = state / "plugins" / "acme"
    (folder / "templates").mkdir(parents=True, exist_ok=True)
    (folder / "plugin.toml").write_text(MANIFEST.format(version=version))
    (folder / "templates" / "common.cfg.j2").write_text(common)
    (folder / "templates" / "device.cfg.j2").write_text("mac = {{ device.mac }}\n")
    if rom:
        (folder / "static").mkdir(exist_ok=True)
        (folder / "static" / "acme.rom").write_bytes(rom)
    return folder
