"""What the tables are made of: the common metadata, and columns that many have."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Text, text

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite makes a column its row number only when the type is spelled INTEGER; that saves one index per table.
ROWID = BigInteger().with_variant(Integer(), "sqlite")


def text_column(name: str) -> Column[str]:
    """A column of text that is never NULL."""
    return Column(name, Text, nullable=False)


def key_columns(*names: str) -> list[Column[str]]:
    """The columns of a key."""
    return [Column(name, Text, primary_key=True) for name in names]


def partial_index(name: str, column: str, where: str, *, unique: bool = False) -> Index:
    """An index of few rows among many: it costs an import of a million serials nothing."""
    # The migration makes it on both databases; saying here what it is on PostgreSQL would import that dialect.
    return Index(name, column, unique=unique, sqlite_where=text(where))
