"""Plugins as packages: archives that are built, signed, checked, listed in an index and put side by side on a shelf."""
