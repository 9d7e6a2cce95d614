"""The pages of single subjects: who has signed in on one of them has done so on all."""

from __future__ import annotations

from collections.abc import Sequence

from provd.app.admin import Admin
from provd.app.bearer import Authority
from provd.daemon.core import Core
from provd.daemon.firmware_views import StoredFirmware
from provd.daemon.region_views import StoredRegionViews
from provd.daemon.thing_views import StoredThingViews
from provd.daemon.views import DaemonViews
from provd.http.api.guard import Guard
from provd.http.firmware_page import FirmwarePage
from provd.http.page import Part
from provd.http.plugins_page import PluginsPage
from provd.http.regions_page import RegionsPage
from provd.http.signin import Sessions
from provd.http.templates_page import TemplatesPage
from provd.http.things_page import ThingsPage


def pages(core: Core, admin: Admin, views: DaemonViews) -> Sequence[Part]:
    """All of them, over what is stored."""
    known = Authority(core.fleet, core.clock).caller
    sessions = Sessions(known, Guard(known, core.emit, core.clock), core.clock)
    return (
        ThingsPage(StoredThingViews(core.vendors), sessions),
        RegionsPage(StoredRegionViews(core.regions)),
        FirmwarePage(StoredFirmware(core), admin, sessions),
        PluginsPage(admin, sessions, lambda: {row.id: row.devices for row in views.status().plugins}),
        TemplatesPage(admin, sessions),
    )
