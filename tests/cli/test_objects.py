"""``provd tenant|line|profile``."""

from pathlib import Path

import pytest

from tests.cli.conftest import BELL, Office, Shell

pytestmark = pytest.mark.usefixtures("office")


def test_tenants_come_and_go(shell: Shell) -> None:
    added = shell("tenant", "add", "acme", "--name", "Acme Ltd", "--set", "sip.server=10.0.0.5", "--json").json
    assert (added["name"], added["settings"]) == ("Acme Ltd", {"sip.server": "10.0.0.5"})
    assert ["north", "North", "yes", "2", "2"] in shell("tenant", "list").rows
    changed = shell("tenant", "set", "acme", "--disabled", "--set", "sip.server=", "--json").json
    assert (changed["enabled"], changed["settings"]) == (False, {"sip.server": None})
    assert shell("tenant", "set", "acme", "--unset", "sip.server", "--json").json["settings"] == {}
    assert "name      Acme Ltd" in shell("tenant", "show", "acme").out
    assert shell("tenant", "delete", "acme").out == "acme is deleted\n"
    assert shell("tenant", "delete", "acme", "--json").code == 4


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("tenant add north", 5, "tenant 'north' is there already"),
        ("tenant add North", 2, "id: must be made of a-z"),
        ("tenant delete master", 5, "the tenant 'master' owns what nobody has claimed"),
        ("tenant list name=x", 2, "name=x: this list has no filters"),
        ("tenant set north --set time.zone=Mars/Base", 2, "time.zone: there is no time zone 'Mars/Base'"),
        ("tenant set north --set time.zone=Europe/Madird", 2, "'Europe/Madird'; did you mean Europe/Madrid?"),
        ("tenant set north --unset time.zone", 2, "unset: 'time.zone' is not set here"),
        ("line add n1 --tenant north", 5, "line 'n1' is there already"),
        ("line add n9 --tenant nowhere", 4, "there is no tenant 'nowhere'"),
        ("line show nope", 4, "there is no line 'nope'"),
        ("line list free=maybe", 2, "free: must be yes or no, not 'maybe'"),
        ("profile add desk", 5, "profile 'desk' is there already"),
        ("profile add x --level tenant", 2, "applies_to: is needed for a tenant profile"),
        ("profile add x --level site --applies-to y", 2, "applies_to: must be empty for a site profile"),
        ("profile list level=best", 2, "level: must be one of vendor, model, site, tenant, group"),
        ("profile show nope", 4, "there is no profile 'nope'"),
        ("profile delete desk", 5, "profile 'desk' is"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(shell: Shell, command: str, code: int, reason: str) -> None:
    answer = shell(*command.split())
    assert (answer.code, answer.out) == (code, ""), answer.err
    assert reason in answer.err
    assert len(answer.err.splitlines()) == 1


def test_lines_are_listed_by_tenant_and_by_being_free(shell: Shell) -> None:
    assert [row[0] for row in shell("line", "list").rows] == ["n1", "n2", "s1"]
    assert shell("line", "list").rows[0][-1] == BELL
    assert [row[0] for row in shell("line", "list", "tenant=north", "free=yes").rows] == ["n2"]


def test_a_line_gets_a_password_and_shows_it_only_when_asked(shell: Shell, office: Office) -> None:
    shown = shell("line", "add", "n7", "--tenant", "north", "--number", "107", "--port", "0")
    assert "password        ***" in shown.out
    assert "port            -" in shown.out
    random = shell("line", "show", "n7", "--reveal", "--json").json["password"]
    assert len(random) >= 20
    assert "line.reveal" in office.audit()
    shell("line", "set", "n7", "--password", "-", "--transport", "tls", stdin="from a file\r\n")
    assert shell("line", "show", "n7", "--reveal", "--json").json["password"] == "from a file"
    assert shell("line", "show", "n7", "--json").json["password"] == "***"
    assert shell("line", "set", "n7", "--password", "").code == 2
    assert shell("line", "delete", "n7").out == "n7 is deleted\n"


def test_profiles_inherit(shell: Shell) -> None:
    added = shell("profile", "add", "office", "--level", "site", "--set", "time.zone=Europe/Madrid", "--json").json
    assert (added["level"], added["settings"]) == ("site", {"time.zone": "Europe/Madrid"})
    assert shell("profile", "add", "hall", "--parent", "desk", "--json").json["parents"] == ["desk"]
    assert shell("profile", "set", "hall", "--parent", "", "--json").json["parents"] == []
    assert ["desk", "Desk", "group", "-", "-", "1"] in shell("profile", "list").rows
    assert [row[0] for row in shell("profile", "list", "level=site").rows] == ["office"]
    assert "devices     1" in shell("profile", "show", "desk").out
    assert shell("profile", "delete", "hall").code == 0


def test_lines_come_from_a_file_all_or_none(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "lines.csv"
    file.write_text("id,tenant,number,display_name\nw1,north,11,Ann\nw2,north,12,Bob\nn1,,10,\n")
    assert shell("line", "import", str(file), "--dry-run").out == "2 would be added, 1 would be changed, 0 unchanged\n"
    assert shell("line", "show", "w1").code == 4
    assert shell("line", "import", str(file)).out == "2 added, 1 changed, 0 unchanged\n"
    assert shell("line", "import", str(file)).out == "0 added, 0 changed, 3 unchanged\n"
    assert (shell("line", "show", "w2", "--json").json["display_name"]) == "Bob"
    file.write_text("id,tenant,port\nw3,north,5060\nw4,nowhere,1\nw5,north,70000\n")
    refused = shell("line", "import", str(file))
    assert refused.code == 2
    assert refused.err.splitlines() == ["line 3: there is no tenant 'nowhere'", "line 4: port: must be at most 65535"]
    assert shell("line", "show", "w3").code == 4


def test_all_settings_are_listed_and_what_a_model_can_be_told(shell: Shell) -> None:
    listed = {row["name"]: row for row in shell("profile", "settings", "--json").json}
    assert listed["sip.port"]["values"] == "between 1 and 65535"
    assert listed["sip.port"]["of_line"] is True
    assert shell("profile", "settings", "--markdown").out.startswith("# Settings\n")
    assert "no plugin knows a model 'Z9'" in shell("profile", "settings", "--model", "Z9").err


def test_a_line_has_settings_of_its_own(shell: Shell) -> None:
    shell("line", "add", "301", "--tenant", "north", "--set", "sip.dtmf=info")
    assert shell("line", "set", "301", "--set", "sip.srtp=required", "--json").json["settings"] == {
        "sip.dtmf": "info",
        "sip.srtp": "required",
    }
    assert shell("line", "set", "301", "--unset", "sip.dtmf", "--json").json["settings"] == {"sip.srtp": "required"}
    assert "vlan.id: is not for a single line" in shell("line", "set", "301", "--set", "vlan.id=7").err
