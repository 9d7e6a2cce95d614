"""Rate limits and bans as pure machines."""
