"""What all plugins in force know together: identification, file routes and manifests, rebuilt when plugins change."""

from __future__ import annotations

from dataclasses import replace

from provd.app.effective import DEFAULT_ORIGIN
from provd.app.ports import Catalogue
from provd.base.types import Mac
from provd.domain.capability import shortfalls
from provd.domain.evidence import Evidence, Identity
from provd.domain.identify import Index
from provd.domain.inheritance import Effective
from provd.domain.names import SERIAL_MARK
from provd.domain.records import Device
from provd.domain.route import Candidates
from provd.plugin import FileRule, Manifest, Model

_REMEMBERED = 4096
"""Different pieces of evidence whose identity is kept; a flood of invented ones only empties the memory."""


class Knowledge:
    """A view of the catalogue that is compiled for the hot path. ``revision`` is the catalogue's."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.catalogue = catalogue
        self._identities: dict[tuple[str, ...], Identity] = {}
        self._strangers: set[tuple[str, ...]] = set()
        self._models: dict[tuple[str, str], Model] = {}
        self._build()

    def _build(self) -> None:
        self.revision = self.catalogue.revision
        self._index = Index.build(self.catalogue.manifests)
        self._manifests = {manifest.id: manifest for manifest in self.catalogue.manifests}
        self._models.clear()
        self._identities.clear()
        self._strangers.clear()

    def refresh(self) -> bool:
        """Take over the catalogue when it has changed, and tell whether it had. Quick when it had not."""
        if self.catalogue.revision == self.revision:
            return False
        self._build()
        return True

    def manifest(self, plugin: str) -> Manifest | None:
        """The manifest of that plugin."""
        return self._manifests.get(plugin)

    def find(self, name: str) -> Candidates:
        """Every file rule that this name may mean."""
        return self._index.routes.find(name)

    def own_files(self, device: Device) -> list[tuple[str, str, FileRule]]:
        """The files of a device that has no MAC: each by its name, with its plugin and rule."""
        found: list[tuple[str, str, FileRule]] = []
        for manifest in self.catalogue.manifests:
            if device.vendor.lower() not in (manifest.vendor.lower(), manifest.id):
                continue
            if manifest.model(device.model) is not None:
                rules = (rule for rule in manifest.files if rule.kind == "thing")
                found += [(rule.name.replace(SERIAL_MARK, device.serial), manifest.id, rule) for rule in rules]
        return found

    def identify(self, evidence: Evidence) -> Identity:
        """What the evidence says, not remembered."""
        return self._index.identify(evidence)

    def of_client(self, mac: Mac, option60: str, option77: str = "") -> Identity:
        """What a DHCP client's classes and MAC prefix say; the MAC itself is left out, for the answer is shared."""
        key = (mac[:6], option60, option77)
        identity = self._identities.get(key)
        if identity is None:
            heard = self._index.identify(Evidence(via="dhcp", mac=mac, option60=option60, option77=option77))
            identity = self._remember(key, replace(heard, mac=None))
            if not identity.plugin:
                self._strangers.add(key)
        return identity

    def of_class(self, option60: str, option77: str = "") -> Identity:
        """What a DHCP client calls itself, whatever its MAC prefix says."""
        key = ("class", option60, option77)
        identity = self._identities.get(key)
        if identity is None:
            heard = self._index.identify(Evidence(via="dhcp", option60=option60, option77=option77))
            identity = self._remember(key, heard)
        return identity

    def stranger(self, mac: Mac, option60: str, option77: str = "") -> bool:
        """Whether :meth:`of_client` has found before that such a client belongs to no plugin. On many LANs most are."""
        return (mac[:6], option60, option77) in self._strangers

    def of_request(self, user_agent: str, name: str) -> Identity:
        """What a User-Agent and a file name say."""
        key = ("", user_agent, name)
        identity = self._identities.get(key)
        if identity is None:
            heard = self._index.identify(Evidence(via="http", user_agent=user_agent, name=name))
            identity = self._remember(key, heard)
        return identity

    def _remember(self, key: tuple[str, ...], identity: Identity) -> Identity:
        if len(self._identities) >= _REMEMBERED:
            self._identities.clear()
            self._strangers.clear()
        self._identities[key] = identity
        return identity

    def model(self, plugin: str, name: str) -> Model:
        """The model of that name; a plain one of the same plugin while the model is not known yet.

        Raises LookupError when the plugin is not there.
        """
        found = self._models.get((plugin, name))
        if found is None:
            found = self._manifests[plugin].assumed(name)
            if len(self._models) >= _REMEMBERED:
                self._models.clear()
            self._models[plugin, name] = found
        return found

    def notes(self, device: Device, found: Effective, beside: Effective | None = None) -> dict[str, str]:
        """Which of the settings that somebody has made do nothing on this device, and why. ``beside`` is in force too,
        where ``found`` is a line's own."""
        manifest = self.manifest(device.plugin)
        model = Model(device.model) if manifest is None else self.model(device.plugin, device.model)
        made = {name: value for name, value in found.values.items() if found.origin(name) != DEFAULT_ORIGIN}
        return shortfalls(manifest, model, made, device.version, beside.values if beside else {})
