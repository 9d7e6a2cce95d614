"""The durable store behind SQLAlchemy Core: SQLite or PostgreSQL."""
