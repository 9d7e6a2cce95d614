"""The page of all settings is the one that the vocabulary and the manifests give."""

from pathlib import Path

from provd.domain.settings import KNOWN, NUMBERED
from provd.plugins.loader import load
from provd.plugins.vocabulary import GROUPS, markdown, rows

ROOT = Path(__file__).resolve().parents[2]
MANIFESTS = [load(path.parent) for path in sorted(ROOT.glob("plugins/[a-z]*/plugin.toml"))]


def test_the_page_is_fresh():
    """`provd profile settings --markdown > plugins/SETTINGS.md` makes it anew."""
    assert (ROOT / "plugins/SETTINGS.md").read_text(encoding="utf-8") == markdown(MANIFESTS)


def test_the_page_has_every_setting_below_some_heading():
    page = markdown(MANIFESTS)
    assert all(f"\n| `{name}`" in page for name in (*KNOWN, *NUMBERED))
    assert all(f"\n## {heading}\n" in page for heading in GROUPS.values())
    assert [row.setting.name for row in rows(MANIFESTS)] == [
        line.split("`")[1] for line in page.splitlines() if line.startswith("| `")
    ]
