from pathlib import Path

from provd.config.sample import sample

ROOT = Path(__file__).resolve().parents[2]


def test_the_annotated_sample_is_what_the_settings_models_say() -> None:
    assert (ROOT / "etc/provd.toml").read_text() == sample(), "run: python -m provd.config.sample > etc/provd.toml"
