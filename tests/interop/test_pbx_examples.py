"""The ready snippets for PBXs: well-formed, and everything they name of provd is there."""

import configparser
import re
import subprocess
import tomllib
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from provd.agi.wire import Environment
from provd.app.dialing import Outcome
from provd.config.load import load
from provd.config.settings import SipSection
from provd.domain.settings import KNOWN
from tests.conftest import program
from tests.kit.patience import PATIENCE

ROOT = Path(__file__).resolve().parents[2]
PBX = ROOT / "etc/examples/pbx"
FILES = sorted(path for path in PBX.rglob("*") if path.is_file())
ANSWER = {"outcome", "accepted", "text", "device", "tenant", "line", "wait"}
"""The members of the answer of POST /api/v1/dial."""
SET = {"PROVD_RESULT", "PROVD_REASON", "PROVD_MAC", "PROVD_TENANT", "PROVD_LINE", "PROVD_WAIT"}
PLACES = {"PROVD_HOST", "PROVD_TOKEN", "PROVD_DIAL", "PROVD_AUTH"}


def text(name: str) -> str:
    return (PBX / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PBX)))
def test_what_is_named_of_provd_is_there(file):
    content = file.read_text(encoding="utf-8")
    assert set(re.findall(r"/api/v\d/[a-z/]+", content)) <= {"/api/v1/dial"}
    for name in re.findall(r"--set ([a-z_.]+)=", content):
        assert name in KNOWN
    names = set(re.findall(r"\bPROVD_[A-Z]+\b", content))
    assert names <= SET | PLACES, names
    for section, key in re.findall(r"\b(sip|pbx)\.(?!toml)([a-z_]+)\b", content):
        assert key in load(ROOT / "etc/examples/pbx.toml", {}).model_dump()[section], f"{section}.{key}"


def test_the_fastagi_url_is_the_one_that_is_served():
    urls = re.findall(r"AGI\((agi://[^,)]+),?([^)]*)\)", text("asterisk/extensions.conf"))
    assert urls
    for url, arguments in urls:
        host, _, script = url.removeprefix("agi://").partition("/")
        assert host == "PROVD_HOST:4573"
        call = Environment({"network_script": script, "arg_1": arguments})
        assert call.script == ("dial", {})
    settings = load(ROOT / "etc/examples/pbx.toml", {})
    assert [endpoint.port for endpoint in settings.sip.agi_listen] == [4573]
    assert SipSection().agi_listen == ()


def test_the_outcomes_that_are_named_are_outcomes():
    known = {outcome.value for outcome in Outcome}
    (told,) = re.findall(r"PROVD_RESULT \(([^)]*)\)", text("asterisk/extensions.conf"))
    assert set(re.findall(r"[a-z-]+", told)) <= known
    cases = set(re.findall(r'case "([a-z-]+)":', text("kamailio/provd.cfg")))
    assert cases
    assert cases <= known


def test_the_answers_members_that_are_read_are_there():
    read = set(re.findall(r'jansson_get\("([a-z]+)"', text("kamailio/provd.cfg")))
    read |= {"accepted"} if "accepted" in text("freeswitch/provd.xml") else set()
    assert read == {"outcome", "text", "accepted"}
    assert read <= ANSWER


def test_the_manager_account_is_the_one_that_provd_uses():
    parser = configparser.ConfigParser(inline_comment_prefixes=(";",), strict=True)
    parser.read_string(text("asterisk/manager.conf"))
    (wanted,) = tomllib.loads((ROOT / "etc/examples/pbx.toml").read_text())["pbx"]["ami"]
    account = parser[wanted["username"]]
    assert account["write"] == "system"
    assert account["read"] == ""


def test_every_dialplan_line_belongs_to_an_extension():
    lines = text("asterisk/extensions.conf").splitlines()
    context = ""
    for line in lines:
        if not line.strip() or line.startswith(";"):
            continue
        if line.startswith("["):
            context = line
            extension = False
        elif line.startswith("exten => "):
            assert context
            assert re.fullmatch(r"exten => [^,]+,1,\w+\(.*\)", line), line
            extension = True
        else:
            assert extension, line
            assert re.fullmatch(r" same => n,\w+\(.*\)", line), line
        assert line.count("(") == line.count(")"), line
        assert line.count("{") == line.count("}"), line


def test_the_freeswitch_dialplan_is_xml_and_takes_what_a_phone_can_dial():
    root = ET.fromstring(text("freeswitch/provd.xml"))
    (curl,) = [action for action in root.iter("action") if action.get("application") == "curl"]
    assert curl.get("data", "").endswith('post {"code":"$1","account":"${user_name}"}')
    first = root.find("./context/extension/condition")
    assert first is not None
    expression = first.get("expression", "")
    assert re.fullmatch(expression, "*12345678#")
    assert not re.fullmatch(expression, '1","mac":"02')


@pytest.mark.peer
def test_kamailio_takes_the_configuration():
    checked = subprocess.run(
        [program("kamailio"), "-c", "-f", str(PBX / "kamailio/provd.cfg")],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert checked.returncode == 0, checked.stderr
    assert "config file ok" in checked.stderr
