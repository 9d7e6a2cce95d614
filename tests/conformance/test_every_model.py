"""The templates hold for every model a manifest lists, not only for those with golden files."""

import tomllib
from dataclasses import replace

import pytest

from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, PHONES, PLUGINS, Phone
from tests.conformance.vendors import VENDORS

OWN = {"name", "aliases", "lines", "keys", "common"}


def models(vendor: str) -> list[Phone]:
    manifest = PLUGINS / vendor / "plugin.toml"
    if not manifest.is_file():
        return []
    plugin = tomllib.loads(manifest.read_text(encoding="utf-8"))
    found = []
    for model in plugin["model"]:
        traits = plugin.get("traits", {}) | {key: value for key, value in model.items() if key not in OWN}
        size = {"lines": model.get("lines", 1), "keys": model.get("keys", 0)}
        found.append(replace(like(vendor, traits), model=model["name"], **size, firmware="", traits=traits))
    return found


def like(vendor: str, traits: dict[str, object]) -> Phone:
    """The phone with golden files that has most of these traits: not all of a vendor's ask for the same file."""
    phones = [phone for phone in PHONES if phone.vendor == vendor]
    return max(phones, key=lambda phone: sum(phone.traits.get(name) == value for name, value in traits.items()))


@pytest.mark.parametrize("case", ["common", "unclaimed", "claimed", "elsewhere"])
@pytest.mark.parametrize("vendor", [name for name, vendor in VENDORS.items() if vendor.listed])
def test_every_model_of_the_manifest_gets_a_file_of_known_names(vendor, case):
    known = set((PLUGINS / vendor / "names.txt").read_text(encoding="ascii").splitlines())
    for phone in models(vendor):
        body = render_once(PLUGINS / vendor / "templates", phone.job(case), engine=ENGINE)
        names = {name for name, _ in VENDORS[phone.vendor].parse(body)}
        # What an adapter has of a router stands in a part of its own, and in no list of names.
        found = {VENDORS[vendor].pattern(name) for name in names if not name.startswith("router-configuration/")}
        assert found <= known, phone.model
