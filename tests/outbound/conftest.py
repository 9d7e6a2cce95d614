"""A PostgreSQL of our own, as a database of others."""

from tests.storage.conftest import postgres

__all__ = ["postgres"]
