"""What becomes of digits by a dial plan."""

import pytest

from provd.plugin.dial_plan import dialed
from provd.plugin.phone import Dialed

PLAN = "(*xx|[3469]11|0|<9:>1xxxxxx|<:0049>[1-9]xx.|!900x.|<#x:0>7S0|8,[2-4]L8P5)"


@pytest.mark.parametrize(
    ("digits", "sent", "told"),
    [
        ("*72", "*72", "by *xx"),
        ("411", "411", "by [3469]11"),
        ("0", "0", "by 0"),
        ("91234567", "1234567", "by <9:>1xxxxxx"),
        ("2", "", f"no sequence of the dial plan {PLAN} fits"),
        ("23", "004923", "by <:0049>[1-9]xx."),
        ("#57", "07", "by <#x:0>7S0"),
        ("84", "004984", "by <:0049>[1-9]xx."),
        ("900", "0049900", "by <:0049>[1-9]xx."),
    ],
)
def test_the_first_sequence_that_fits_counts(digits, sent, told):
    assert dialed(digits, PLAN) == Dialed(sent, told)


def test_what_is_barred_and_what_has_a_second_dial_tone():
    assert dialed("9001", "(!900x.|x.)") == Dialed("", "barred by !900x.")
    assert dialed("83", "(8,[2-4]L8P5)") == Dialed("83", "by 8,[2-4]L8P5")


def test_a_sequence_that_cannot_be_read_fits_nothing():
    assert dialed("12", "(1y2|<1:2|12|[12)") == Dialed("12", "by 12")
    assert not dialed("1y2", "1y2").user
