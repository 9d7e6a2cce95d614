"""Who is given a file with secrets."""

from __future__ import annotations

import pytest

from provd.base.types import Mac
from provd.domain.delivery import Claims, decide

ME = Mac("020000000001")
NEIGHBOUR = Mac("020000000002")


@pytest.mark.parametrize(
    ("policy", "claims", "allowed", "reason"),
    [
        ("open", Claims(), True, "policy open"),
        ("bound", Claims(lease=ME), True, "lease"),
        ("bound", Claims(token=ME), True, "token"),
        ("bound", Claims(lease=NEIGHBOUR, token=ME), True, "token"),
        ("bound", Claims(), False, "the address has no lease of ours and there is no valid token"),
        ("bound", Claims(lease=NEIGHBOUR), False, "the address is leased to another device"),
        ("bound", Claims(token=NEIGHBOUR), False, "the token belongs to another device"),
        ("token", Claims(token=ME), True, "token"),
        ("token", Claims(lease=ME), False, "no valid token"),
        ("token", Claims(lease=ME, token=NEIGHBOUR), False, "the token belongs to another device"),
    ],
)
def test_the_ladder(policy, claims, allowed, reason):
    verdict = decide(policy, ME, claims)
    assert (verdict.allowed, verdict.reason) == (allowed, reason)


def test_a_claim_proves_one_device_only():
    assert Claims(lease=ME).prove(ME)
    assert Claims(lease=NEIGHBOUR, token=ME).prove(ME)
    assert not Claims(lease=NEIGHBOUR, token=NEIGHBOUR).prove(ME)
    assert not Claims().prove(ME)
