"""How long tests wait for what must come.

Such a limit only ends a hang, so that the failure is told with its log. It says nothing about how fast anything is:
the machine may be slow, and busy with others.
"""

PATIENCE = 240.0
"""Seconds; less than what pytest gives a whole test."""
