"""What README.md and the pages of the guide say can be typed, read and found."""

import re
import shlex
from pathlib import Path
from typing import get_args

import click
import pytest
from pydantic import BaseModel

from provd.base.facts.catalogue import catalogue
from provd.cli.root import cli
from provd.config.settings import Settings
from provd.domain.settings import KNOWN
from provd.plugins import schema
from provd.plugins.loader import load

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "etc/guide").glob("*.md"))]
LINKED = sorted({*PAGES, ROOT / "CHANGELOG.md", *ROOT.glob("etc/**/*.md"), *ROOT.glob("plugins/**/*.md")})
TEXT = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
BLOCKS = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
PROSE = re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)
CODE = re.findall(r"`([^`\n]+)`", PROSE)


def command_lines() -> list[list[str]]:
    lines = [line for block in BLOCKS for line in block.splitlines()]
    found = [line for line in [*lines, *CODE] if line.startswith("provd ")]
    return [shlex.split(line.partition(" < ")[0], comments=True)[1:] for line in found]


def check(words: list[str]) -> None:
    ctx = click.Context(cli, info_name="provd")
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        found = command.get_command(ctx, words[0])
        assert found is not None, f"there is no {words[0]!r} in {ctx.command_path}"
        command, words = found, words[1:]
        ctx = click.Context(command, info_name=command.name, parent=ctx)
    command.make_parser(ctx).parse_args(list(words))


def test_every_command_line_exists() -> None:
    lines = command_lines()
    assert len(lines) > 25
    for words in lines:
        check(words)


def test_every_fact_exists() -> None:
    facts = catalogue()
    named = {code for code in CODE if re.fullmatch(r"[A-Z]+(-[A-Z]+)+", code)}
    assert len(named) > 8
    assert named <= set(facts)


def test_every_setting_exists() -> None:
    # A list of blocks ([[webhook]]) has the keys of one.
    kinds = {
        name: (get_args(field.annotation) or [field.annotation])[0] for name, field in Settings.model_fields.items()
    }
    sections = {name: set(kind.model_fields) for name, kind in kinds.items()}  # type: ignore[union-attr]
    known = {f"{section}.{key}" for section, keys in sections.items() for key in keys} | set(KNOWN)
    groups = {name.partition(".")[0] for name in known}
    named = set(re.findall(r"\b([a-z]+\.[a-z_]+)\b", " ".join([*CODE, *(" ".join(line) for line in command_lines())])))
    wanted = {name for name in named if name.partition(".")[0] in groups and not name.endswith((".toml", ".csv"))}
    assert len(wanted) > 12
    assert wanted <= known


def anchors(page: Path) -> set[str]:
    """What the headings of a page are called in links, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", LINKED, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_exists(page: Path) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
        target, _, anchor = link.partition("#")
        if "://" not in target:
            found = page.parent / target if target else page
            assert found.exists(), link
            assert not anchor or anchor in anchors(found), link


def test_every_page_of_the_guide_is_in_the_readme() -> None:
    listed = (ROOT / "README.md").read_text(encoding="utf-8")
    assert not [page.name for page in PAGES[1:] if f"](etc/guide/{page.name})" not in listed]


def test_the_table_of_phones_is_that_of_the_plugins() -> None:
    rows = re.findall(r"\| \[(\w+)\]\(plugins/\w+/README\.md\) \| (\d+) \|", TEXT)
    manifests = [load(path.parent) for path in ROOT.glob("plugins/[a-z]*/plugin.toml")]
    assert sorted(rows) == sorted((manifest.id, str(len(manifest.models))) for manifest in manifests)


def test_every_key_of_a_manifest_is_explained_to_authors() -> None:
    page = re.sub(r"```.*?```", "", (ROOT / "plugins/README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    words = {word for code in re.findall(r"`([^`]+)`", page) for word in re.findall(r"\w+", code)}
    tables = [kind for kind in vars(schema).values() if isinstance(kind, type) and issubclass(kind, BaseModel)]
    assert len(tables) > 10
    missing = {f"{table.__name__}.{name}" for table in tables for name in table.model_fields if name not in words}
    assert not missing


def test_the_changelog_is_ordered_by_area_and_stays_readable() -> None:
    """A line or two for what a user notices, in its area: what led to it is in the history of the repository."""
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert "### Added" not in text
    assert len(text.splitlines()) <= 200


def test_every_make_target_and_file_exists() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)", "\n".join([*CODE, *BLOCKS])):
        assert f"\n{target}:" in makefile, target
    for file in re.findall(r"(?<=\s)(?:etc|systemd)/[\w./-]+", "\n".join(BLOCKS)):
        assert (ROOT / file).exists(), file
