"""Templates that stand in place of a plugin's, and models without a plugin."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    """Add what is new."""
    op.create_table(
        "template_override",
        *_texts("id", "plugin", "template", "place", "applies_to", "text", "base", "base_version"),
        sa.Column("changed", sa.Double(), nullable=False),
        *_texts("by"),
        sa.PrimaryKeyConstraint("id", name="pk_template_override"),
    )
    op.create_table(
        "site_model",
        *_texts("id", "vendor", "model"),
        sa.Column("lines", sa.Integer(), nullable=False),
        *_texts("generic", "specific", "format", "content_type", "generic_template", "specific_template"),
        *_texts("user_agents", "ouis", "dhcp"),
        sa.Column("changed", sa.Double(), nullable=False),
        *_texts("by"),
        sa.PrimaryKeyConstraint("id", name="pk_site_model"),
    )
