"""Sending devices home: what devices and other instances ask, and what is said to these until they have heard it."""
