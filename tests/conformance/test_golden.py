"""Every shipped template, as whole files: what each phone of the mission gets before, without and with its lines.

``PROVD_UPDATE_GOLDEN=1`` writes the files anew; read the difference before you commit it.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from provd.plugin import FileRule
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, FAMILIES, PHONES, PLUGINS, Phone, of_model
from tests.conformance.test_writes import EVERYTHING, files
from tests.conformance.vendors import VENDORS

FULL = [phone for phone in PHONES if phone.model in VENDORS[phone.vendor].full]


def stem(phone: Phone) -> str:
    """What the names of its files begin with: a package has none with blanks."""
    return phone.model.replace(" ", "-")


each_phone = pytest.mark.parametrize("phone", PHONES, ids=lambda phone: phone.model)
each_file = pytest.mark.parametrize(
    ("phone", "case"),
    [pytest.param(phone, case, id=f"{phone.model}-{case}") for phone in PHONES for case in phone.cases],
)


def rendered(phone: Phone, case: str, **changes: object) -> bytes:
    return render_once(PLUGINS / phone.vendor / "templates", phone.job(case, **changes), engine=ENGINE)


def pairs(phone: Phone, case: str, **changes: object) -> list[tuple[str, str]]:
    return VENDORS[phone.vendor].parse(rendered(phone, case, **changes))


@each_file
def test_the_whole_file(phone, case):
    body = rendered(phone, case)
    golden = PLUGINS / phone.vendor / "golden" / f"{stem(phone)}-{case}.{phone.suffix}"
    if os.environ.get("PROVD_UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_bytes(body)
    assert body.decode() == golden.read_bytes().decode()


@pytest.mark.parametrize("phone", FAMILIES, ids=lambda phone: phone.model)
def test_the_whole_file_of_a_generation(phone):
    test_the_whole_file(phone, "claimed")


@pytest.mark.parametrize("phone", FULL, ids=lambda phone: phone.model)
def test_the_whole_file_with_everything_set(phone):
    body = files(phone, EVERYTHING)[2]
    golden = PLUGINS / phone.vendor / "golden" / f"{stem(phone)}-full.{phone.suffix}"
    if os.environ.get("PROVD_UPDATE_GOLDEN"):
        golden.write_bytes(body)
    assert body.decode() == golden.read_bytes().decode()


@pytest.mark.parametrize("phone", [phone for phone in FULL if phone.sheets], ids=lambda phone: phone.model)
def test_its_other_files_with_everything_set(phone):
    for sheet in phone.sheets:
        body = files(phone, EVERYTHING, sheet)[2]
        golden = PLUGINS / phone.vendor / "golden" / sheet_name(phone, sheet)
        if os.environ.get("PROVD_UPDATE_GOLDEN"):
            golden.write_bytes(body)
        assert body.decode() == golden.read_bytes().decode()


def sheet_name(phone: Phone, sheet: FileRule) -> str:
    return f"{stem(phone)}-full{sheet.name.replace('{mac}', '')}"


def test_no_golden_file_is_left_over():
    wanted = {f"{phone.vendor}/golden/{stem(phone)}-{case}.{phone.suffix}" for phone in PHONES for case in phone.cases}
    wanted |= {f"{phone.vendor}/golden/{stem(phone)}-claimed.{phone.suffix}" for phone in FAMILIES}
    wanted |= {f"{phone.vendor}/golden/{stem(phone)}-full.{phone.suffix}" for phone in FULL}
    wanted |= {f"{phone.vendor}/golden/{sheet_name(phone, sheet)}" for phone in FULL for sheet in phone.sheets}
    assert wanted == {str(path.relative_to(PLUGINS)) for path in PLUGINS.glob("*/golden/*")}


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_same_octets_whatever_was_rendered_before(vendor):
    jobs = [phone.job(case) for phone in PHONES if phone.vendor == vendor for case in phone.cases]

    def bodies(order):
        engine = Engine()
        return [render_once(PLUGINS / vendor / "templates", jobs[number], engine=engine) for number in order]

    numbers = range(len(jobs))
    assert bodies(numbers) == bodies(reversed(numbers))[::-1]


@each_file
def test_the_first_octet_belongs_to_the_format(phone, case):
    assert rendered(phone, case).startswith(VENDORS[phone.vendor].first)


@each_file
def test_a_name_occurs_once(phone, case):
    counts = Counter(name for name, _ in pairs(phone, case))
    twice = {name for name, count in counts.items() if count > 1}
    assert twice <= set(VENDORS[phone.vendor].repeated)


@pytest.mark.parametrize(
    ("phone", "case"),
    [
        pytest.param(phone, case, id=f"{phone.model}-{case}")
        for phone in PHONES
        for case in ("common", "elsewhere")
        if case in phone.cases
    ],
)
def test_a_common_file_and_the_way_elsewhere_have_no_secret_and_no_account(phone, case):
    body = rendered(phone, case).decode().lower()
    assert [word for word in VENDORS[phone.vendor].private if word in body] == []


@each_phone
def test_un_assigning_leaves_nothing_of_the_tenant_behind(phone):
    names = {name for name, _ in pairs(phone, "unclaimed")}
    assert VENDORS[phone.vendor].replaces or {name for name, _ in pairs(phone, "claimed")} <= names
    body = rendered(phone, "unclaimed").decode()
    assert "example.org" not in body
    assert "pa55word" not in body


@each_phone
def test_a_tenant_that_is_switched_off_leaves_a_phone_without_accounts(phone):
    values = dict(pairs(phone, "claimed", lines=[]))
    if VENDORS[phone.vendor].replaces:
        assert not values.keys() & set(VENDORS[phone.vendor].enabled)
        return
    assert set(values) <= {name for name, _ in pairs(phone, "claimed")}
    name = next(name for name in VENDORS[phone.vendor].enabled if name in values)
    assert values[name] in ("No", "0", "off", "", "0.0.0.0", "false")


@each_phone
def test_more_lines_than_the_model_has_are_left_out(phone):
    line = dict(phone.job("claimed").context["lines"][0])
    many = [{**line, "position": place} for place in range(1, phone.lines + 3)]
    base = pairs(phone, "claimed", lines=many[:-2]) if VENDORS[phone.vendor].replaces else pairs(phone, "unclaimed")
    assert {name for name, _ in pairs(phone, "claimed", lines=many)} <= {name for name, _ in base}


def test_lines_may_have_gaps():
    phone = of_model("T27P")
    line = dict(phone.job("claimed").context["lines"][0])
    values = dict(pairs(phone, "claimed", lines=[{**line, "position": 3}]))
    assert (values["account.1.enable"], values["account.3.enable"]) == ("0", "1")
    assert (values["linekey.1.type"], values["linekey.1.line"], values["linekey.2.type"]) == ("15", "3", "0")


@pytest.mark.parametrize(
    ("firmware", "generation", "expected"),
    [
        ([34, 70, 0, 5], 0, {"flat", "per account"}),
        ([34, 73, 0, 5], 0, {"flat", "per account"}),
        ([34, 80, 0, 5], 0, {"flat", "per server"}),
        ([34, 81, 0, 5], 0, {"static", "per server"}),
        ([34, 87, 0, 5], 0, {"static", "per server"}),
        ([], 72, {"flat", "per account"}),
        ([], 84, {"flat", "static", "per account", "per server"}),
        ([], 0, {"flat", "static", "per account", "per server"}),
    ],
)
def test_names_follow_the_firmware(firmware, generation, expected):
    phone = of_model("T23P")
    model = {**phone.job("claimed").context["model"], "generation": generation}
    names = {name for name, _ in pairs(phone, "claimed", model=model, firmware={"version": "", "parts": firmware})}
    telling = {
        "flat": "auto_provision.server.url",
        "static": "static.auto_provision.server.url",
        "per account": "account.1.transport",
        "per server": "account.1.sip_server.1.transport_type",
    }
    assert {kind for kind, name in telling.items() if name in names} == expected


@pytest.mark.parametrize(
    ("name", "zone", "offset", "rule"),
    [
        ("Europe/Madrid", "GMT+01:00", "", "start=3/-1/7/2:0:0;end=10/-1/7/3:0:0;save=1"),
        ("America/New_York", "GMT-05:00", "", "start=3/8/7/2:0:0;end=11/1/7/2:0:0;save=1"),
        ("America/Santiago", "GMT-04:00", "", "start=9/2/7/0:0:0;end=4/2/7/0:0:0;save=1"),
        ("Australia/Lord_Howe", "GMT+10:00", "0/30", "start=10/1/7/2:0:0;end=4/1/7/2:0:0;save=0:30"),
        ("Pacific/Chatham", "GMT+12:00", "0/45", "start=9/-1/7/2:45:0;end=4/1/7/3:45:0;save=1"),
        ("Pacific/Marquesas", "GMT-10:00", "0/30", ""),
        ("Pacific/Kiritimati", "GMT+13:00", "1/0", ""),
        ("Asia/Kathmandu", "GMT+05:45", "", ""),
        ("Etc/UTC", "GMT", "", ""),
    ],
)
def test_time_zones_of_the_closed_list(name, zone, offset, rule):
    from provd.app.zones import zone as rules_of

    phone = of_model("SPA502G")
    values = dict(pairs(phone, "claimed", zone=rules_of(name)))
    assert values["Time_Zone"] == zone
    assert values["Time_Offset__HH_mm_"] == offset
    assert values["Daylight_Saving_Time_Rule"] == rule
    assert values["Daylight_Saving_Time_Enable"] == ("Yes" if rule else "No")


def known_names(vendor: str) -> list[str]:
    return (PLUGINS / vendor / "names.txt").read_text(encoding="ascii").splitlines()


@pytest.mark.parametrize("vendor", [vendor for vendor in VENDORS if (PLUGINS / vendor / "names.txt").exists()])
def test_the_list_of_names_is_sorted(vendor):
    names = known_names(vendor)
    assert names == sorted(set(names))


@pytest.mark.parametrize(
    ("phone", "case"),
    [
        pytest.param(phone, case, id=f"{phone.model}-{case}")
        for phone in PHONES
        for case in phone.cases
        if VENDORS[phone.vendor].listed
    ],
)
def test_every_name_is_one_a_phone_knows(phone, case):
    # Those in sections of their own cannot be set one by one.
    names = {name for name, _ in pairs(phone, case) if "/" not in name}
    unknown = {VENDORS[phone.vendor].pattern(name) for name in names} - set(known_names(phone.vendor))
    assert not unknown


def shared(name: str) -> dict:
    root = Path(os.environ.get("PROVD_SHARED", PLUGINS.parent / "../shared"))
    path = root / "data" / name
    if not path.is_file():
        pytest.skip(f"{name} is not there")
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.shared
def test_the_element_names_are_those_that_were_found():
    found = shared("cisco_spa_elements.json")
    # The table is of phones; adapters have these for each of their sockets.
    sockets = "CW_Setting Cfwd_All_Dest Cfwd_Busy_Dest Cfwd_No_Ans_Dest DND_Setting Block_CID_Setting Block_ANC_Setting"
    sockets += " RTP_ToS_DiffServ_Value SIP_ToS_DiffServ_Value Secure_Call_Setting"
    # And these codes, which no phone has.
    codes = """
        Accept_Last_Act Accept_Last_Deact Block_Last_Act Block_Last_Deact CID_Act CID_Deact CWCID_Act CWCID_Deact
        Call_Back_Busy_Act Call_Redial Cfwd_Last_Act Cfwd_Last_Deact Dist_Ring_Act Dist_Ring_Deact FAX_Line_Toggle
        Modem_Line_Toggle Speed_Dial_Act
    """
    added = {
        *(f"{name}_#_" for name in sockets.split()),
        *(f"{name}_Code" for name in codes.split()),
        "Speed_Dial_#_#_",
    }
    assert set(known_names("cisco_spa")) == {*found["elements"], *found["other_names_seen"], *added}


@pytest.mark.shared
def test_the_parameter_names_are_those_that_were_found():
    found = {
        ".".join("X" if part in "XYxy" else part for part in name.split("."))
        for name in shared("yealink_params.json")["params"]
    }
    assert set(known_names("yealink")) == found
