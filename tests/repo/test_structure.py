"""The rules of the house that a machine can check."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from provd.base.facts.catalogue import catalogue

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "provd").rglob("*.py"))
TOP_LEVEL = {
    "pyproject.toml",
    "provd",
    "plugins",
    "etc",
    "systemd",
    "tests",
    "README.md",
    ".ci",
    ".gitignore",
    "LICENSE",
    "CHANGELOG.md",
    "Makefile",
}


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_the_top_level_is_the_agreed_one() -> None:
    assert {name.split("/")[0] for name in tracked()} <= TOP_LEVEL


def test_layers_hold() -> None:
    checked = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def test_no_vendor_name_occurs_in_the_product() -> None:
    vendors = {
        tomllib.loads(f.read_text())["vendor"].lower()
        for f in ROOT.glob("plugins/*/plugin.toml")
        if "_skeleton" not in str(f)
    }
    assert len(vendors) >= 2
    folders = {f.parent.name for f in ROOT.glob("plugins/*/plugin.toml") if "_skeleton" not in str(f)}
    word = re.compile("|".join(sorted(map(re.escape, vendors | folders))), re.IGNORECASE)
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in sorted((ROOT / "provd").rglob("*"))
        if file.suffix in {".py", ".html", ".css", ".mako", ".toml", ".j2"}
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if word.search(line)
    ]
    assert not found, "\n".join(found)


def test_every_fact_tells_the_operator_what_it_means_and_what_to_do() -> None:
    facts = catalogue()
    assert len(facts) > 20
    for fact_id, fact in facts.items():
        assert re.fullmatch(r"[A-Z0-9]+(-[A-Z0-9]+)*", fact_id)
        text = fact.__doc__ or ""
        assert "Do:" in text, fact_id
        assert len(text.split()) >= 8, fact_id


@pytest.mark.parametrize("file", SOURCES, ids=lambda f: str(f.relative_to(ROOT)))
def test_files_and_functions_stay_small(file: Path) -> None:
    text = file.read_text()
    assert len(text.splitlines()) <= 420
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = [
                child
                for child in node.body
                if not (isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant))
            ]
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0  # type: ignore[operator]
            assert lines <= 60, f"{node.name} has {lines} lines"


def test_no_module_is_called_utils_or_helpers() -> None:
    assert not [f for f in SOURCES if f.stem in {"utils", "util", "helpers", "helper", "misc", "common"}]


def test_nothing_is_left_to_do_and_no_place_of_a_machine_is_named() -> None:
    unwanted = re.compile(r"\b(TODO|FIXME|XXX)\b|/work/|/root/|NotImplementedError")
    me = str(Path(__file__).relative_to(ROOT))
    found = []
    for name in tracked():
        file = ROOT / name
        if name == me or not file.is_file() or file.suffix in {".pcap", ".png"}:
            continue
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1):
            if unwanted.search(line):
                found.append(f"{name}:{number}: {line.strip()}")
    assert not found, "\n".join(found)
