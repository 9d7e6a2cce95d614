"""The collected identification facts, replayed as they are, when they lie beside the repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from provd.base.types import parse_mac
from provd.domain.evidence import Evidence
from provd.domain.identify import Index
from provd.domain.route import advice_for
from provd.plugins.loader import load

ROOT = Path(__file__).resolve().parents[2]
FACTS = Path(os.environ.get("PROVD_SHARED", ROOT / "../shared")) / "data"


def cases_of(name: str) -> list[dict[str, Any]]:
    path = FACTS / f"ident_{name}.json"
    cases: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cases"] if path.exists() else []
    return cases


CASES = cases_of("cisco_yealink")
OTHERS = [
    case
    for case in cases_of("other_vendors")
    # Vendors of which nothing but a prefix is known, and evidence that DHCP clients give in other options.
    if case["expected"].get("vendor")
    not in {"Audiocodes", "Doro", "Kirk", "Nortel", "Siemens", "Swissvoice", "Unidata"}
    and not {"option77", "option60_hex_from_byte_2"}.intersection(case)
    and "?" not in case.get("path", "")
]
OTHER_FIRMWARE = {"ATA191", "ATA192"}
"""Have an address for the firmware that talks to a call manager there; here they get the URL of the other one."""

SPELLING = {"Alcatel": "Alcatel-Lucent", "745": "D745", "785": "D785"}
"""One vendor and two models have two spellings in the collection."""

pytestmark = [pytest.mark.shared, pytest.mark.skipif(not CASES, reason="no collected facts beside the repository")]


@pytest.fixture(scope="module")
def manifests() -> dict[str, Any]:
    return {path.parent.name: load(path.parent) for path in sorted((ROOT / "plugins").glob("[a-z]*/plugin.toml"))}


@pytest.fixture(scope="module")
def index(manifests: dict[str, Any]) -> Index:
    return Index.build(manifests.values())


def evidence_of(case: dict[str, Any]) -> Evidence:
    option60 = case.get("option60") or case.get("option60_example") or ""
    assert option60.endswith(case.get("option60_suffix", ""))
    return Evidence(
        via=case["kind"],
        mac=parse_mac(case["mac"]) if "mac" in case else None,
        option60=option60.rstrip("\0"),
        user_agent=case.get("user_agent", ""),
        name=(case.get("path") or case.get("filename") or "").lstrip("/"),
    )


@pytest.mark.parametrize("number", range(len(CASES)))
def test_case(number: int, index: Index, manifests: dict[str, Any]) -> None:
    case = CASES[number]
    expected = case["expected"]
    identity = index.identify(evidence_of(case))
    models = expected.get("model_any_of") or [expected.get("model", "")]
    assert identity.vendor == expected.get("vendor", "")
    assert identity.model in models
    assert identity.version == expected.get("version", "")
    assert identity.mac == (parse_mac(expected["mac"]) if "mac" in expected else None)
    assert identity.serial == expected.get("sn", "")
    if "expected_answer" in case:
        advice = advice_for(manifests[identity.plugin], identity.model, identity.mac)
        assert advice is not None
        if identity.model in OTHER_FIRMWARE:
            return
        # A directory URL may end in a slash: the phone appends one if there is none.
        assert answer(advice.options[66].text) == case["expected_answer"]["66"]


def answer(text: str) -> str:
    text = text.replace("{base}", "{http_base_url}").replace("{tftp}", "{tftp_host}")
    # What a phone with multiplatform firmware asks for where the URL has no path; ours may have one.
    return text.removesuffix("/$PSN.xml").removesuffix("/")


@pytest.mark.parametrize("number", range(len(OTHERS)))
def test_case_of_another_vendor(number: int, index: Index, manifests: dict[str, Any]) -> None:
    case = OTHERS[number]
    expected = case["expected"]
    identity = index.identify(evidence_of(case))
    assert identity.vendor == SPELLING.get(expected["vendor"], expected["vendor"])
    model = expected.get("model", "")
    assert identity.model == SPELLING.get(model, model)
    assert identity.mac == (parse_mac(expected["mac"]) if "mac" in expected else None)
    if "-UA/" not in case.get("user_agent", ""):
        assert identity.version == expected.get("version", "")
    advice = advice_for(manifests[identity.plugin], identity.model, identity.mac)
    for code, wanted in case.get("expected_answer", {}).items():
        if code not in {"66", "43", "114"} or not wanted:
            continue
        assert advice is not None
        # Folders are their way of telling vendors apart; any prefix leads to the same files here.
        folder = f"/{expected['vendor']}"
        assert answer(advice.options[int(code)].text) == wanted.removesuffix("/").replace(folder, "", 1) or (
            answer(advice.options[int(code)].text) == wanted.removesuffix("/")
        )
