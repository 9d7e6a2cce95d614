"""Cells of CSV files that a spreadsheet leaves alone."""

import pytest

from provd.app.cells import quoted, unquoted


@pytest.mark.parametrize("text", ["=1+1", "+34 91", "-x", "@sum", "plain", "", "'quoted", "1-1"])
def test_what_goes_into_a_cell_comes_out_again(text: str) -> None:
    assert unquoted(f" {quoted(text)} ") == text


def test_only_what_would_be_a_formula_is_marked() -> None:
    assert [quoted(text) for text in ("=1", "a=1")] == ["'=1", "a=1"]
