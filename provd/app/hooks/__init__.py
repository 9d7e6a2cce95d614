"""Facts for servers of others: an outbox in the database, and who empties it."""
