"""Expressions of plugins meet texts from the network: which are let in."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from provd.plugins.expression import faults
from provd.plugins.loader import load

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"


@pytest.mark.parametrize(
    "text",
    [
        r"acme (?P<model>[a-z0-9]{1,8}) (?P<version>\d+\.\d+)",
        r"a\.b\(c\)[*+({]{1,9}x",
        r"(?:\.\d{1,5}){2,3}",
        r"(?:ab)+c",
        r"(?:a|bc){1,9}d",
        r"(?:x(?:a|b)y)?z",
        r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}",
        r"x{3}y{2,}z?",
        r"[]+*]x",
        r"a++b",
    ],
)
def test_harmless(text: str) -> None:
    assert faults(text) == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("(?:a", "not a regular expression"),
        ("(a)b", "unnamed group"),
        ("(?P<name>a)", "unknown group 'name'"),
        ("a?", "matches an empty text"),
        ("(?:a+)+b", "repeat of something variable"),
        ("(?:a*b?)*c", "repeat of something variable"),
        ("(?:a?a?)*c", "repeat of something variable"),
        ("(?:a|aa)+c", "repeat of something variable"),
        ("(?:a|aa){1,30}c", "repeat of something variable"),
        ("(?:(?:x{1,30}y)z){2,9}", "repeat of something variable"),
        ("(?:(?:a|b+)c)*d", "repeat of something variable"),
        ("(?:(?:a+)b)*d", "repeat of something variable"),
        ("a.*b.*c.*d", "3 wide repeats"),
        ("a.*b.{2,}c.{0,200}d", "3 wide repeats"),
        ("a(?=b)b", "look-around"),
        (r"(?P<mac>a)\1", "look-around"),
        ("(?P<mac>a)(?P=mac)", "look-around"),
    ],
)
def test_refused(text: str, fault: str) -> None:
    assert any(fault in said for said in faults(text))


def test_no_shipped_expression_can_be_made_to_crawl() -> None:
    matches = [match for path in PLUGINS.glob("[a-z]*/plugin.toml") for match in load(path.parent).matches]
    assert matches
    for match in matches:
        regex = re.compile(match.regex, re.IGNORECASE)
        for start in match.starts:
            for filler in ("a", "1", " ", "1.", "a1", "a ", "1 ", "(a", "-", "00:", "."):
                text = (start + filler * 255)[:254] + "\n"
                started = time.process_time()
                assert regex.fullmatch(text) is None
                assert time.process_time() - started < 0.2, (match.regex, filler)
