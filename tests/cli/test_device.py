"""``provd device`` as a sysadmin types it."""

import json

import pytest

from provd.cli.findings import show_findings
from tests.app.fakes import OTHER, PHONE
from tests.cli.conftest import BELL, Office, Shell

pytestmark = pytest.mark.usefixtures("office")


def test_the_list_is_a_table_for_people_and_json_for_programs(shell: Shell) -> None:
    shown = shell("device", "list")
    assert shown.code == 0
    assert shown.out.splitlines()[0].split() == [
        "MAC",
        "VENDOR",
        "MODEL",
        "VERSION",
        "STATE",
        "TENANT",
        "IP",
        "LINES",
        "LAST",
        "SEEN",
    ]
    assert [row[0] for row in shown.rows] == [BELL, "02:aa:aa:00:00:02"]
    listed = shell("device", "list", "--json").json
    assert [device["id"] for device in listed] == [PHONE, OTHER]
    assert listed[0]["last_seen"] == "1970-01-12T13:45:00+00:00"


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        (["state=assigned"], [PHONE]),
        (["state=identified", "tenant=north"], [OTHER]),
        (["vendor=ACME", "profile=desk"], [PHONE]),
        (["query=00:02"], [OTHER]),
        (["model=nope"], []),
    ],
)
def test_filters_choose(shell: Shell, filters: list[str], found: list[str]) -> None:
    assert [device["id"] for device in shell("device", "list", *filters, "--json").json] == found


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        ("colour=red", "colour: no such filter; there are state, tenant"),
        ("stat=seen", "stat: no such filter; did you mean state?"),
        ("state=", "'state=' is not FILTER=VALUE"),
        ("unclaimed", "'unclaimed' is not FILTER=VALUE"),
        ("state=red", "state: must be one of seen, identified"),
    ],
)
def test_a_malformed_filter_never_means_everything(shell: Shell, wanted: str, reason: str) -> None:
    answer = shell("device", "list", wanted)
    assert (answer.code, answer.out) == (2, "")
    assert reason in answer.err
    assert len(answer.err.splitlines()) == 1


def test_an_empty_table_says_so_and_exits_with_4_while_json_is_an_empty_list(shell: Shell) -> None:
    answer = shell("device", "list", "tenant=south")
    assert (answer.code, answer.out, answer.err) == (4, "", "nothing to list\n")
    answer = shell("device", "list", "tenant=south", "--json")
    assert (answer.code, answer.json) == (0, [])


def test_a_limit_is_kept_and_must_be_one(shell: Shell) -> None:
    assert len(shell("device", "list", "--limit", "1", "--json").json) == 1
    assert shell("device", "list", "--limit", "0").code == 2


def test_a_phone_is_announced_claimed_moved_and_forgotten(shell: Shell, office: Office) -> None:
    added = shell("device", "add", "02:AA:AA:00:00:0A", "--model", "a1g", "--set", "ntp.server=10.0.0.3", "--json").json
    assert (added["mac"], added["model"], added["settings"]) == (
        "02:aa:aa:00:00:0a",
        "A1G",
        {"ntp.server": "10.0.0.3"},
    )
    assert "lines        n2" in shell("device", "assign", "02aaaa00000a", "n2").out
    assert shell("device", "unassign", "02aaaa00000a", "n2", "--json").json["lines"] == []
    changed = shell("device", "set", "02aaaa00000a", "--description", "door", "--unset", "ntp.server", "--json").json
    assert (changed["description"], changed["settings"]) == ("door", {})
    assert shell("device", "transfer", "02aaaa00000a", "south", "--json").json["tenant"] == "south"
    assert shell("device", "reset", "02aaaa00000a", "--json").json["state"] == "unclaimed"
    assert shell("device", "delete", "02aaaa00000a").out == "02:aa:aa:00:00:0a is deleted\n"
    done = [action.removeprefix("device.") for action in office.audit()]
    assert done == ["add", "assign", "unassign", "set", "transfer", "reset", "delete"]


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("device show 02aaaa0000ff", 4, "there is no device 02:aa:aa:00:00:ff"),
        ("device show nonsense", 2, "mac: not a MAC address: 'nonsense'"),
        ("device add 02aaaa000001", 5, "device 02:aa:aa:00:00:01 is there already"),
        ("device add 02aaaa00000b --model Z9", 4, "no plugin knows 'Z9'"),
        ("device add 02aaaa00000b --tenant nowhere", 4, "there is no tenant 'nowhere'"),
        ("device set 02aaaa000001 --set ntp.sever=x", 2, "ntp.sever: no such setting; did you mean ntp.server?"),
        ("device assign 02aaaa000002 nope", 4, "there is no line 'nope'"),
        ("device assign 02aaaa000002 s1", 5, "the device belongs to tenant 'north'; transfer it first"),
        ("device assign 02aaaa000002 n1", 5, "line 'n1' is on another device"),
        ("device transfer 02aaaa000001 north", 5, "the device belongs to tenant 'north' already"),
        ("device unassign 02aaaa000001 n2", 4, "line 'n2' is not on device 02:aa:aa:00:00:01"),
        ("device render 02aaaa000001 other.cfg", 4, "device 02:aa:aa:00:00:01 has no file 'other.cfg'"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_a_code(shell: Shell, command: str, code: int, reason: str) -> None:
    answer = shell(*command.split())
    assert (answer.code, answer.out) == (code, "")
    assert answer.err.startswith(reason)
    assert len(answer.err.splitlines()) == 1


def test_a_device_of_no_plugin_has_no_file(shell: Shell) -> None:
    assert shell("device", "add", "0655aa00000c").code == 0
    answer = shell("render", "0655aa00000c")
    assert answer.code == 4
    assert "06:55:aa:00:00:0c has no file of its own: no plugin that is here knows it" in answer.err


def test_a_setting_without_a_name_is_a_usage_error(shell: Shell) -> None:
    answer = shell("device", "set", PHONE, "--set", "novalue")
    assert answer.code == 2
    assert "'novalue' is not NAME=VALUE" in answer.err


def test_secrets_are_shown_only_when_asked_for_and_that_is_written_down(shell: Shell, office: Office) -> None:
    shown = shell("device", "show", BELL)
    assert "***" in shown.out
    assert "device.reveal" not in office.audit()
    revealed = shell("device", "show", BELL, "--reveal", "--local", "10.0.0.1", "--json").json
    assert revealed["url"].startswith("http://10.0.0.1:8667/")
    assert "***" not in revealed["url"]
    assert office.audit() == ["device.reveal"]


def test_what_is_wrong_is_said_with_what_to_do(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shell("device", "diagnose", "0c0c0c0c0c0c")
    assert (found.code, found.err) == (1, "")
    assert found.out.startswith("problem  nothing was ever heard from it\n         → is it switched on")
    assert "provd tail 0c:0c:0c:0c:0c:0c" in found.out.replace("\n           ", " ")
    monkeypatch.setenv("COLUMNS", "50")
    narrow = shell("device", "diagnose", "0c0c0c0c0c0c").out
    assert max(map(len, narrow.splitlines())) <= 50
    answer = shell("device", "diagnose", BELL, "--json").json
    assert (answer["mac"], answer["known"], answer["state"]) == (BELL, True, "assigned")
    assert {"level", "what", "do"} == set(answer["findings"][0])
    assert "\nproblem " in shell("device", "show", BELL).out
    assert "findings" not in shell("device", "show", BELL, "--json").json


def test_a_device_of_which_nothing_is_known_to_be_wrong_fetches_a_key_only_where_it_is_no_phone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_findings({"mac": BELL, "findings": []})
    show_findings({"mac": "acme/sensor-2/S:1", "findings": []})
    phone, thing = capsys.readouterr().out.splitlines()
    assert phone == "nothing is known to be wrong with it"
    assert thing.startswith("it fetches a key")


def test_a_file_is_printed_as_it_would_be_served(shell: Shell) -> None:
    secret = json.loads(shell("device", "render", BELL).out)
    assert secret["lines"][0]["password"] == "***"
    assert json.loads(shell("device", "render", BELL, "--reveal").out)["lines"][0]["password"] == "secret-n1"
    assert json.loads(shell("device", "render", BELL, "acme-a1.cfg").out)["lines"] == []


def test_settings_say_where_they_come_from(shell: Shell) -> None:
    shell("profile", "set", "desk", "--set", "locale.language=es")
    rows = shell("device", "settings", BELL, "--origin").rows
    why = ["the", "plugin", "acme", "does", "not", "write", "it"]
    assert ["locale.language", "es", "group", "profile", "desk", *why] in rows
    assert {row["name"] for row in shell("device", "settings", BELL, "--json").json} > {"locale.language"}


def test_what_does_nothing_on_a_device_is_said_when_it_is_made(shell: Shell) -> None:
    made = shell("device", "set", BELL, "--set", "keys.77.type=dnd", "--set", "vlan.id=7")
    assert made.err == "note: keys.77.type: A1 has only 4 keys\n"
    wrong = shell("device", "set", BELL, "--set", "vlan.id=0", "--set", "vlan.it=7")
    assert wrong.err == (
        "vlan.id: must be between 1 and 4094, not '0'; vlan.it: no such setting; did you mean vlan.id?\n"
    )


def test_a_file_is_printed_for_a_device_or_for_a_model(shell: Shell) -> None:
    own = json.loads(shell("render", BELL).out)
    assert own["lines"][0]["password"] == "***"
    made = json.loads(shell("render", "--as-model", "A1G", "--firmware", "52.84", "--set", "vlan.id=7").out)
    assert (made["model"]["name"], made["settings"]["vlan"]["id"]) == ("A1G", 7)
    assert json.loads(shell("render", "--as-model", "A1", "acme-a1.cfg").out)["lines"] == []
    assert shell("render", BELL, "--diff").code == 4
    for wrong in ((), (BELL, "--firmware", "1"), ("--as-model", "A1", "--reveal")):
        assert shell("render", *wrong).code == 2


def test_devices_come_from_csv_and_go_to_csv(shell: Shell, tmp_path) -> None:
    file = tmp_path / "phones.csv"
    file.write_text("mac,model,description\n02aaaa000007,A1,hall\n02aaaa000001,,desk\n02aaaa000002,,\n")
    assert shell("device", "import", str(file), "--dry-run").out == (
        "1 would be added, 1 would be changed, 1 unchanged\n"
    )
    assert shell("device", "show", "02aaaa000007").code == 4
    assert shell("device", "import", str(file)).out == "1 added, 1 changed, 1 unchanged\n"
    exported = shell("device", "export").out
    assert exported.splitlines()[0] == "mac,vendor,model,tenant,profile,description,lines"
    assert "02:aa:aa:00:00:07,Acme,A1,master,,hall," in exported
    assert shell("device", "import", "-", "--json", stdin=exported).json["changed"] == 0


def test_a_faulty_csv_changes_nothing_and_names_every_line(shell: Shell) -> None:
    answer = shell("device", "import", "-", stdin="mac,tenant\n02aaaa000008,nowhere\n02aaaa000009,never\n")
    assert (answer.code, answer.out) == (2, "")
    assert [row.split(":")[0] for row in answer.err.splitlines()] == ["line 2", "line 3"]
    assert shell("device", "show", "02aaaa000008").code == 4
    assert shell("device", "import", "/nowhere.csv").code == 2


def test_a_daemon_of_an_older_version_is_told_apart_from_a_mistake(shell: Shell, office: Office) -> None:
    for name in ("device.diagnose", "device.check"):
        office.forget(name)
    assert shell("device", "show", BELL).code == 0, "what it knows is shown"
    answer = shell("device", "diagnose", BELL)
    reason = "the daemon that runs is of another version and does not know this: restart it\n"
    assert (answer.code, answer.out, answer.err) == (1, "", reason)


def test_a_device_that_can_do_all_that_it_is_told(shell: Shell) -> None:
    answer = shell("device", "check", BELL)
    assert (answer.code, answer.out, answer.err) == (0, "it can do all that it is told\n", "")
    assert shell("device", "check", BELL, "--json").json == []
