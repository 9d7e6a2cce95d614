"""Plugins as packages: what is on the shelf, what a change of version would do to the fleet, and making it."""
