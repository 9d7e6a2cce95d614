"""Everything of DHCP below the server and its sockets is pure: no input, no output, no clock, no log."""

import ast
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "provd" / "dhcp"
EDGES = {"server", "wire", "prober"}
PURE = sorted(path for path in FOLDER.glob("*.py") if path.stem not in EDGES)
FORBIDDEN = {"asyncio", "socket", "threading", "logging", "time", "random", "os", "subprocess"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.stem)
def test_no_input_or_output(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert not {name.partition(".")[0] for name in imported} & FORBIDDEN
    assert not {name for name in imported if name.startswith(("provd.app", "provd.net", "provd.dhcp.server"))}
