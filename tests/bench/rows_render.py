"""Rendering: a file with every key that there is, a fleet, and a file that is in memory. CPU time of one process."""

from __future__ import annotations

import time
from collections.abc import Callable

from provd.app.cache import Cache, Entry
from provd.app.context import SHARED, ContextMaker, Subject
from provd.app.files import FileReply
from provd.app.ports import RenderJob
from provd.app.site import Site
from provd.app.tables import Tables
from provd.app.tokens import Tokens
from provd.app.zones import zone
from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.domain.records import Device, Line, Tenant
from provd.plugin import Manifest
from provd.plugins.catalogue import bundled_plugins
from provd.plugins.loader import load
from provd.plugins.render_engine import Engine
from provd.plugins.render_patterns import Patterns
from provd.plugins.render_trace import Tracer
from provd.plugins.render_wire import HEADER, encode_pattern, request_of
from tests.bench.arena import Arena
from tests.bench.table import OURS, Floor, Report, Row

FLEET = 5000
ONE = 100
"""Times that a single file is made for each repetition, as many before the first one; its figure is their median."""
PLUGIN, BIG = "yealink", "T48G"
MODELS = ("T21P", "T21P_E2", "T23P", "T27P", "T48G", "W52P", "W56P")


def all_keys(manifest: Manifest) -> dict[str, object]:
    """A value for every key of the phone and of its expansion modules."""
    model = manifest.model(BIG)
    assert model is not None
    names = [f"keys.{key}" for key in range(1, model.keys + 1)]
    for module in range(1, int(model.traits["modules"]) + 1):
        names += [f"modules.{module}.keys.{key}" for key in range(1, int(model.traits["module_keys"]) + 1)]
    return {
        f"{name}.{field}": value
        for name in names
        for field, value in (("type", "blf_pickup"), ("value", "101"), ("label", "Anna"), ("line", 1))
    }


class Fleet:
    """Devices of a tenant, each with a line of its own, and what renders their files."""

    def __init__(self, manifest: Manifest, models: tuple[str, ...], count: int, settings: dict[str, object]) -> None:
        self._folders = (str(bundled_plugins() / manifest.id / "templates"),)
        self._manifest = manifest
        self._engine = Engine()
        self._rule = next(rule for rule in manifest.files if rule.template == "device.cfg.j2")
        self._patterns, self._tracer = Patterns(), Tracer()
        tables = Tables()
        tables.put(Tenant(id="acme", name="Acme", settings={"sip.server": "pbx.example", "time.zone": "Europe/Madrid"}))
        for number in range(count):
            mac, model = Mac(f"02005e{number:06x}"), models[number % len(models)]
            line = Line(id=f"{number}", tenant="acme", username=f"{number}", password=Secret("secret"))
            tables.put(line)
            tables.put(
                Device(
                    mac=mac,
                    vendor=manifest.vendor,
                    model=model,
                    plugin=manifest.id,
                    tenant="acme",
                    lines=(line.id,),
                    settings=settings,
                )
            )
        self.devices = list(tables.devices.values())
        self._maker = ContextMaker(tables, Tokens(b"k" * 32), zone)

    def filled(self, device: Device) -> bytes:
        """The file as the daemon makes it when it has made one like it."""
        job = RenderJob(self._manifest.id, self._rule, self._context(device), SHARED, alike=True)
        shape = self._patterns.shape(job)
        assert shape is not None
        body = self._patterns.filled(shape)
        if body is None:
            traced = self._tracer.trace(request_of(job, self._folders, 0, self._patterns.needs(shape)))
            assert traced is not None
            described = encode_pattern(*traced)[HEADER.size + 1 :]
            body = self._patterns.found(shape, self._patterns.begin(shape), described)
        return body

    def _context(self, device: Device) -> dict[str, object]:
        model = self._manifest.model(device.model)
        assert model is not None
        subject = Subject(
            self._manifest.vendor, model, "10.0.0.1", device=device, secrets=True, plugin=self._manifest.id
        )
        return self._maker.make(subject, Site())

    def file(self, device: Device) -> bytes:
        context = self._context(device)
        own = {name: value for name, value in context.items() if name not in SHARED}
        shared = {name: context[name] for name in SHARED if name in context}
        return self._engine.render(self._folders, "device.cfg.j2", "keyvalue", own, shared)


def measure(arena: Arena, report: Report, *, reps: int, quick: bool) -> None:
    del arena
    manifest = load(bundled_plugins() / PLUGIN)
    one = Row(f"{BIG} with all its keys and six modules of 40 set", "ms CPU", (Floor(3, most=True),))
    many = Row(f"{FLEET} devices of {len(MODELS)} models", "s CPU", (Floor(10, most=True),))
    alike = Row(f"{FLEET} devices of {len(MODELS)} models, filled in", "s CPU")
    kept = Row("a file that is in memory", "µs CPU")
    big = Fleet(manifest, (BIG,), 1, all_keys(manifest))
    fleet = Fleet(manifest, MODELS, FLEET // 10 if quick else FLEET, {})
    for _ in range(ONE):
        big.file(big.devices[0])  # the first ones are slow
    for _ in range(reps):
        for _ in range(ONE):
            one.add(OURS, _cpu(lambda: big.file(big.devices[0]), 1) * 1e3)
        whole = _cpu(lambda: [fleet.file(device) for device in fleet.devices], 1)
        many.add(OURS, whole * FLEET / len(fleet.devices))
        whole = _cpu(lambda: [fleet.filled(device) for device in fleet.devices], 1)
        alike.add(OURS, whole * FLEET / len(fleet.devices))
        kept.add(OURS, _kept(fleet) * 1e6)
    one.note(f"{len(big.file(big.devices[0]))} octets")
    report.add(one, many, alike, kept)


def _cpu(work: Callable[[], object], times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        work()
    return (time.process_time() - began) / times


def _kept(fleet: Fleet) -> float:
    """Seconds for one look into the cache of files."""
    cache = Cache(64 << 20)
    keys = [("device", device.mac, PLUGIN, "{mac}.cfg", "10.0.0.1", False, "", "") for device in fleet.devices[:100]]
    for key in keys:
        cache.put(key, Entry(FileReply(found=True, body=b"x"), (0, 0, 0), (), None))
    return _cpu(lambda: [cache.get(key) for key in keys], 1000) / len(keys)
