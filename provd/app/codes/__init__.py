"""Provisioning codes: issuing them, finding out who dials one, counting wrong ones, and what a good one brings
about."""
