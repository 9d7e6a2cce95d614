"""Every row of the DHCP conformance list has a test that exists, or a reason why it does not apply."""

import ast
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = tomllib.loads((Path(__file__).parent / "dhcp_rows.toml").read_text())


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in ast.walk(tree) if isinstance(node, kinds) and node.name.startswith("test_")}


def test_no_row_is_missing():
    assert list(ROWS) == [f"DH-{number:02}" for number in range(1, 64)]


@pytest.mark.parametrize("row", ROWS)
def test_the_row_is_proved_or_explained(row):
    entry = ROWS[row]
    assert bool(entry.get("tests")) != bool(entry.get("not_applicable"))
    for name in entry.get("tests", ()):
        path, _, test = name.partition("::")
        assert test in names_in(ROOT / path), name
