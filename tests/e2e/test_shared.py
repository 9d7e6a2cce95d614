"""The command line on the collected material, when that lies beside the repository."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from provd.base.types import mac_text, parse_mac
from tests.conftest import ROOT, shared_folder
from tests.kit.patience import PATIENCE

SHARED = shared_folder()
CAPTURES = sorted(path for path in SHARED.glob("captures/**/*.pcap*")) if SHARED else []
EVIDENCE = ("kind", "user_agent", "path", "filename", "mac")
FRAME = re.compile(
    r" *\d+\.\d{6}  \S+:\d+( \([0-9a-f:]{17}\))? -> \S+:\d+  \d+ octets( of \d+, the rest was not captured)?"
)

pytestmark = [pytest.mark.shared, pytest.mark.skipif(SHARED is None, reason="no material beside the repository")]


def provd(*arguments: str, given: str = "", folder: Path) -> subprocess.CompletedProcess[str]:
    config = folder / "provd.toml"
    config.write_text(f'[server]\nstate_dir = "{folder}"\n')
    command = [sys.executable, "-m", "provd", "--config", str(config), *arguments]
    return subprocess.run(command, input=given, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PATIENCE)


def test_identify_batch_answers_every_case(shared: Path, tmp_path: Path) -> None:
    cases = json.loads((shared / "data" / "ident_cisco_yealink.json").read_text(encoding="utf-8"))["cases"]
    done = provd("identify", "--batch", given="".join(map(asked, cases)), folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == len(cases) > 200
    wrong = [(case, answer) for case, answer in zip(cases, answers, strict=True) if not right(case["expected"], answer)]
    assert wrong == []


def asked(case: dict[str, Any]) -> str:
    evidence = {name: case[name] for name in EVIDENCE if name in case}
    option60 = case.get("option60") or case.get("option60_example")
    if option60:
        evidence["option60"] = option60
    return json.dumps(evidence) + "\n"


def right(expected: dict[str, Any], answer: dict[str, Any]) -> bool:
    models = expected.get("model_any_of") or [expected.get("model", "")]
    mac = mac_text(parse_mac(expected["mac"])) if "mac" in expected else None
    known = (answer["vendor"], answer["version"], answer["mac"], answer["serial"])
    wanted = (expected.get("vendor", ""), expected.get("version", ""), mac, expected.get("sn", ""))
    return known == wanted and answer["model"] in models and bool(answer["reasons"] or not answer["vendor"])


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.name)
def test_explain_pcap_has_something_to_say(capture: Path, tmp_path: Path) -> None:
    done = provd("explain-pcap", str(capture), folder=tmp_path)
    *lines, last = done.stdout.splitlines()
    summary = re.fullmatch(r"(\d+) of (\d+) frames explained", last)
    assert summary is not None
    told, frames = int(summary[1]), int(summary[2])
    heads = [line for line in lines if FRAME.fullmatch(line)]
    assert len(heads) == told <= frames
    nothing = (4, "no DHCP, no TFTP and no SIP in this capture\n")
    assert (done.returncode, done.stderr) == ((0, "") if told else nothing)
    assert "Traceback" not in done.stdout
    assert all(line.isprintable() for line in lines)
