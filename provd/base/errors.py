"""The error hierarchy. Foreign exceptions are translated into these once, at the boundary where they arise."""

from __future__ import annotations

from collections.abc import Sequence


class ProvdError(Exception):
    """Base of every error that provd raises on purpose; its text is fit for a person."""


class WireError(ProvdError, ValueError):
    """Octets that do not follow their protocol. Says offset, expectation and finding; never a secret."""


class PeerError(ProvdError):
    """The other side broke the protocol in a well-formed way."""


class UsageError(ProvdError):
    """We were called wrongly: an unknown name, a value out of range. Nothing was changed."""


class FaultsError(UsageError):
    """One or more values are wrong: ``faults`` names each parameter or field, and says why."""

    def __init__(self, faults: Sequence[tuple[str, str]], separator: str = "; ") -> None:
        shown = [f"{name}: {text}" for name, text in faults[:20]]
        more = [f"and {len(faults) - 20} more"] if len(faults) > 20 else []
        super().__init__(separator.join([*shown, *more]))
        self.faults = tuple(faults)


class StaleError(UsageError):
    """The object has changed since the caller looked at it. Nothing was changed."""


class NotFoundError(UsageError):
    """The named object does not exist (or the caller may not know that it does)."""


class ConflictError(UsageError):
    """The change contradicts what is there (a duplicate, an object still in use)."""


class ForbiddenError(ProvdError):
    """The caller is known but may not do this. Nothing was changed."""


class ConfigError(ProvdError):
    """The configuration is not usable. ``origin`` is ``file:line`` where one is known."""

    def __init__(self, message: str, origin: str = "") -> None:
        super().__init__(f"{origin}: {message}" if origin else message)
        self.origin = origin


class PluginError(ProvdError):
    """A vendor plugin is unusable: manifest, template or a render. Harms that plugin only."""


class RendererError(PluginError):
    """The process that renders was lost, closed or does not start. Another try may do; the template is not to blame, or
    nobody knows that it is."""


class StorageError(ProvdError):
    """The durable store refused or could not keep what it was given; nothing of that batch was kept."""


class ClashError(StorageError):
    """Another row has a value already that must be unique: somebody else was quicker."""
