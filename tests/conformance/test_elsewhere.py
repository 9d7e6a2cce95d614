"""A phone whose only address is one server, and which another one looks after: the shipped files, the simulated phones.

``world`` is the server that DHCP names; ``north`` and ``south`` are homes.
"""

from __future__ import annotations

import pytest

from provd.domain.names import name_for
from provd.plugin.phone import Failed, Fetch, Fetched, NotFound, Phone
from provd.simulate.memory import MemoryWorld
from tests.conformance.phones import MANIFESTS, PHONES
from tests.conformance.phones import Phone as Kind
from tests.conformance.test_golden import rendered
from tests.conformance.vendors import VENDORS
from tests.kit.phones import make_phone

WORLD, NORTH, SOUTH = "http://10.0.0.1:8667", "http://10.1.0.1:8667", "http://10.2.0.1:8667"
TOKENS = {NORTH: "n" * 26, SOUTH: "s" * 26}
KINDS = [kind for kind in PHONES if "elsewhere" in kind.cases and kind.model not in VENDORS[kind.vendor].never_again]
"""All that can be sent away and be told how often to ask."""

each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.model)


class Servers:
    """Three servers. ``home`` says which of them has the phone; the others send it on: to ``knows[server]``."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.home = NORTH
        self.knows = {WORLD: NORTH}
        self.down: set[str] = set()

    def serve(self, _mac: str, _ip: str, step: Fetch) -> Fetched | NotFound | Failed:
        base = next(server for server in (WORLD, NORTH, SOUTH) if step.url.startswith(server))
        name = step.url.rsplit("/", 1)[1].lower()
        own = name_for(self.kind.rule("device").name, self.kind.mac, self.kind.model).lower()
        model, token = MANIFESTS[self.kind.vendor].model(self.kind.model), TOKENS.get(base, "")
        if base in self.down:
            return Failed("no answer")
        common = {each.lower() for each in model.common if "common" in self.kind.cases}
        if name not in {own, *common} or (token and token not in step.url):
            return NotFound()
        files = f"{base}/{token}" if token else base
        if name in common:
            return Fetched(rendered(self.kind, "common", urls=self._urls(base, files)))
        if base == self.home:
            line = {**self.kind.job("claimed").context["lines"][0], "username": f"at-{base[7:11]}", "backup_server": ""}
            return Fetched(rendered(self.kind, "claimed", urls=self._urls(base, files), lines=[line]))
        there = self.knows[base]
        home = f"{there}/{TOKENS[there]}" if there in TOKENS else there
        return Fetched(rendered(self.kind, "elsewhere", urls={**self._urls(base, files), "home": home}))

    def _urls(self, base: str, files: str) -> dict[str, str]:
        host = base.split("//")[1].split(":", maxsplit=1)[0]
        return {"base": base, "files": files, "host": host, "tftp": host, "home": ""}


def phone_of(kind: Kind) -> Phone:
    return make_phone(kind.vendor, kind.model, mac=kind.mac, version=kind.firmware)


def lan(servers: Servers) -> MemoryWorld:
    option = WORLD + VENDORS[servers.kind.vendor].option
    return MemoryWorld(options={66: option.encode()}, serve=servers.serve)


def users(phone: Phone) -> list[str]:
    return [account.username for account in phone.accounts]


@each_kind
def test_a_phone_with_one_address_in_the_world_ends_at_its_home(kind):
    servers = Servers(kind)
    world, phone = lan(servers), phone_of(kind)
    world.boot(phone, until=600 * VENDORS[kind.vendor].patience)
    assert users(phone) == ["at-10.1"]
    assert world.complaints == []
    world.boot(phone, until=3 * 86400)
    assert users(phone) == ["at-10.1"], "and days later, too"


@each_kind
def test_it_follows_when_its_home_becomes_another_one(kind):
    servers = Servers(kind)
    world, phone = lan(servers), phone_of(kind)
    world.boot(phone, until=600 * VENDORS[kind.vendor].patience)
    servers.home = servers.knows[WORLD] = SOUTH
    servers.knows[NORTH] = WORLD
    world.boot(phone, until=600 * VENDORS[kind.vendor].patience)
    assert users(phone) == ["at-10.2"]


@each_kind
def test_it_follows_from_where_its_own_site_sends_it_first(kind):
    servers = Servers(kind)
    world, phone = lan(servers), phone_of(kind)
    world.boot(phone, until=600 * VENDORS[kind.vendor].patience)
    # Now it stands where DHCP names the former home.
    there = f"{NORTH}/{TOKENS[NORTH]}"
    option = there + VENDORS[kind.vendor].option
    world = MemoryWorld(options={66: option.encode()}, serve=servers.serve)
    servers.home = servers.knows[WORLD] = SOUTH
    servers.knows[NORTH] = WORLD
    world.boot(phone, until=900 * VENDORS[kind.vendor].patience)
    assert users(phone) == ["at-10.2"]


@each_kind
def test_it_keeps_what_it_has_while_nobody_answers_and_follows_afterwards(kind):
    servers = Servers(kind)
    world, phone = lan(servers), phone_of(kind)
    world.boot(phone, until=600 * VENDORS[kind.vendor].patience)
    servers.down = {WORLD, NORTH}
    servers.home = servers.knows[WORLD] = SOUTH
    world.boot(phone, until=3600 * VENDORS[kind.vendor].patience)
    assert users(phone) == ["at-10.1"]
    servers.down = {NORTH}
    world.boot(phone, until=3600 * VENDORS[kind.vendor].patience)
    assert users(phone) == ["at-10.2"], "although its former home is gone for ever"
