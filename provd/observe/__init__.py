"""Readers of facts: log, timeline, metrics, live tail, service manager."""
