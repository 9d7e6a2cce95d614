"""Every row of the SIP conformance list has a test that exists."""

from __future__ import annotations

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = tomllib.loads((Path(__file__).parent / "sip_rows.toml").read_text())


def names_in(path: Path) -> set[str]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, kinds)}


def test_no_row_is_missing() -> None:
    assert list(ROWS) == [f"SP-{number:02}" for number in range(1, 8)]


@pytest.mark.parametrize("row", ROWS)
def test_the_row_is_proved(row: str) -> None:
    tests = [ROWS[row]] if isinstance(ROWS[row], str) else ROWS[row]
    assert tests
    for name in tests:
        path, _, test = name.partition("::")
        assert test in names_in(ROOT / path), name
