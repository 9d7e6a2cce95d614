"""provd: a phone and device provisioning appliance in one asyncio process."""

__version__ = "0.1.0"
