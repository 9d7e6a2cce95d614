"""The tables of overridden templates and of models without a plugin."""

from __future__ import annotations

from sqlalchemy import Column, Double, Integer, Table, Text

from provd.storage.columns import METADATA, text_column

OVERRIDE = Table(
    "template_override",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("plugin"),
    text_column("template"),
    text_column("place"),
    text_column("applies_to"),
    text_column("text"),
    text_column("base"),
    text_column("base_version"),
    Column("changed", Double, nullable=False),
    text_column("by"),
)

SITE_MODEL = Table(
    "site_model",
    METADATA,
    Column("id", Text, primary_key=True),
    text_column("vendor"),
    text_column("model"),
    Column("lines", Integer, nullable=False),
    text_column("generic"),
    text_column("specific"),
    text_column("format"),
    text_column("content_type"),
    text_column("generic_template"),
    text_column("specific_template"),
    text_column("user_agents"),
    text_column("ouis"),
    text_column("dhcp"),
    Column("changed", Double, nullable=False),
    text_column("by"),
)
