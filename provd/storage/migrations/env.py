"""Alembic's entry: runs the revisions on the connection that it is handed.

For a new revision run alembic's ``revision`` command with this folder as ``script_location`` and
``config.attributes["connection"]`` set (tests/storage/test_migrations.py shows how), then raise ``HEAD``.
"""

from __future__ import annotations

from alembic import context

from provd.storage.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    compare_type=True,
    # The caller holds the transaction: alembic must neither begin nor end one.
    transactional_ddl=False,
)
context.run_migrations()
