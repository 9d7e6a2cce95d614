"""The operations behind the command line, the control socket and the API: plain values in, plain values out."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from provd.app.activation.office import VendorOffice
from provd.app.admin import collections
from provd.app.admin.activation import Serials, Things
from provd.app.admin.codes import Codes, Locks
from provd.app.admin.constraints import Constraints
from provd.app.admin.desk import Addresses, Desk, Group, Operation
from provd.app.admin.devices import Devices
from provd.app.admin.diagnosing import Diagnosing
from provd.app.admin.firmware import Firmware
from provd.app.admin.groups import GroupGroup
from provd.app.admin.hooks import Webhooks
from provd.app.admin.importing import Importing
from provd.app.admin.lines import Lines
from provd.app.admin.listing import Collection, Page, select
from provd.app.admin.network import Insight, Network
from provd.app.admin.objects import Profiles, Tenants
from provd.app.admin.params import Param, check
from provd.app.admin.plugins import Operations, Plugins
from provd.app.admin.regions import RegionGroup
from provd.app.admin.rendering import Rendering
from provd.app.admin.rollouts import Rollouts
from provd.app.admin.site_models import SiteModels
from provd.app.admin.syncing import Syncing
from provd.app.admin.tasks import Tasks
from provd.app.admin.templates import Templates
from provd.app.admin.tokens import Tokens
from provd.app.admin.types import Types
from provd.app.admin.vendors import VendorGroup
from provd.app.boot import Boot
from provd.app.caller import Caller, Scope
from provd.app.codes.office import Office
from provd.app.context import Zone
from provd.app.diagnosis.gather import Diagnoses
from provd.app.firmware.rollouts import Rollouts as RolloutBook
from provd.app.fleet import Fleet
from provd.app.hooks.outbox import Outbox
from provd.app.packages import Shop
from provd.app.regions.register import Regions
from provd.app.resync.caller import Resyncer
from provd.app.tasks.book import TaskBook
from provd.base.clock import Clock
from provd.base.errors import UsageError
from provd.base.facts import FactSink

__all__ = ["Addresses", "Admin", "Caller", "Operation", "Param", "Scope"]


class Admin:
    """Every operation by its name.

    A change is durable when :meth:`call` returns and is told as ADMIN-CHANGED. Results never carry a secret unless
    ``reveal`` was asked for, which is told as well.
    """

    def __init__(
        self,
        *,
        fleet: Fleet,
        boot: Boot,
        clock: Clock,
        emit: FactSink,
        zone: Zone,
        addresses: Addresses | None = None,
        codes: Office | None = None,
        resyncer: Resyncer | None = None,
        vendors: VendorOffice | None = None,
        tasks: TaskBook | None = None,
        outbox: Outbox | None = None,
        shop: Shop | None = None,
        regions: Regions | None = None,
        rollouts: RolloutBook | None = None,
    ) -> None:
        desk = Desk(fleet=fleet, boot=boot, clock=clock, emit=emit, zone=zone, addresses=addresses)
        self.tokens = Tokens(desk)
        self.rollouts: Rollouts | None = None
        self.diagnoses = Diagnoses(fleet, desk.knowledge, clock)
        self.plugins: Plugins | None = None
        tenancy = None if vendors is None else vendors.registry.tenants
        listed: list[Collection[Any]] = list(collections.every(desk))
        groups: list[Group] = [
            Devices(desk),
            Diagnosing(desk, self.diagnoses),
            Rendering(desk),
            Tenants(desk, tenancy),
            Lines(desk),
            Profiles(desk),
            Network(desk),
            Insight(desk),
            Templates(desk),
            site_models := SiteModels(desk),
        ]
        groups += [self.tokens, Syncing(desk, resyncer), Importing(desk), hooks := Webhooks(desk, outbox)]
        listed += [collections.webhooks(hooks), collections.site_models(site_models, desk)]
        if codes is not None:
            groups += [issuing := Codes(desk, codes), locks := Locks(desk, codes)]
            listed += [collections.codes(issuing), collections.locks(locks)]
        if vendors is not None:
            groups += [Things(desk, vendors.registry), Serials(desk, vendors.registry), VendorGroup(desk, vendors)]
            groups.append(GroupGroup(vendors))
        self.types: Types | None = None
        self.constraints: Constraints | None = None
        if tasks is not None:
            self.types, self.constraints = Types(desk, tasks, outbox), Constraints(desk, tasks)
            groups += [running := Tasks(desk, tasks), self.types, self.constraints]
            listed += [
                collections.tasks(running),
                collections.types(self.types),
                collections.constraints(self.constraints),
            ]
        if shop is not None:
            self.plugins = Plugins(desk, shop)
            groups += [self.plugins, Operations(desk, shop.works)]
            listed += [collections.operations(shop.works, desk)]
            if shop.warehouse is not None:
                groups.append(Firmware(desk, shop.warehouse, shop.works))
                if rollouts is not None:
                    groups.append(rolling := Rollouts(desk, shop.warehouse, rollouts))
                    listed.append(collections.rollouts(rolling))
                    self.rollouts = rolling
        if regions is not None:
            groups.append(RegionGroup(regions))
        self.operations: dict[str, Operation] = {
            operation.name: operation for group in groups for operation in group.operations()
        }
        self.collections: dict[str, Collection[Any]] = {each.name: each for each in listed}
        self.desk = desk
        self.site_models = site_models
        self.vendors = vendors
        self.warehouse = None if shop is None else shop.warehouse

    async def call(self, name: str, params: Mapping[str, object], caller: Caller) -> object:
        """Carry out an operation for somebody.

        Raises ForbiddenError or UsageError (NotFoundError, ConflictError) when nothing was changed, StorageError
        when the change could not be kept, PluginError when a file cannot be rendered.
        """
        operation = self.operations.get(name)
        if operation is None:
            near = difflib.get_close_matches(name, self.operations, n=1)
            raise UsageError(f"there is no operation {name[:60]!r}" + (f"; did you mean {near[0]}?" if near else ""))
        caller.need(operation.scope)
        if operation.site:
            caller.need_all_tenants()
        args = check(operation.params, params)
        if args.flag("reveal"):
            caller.need(Scope.ADMIN)
        return await operation.run(args, caller)

    async def select(self, name: str, params: Iterable[tuple[str, str]], caller: Caller) -> Page:
        """One page of a collection, as :mod:`provd.app.admin.listing` describes. Raises ForbiddenError, FaultsError."""
        collection = self.collections[name]
        caller.need(collection.scope)
        if collection.site:
            caller.need_all_tenants()
        return await select(collection, params, caller)
