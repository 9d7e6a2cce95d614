"""``provd check-config --deep``: does what the configuration names exist and work?"""

from __future__ import annotations

from collections.abc import Iterator

from provd.base.errors import ConfigError, ProvdError
from provd.config.settings import Settings


def problems(settings: Settings) -> Iterator[str]:
    """Everything that would fail at the start or be degraded afterwards, one sentence each."""
    yield from _event_loop(settings)
    yield from _interfaces(settings)
    yield from _certificate(settings)
    yield from _database(settings)
    yield from plugins(settings)
    yield from _exchanges(settings)
    yield from _tasks(settings)
    yield from _coap(settings)


def _coap(settings: Settings) -> Iterator[str]:
    from provd.coap.server import check_installed

    try:
        check_installed(settings.activation.coap_listen)
    except ConfigError as error:
        yield str(error)


def _tasks(settings: Settings) -> Iterator[str]:
    from provd.base.clock import SystemClock
    from provd.daemon.tasks import world_of

    try:
        world_of(settings.tasks, SystemClock())
    except ConfigError as error:
        yield str(error)
    if any(step.do == "plugin" for template in settings.tasks.template for step in template.step):
        from provd.daemon.core import plugin_folders
        from provd.daemon.plugin_steps import step_faults
        from provd.plugins.catalogue import PluginCatalogue

        state = settings.server.state_dir
        found = PluginCatalogue(plugin_folders(settings), state, SystemClock(), lambda _fact: None)
        yield from step_faults(settings.tasks, found.manifests)


def _exchanges(settings: Settings) -> Iterator[str]:
    from provd.daemon.telling import ami_server

    for section in settings.pbx.ami:
        try:
            ami_server(section)
        except ConfigError as error:
            yield str(error)


def _event_loop(settings: Settings) -> Iterator[str]:
    from provd.daemon import loop_factory

    try:
        loop_factory(settings)
    except ConfigError as error:
        yield str(error)


def _interfaces(settings: Settings) -> Iterator[str]:
    from provd.net.netlink import interfaces

    there = {interface.name: interface for interface in interfaces()}
    for name in settings.dhcp.interfaces:
        if name not in there and not name[:1].isdigit():
            yield f"dhcp.interfaces: there is no interface {name}; there are {', '.join(sorted(there))}"
        elif name in there and not there[name].addresses:
            yield f"dhcp.interfaces: {name} has no IPv4 address"


def _certificate(settings: Settings) -> Iterator[str]:
    from provd.daemon.certificates import pairs_of
    from provd.http.tls import checked

    for pair in pairs_of(settings.phones).values():
        try:
            checked(pair)
        except ConfigError as error:
            yield str(error)


def _database(settings: Settings) -> Iterator[str]:
    from provd.storage.probe import reachable

    try:
        reachable(settings.database.url, settings.server.state_dir)
    except ProvdError as error:
        yield f"database.url: {error}"


def plugins(settings: Settings) -> Iterator[str]:
    """What is wrong with the plugins."""
    from provd.daemon.core import plugin_folders
    from provd.plugins.loader import MANIFEST, load

    for root in plugin_folders(settings):
        for manifest in sorted(root.glob(f"[a-z]*/{MANIFEST}")):
            try:
                load(manifest.parent)
            except ProvdError as error:
                yield str(error)
