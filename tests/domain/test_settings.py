"""The vocabulary of settings."""

from __future__ import annotations

import pytest

from provd.base.errors import UsageError
from provd.base.secrets import Secret
from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS, KNOWN, NUMBERED, begins, find, flatten, masked, protect, validate


def test_values_come_back_in_their_kind():
    assert validate({"sip.port": "5061", "sip.server": "pbx.example", "vlan.priority": 5, "ntp.server": None}) == {
        "sip.port": 5061,
        "sip.server": "pbx.example",
        "vlan.priority": 5,
        "ntp.server": None,
    }


def test_passwords_become_secrets_and_are_shown_as_stars():
    settings = validate({"admin.password": "s3cret", "user.password": Secret("other")})
    assert isinstance(settings["admin.password"], Secret)
    assert settings["user.password"] == Secret("other")
    assert masked(settings) == {"admin.password": "***", "user.password": "***"}
    assert protect({"admin.password": "s3cret", "sip.port": 1}) == {"admin.password": Secret("s3cret"), "sip.port": 1}


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("sip.port", 0, "between 1 and 65535"),
        ("sip.port", "many", "must be a number"),
        ("sip.port", True, "must be a number"),
        ("vlan.id", 4095, "between 1 and 4094"),
        ("vlan.priority", -1, "between 0 and 7"),
        ("sip.transport", "sctp", "one of udp, tcp, tls"),
        ("sip.server", "a host", "host name or an address"),
        ("sip.server", "a..b", "host name or an address"),
        ("sip.server", "pbx-.example", "host name or an address"),
        ("sip.server", ("x" * 60 + ".") * 5 + "example", "host name or an address"),
        ("sip.server", "10.0.0.256", "host name or an address"),
        ("sip.server", "10.0.0", "host name or an address"),
        ("sip.server", "fe80::1%eth0", "host name or an address"),
        ("network.dns", "999.1.1.1", "must be an address"),
        ("network.dns", ":::", "must be an address"),
        ("network.dns", "dns.example", "must be an address"),
        ("sip.server", "", "must not be empty"),
        ("sip.server", 5, "must be a text"),
        ("locale.language", "english", "like en"),
        ("locale.language", "zz", "like en"),
        ("locale.language", "fil", "like en"),
        ("locale.language", "en-", "like en"),
        ("locale.language", "en-UK", "like en"),
        ("locale.language", "EN", "like en"),
        ("locale.country", "es", "two letters"),
        ("locale.country", "UK", "two letters"),
        ("locale.country", "ZZ", "two letters"),
        ("time.zone", "../etc/passwd", "IANA"),
        ("resync.at", "24:00", "like 03:00"),
        ("dialing.text", "x" * 33, "at most 32"),
        ("dialing.text", "two\nlines", "printable"),
        ("dialing.text", " blank", "must not begin or end with a blank"),
        ("dialing.text", "%NULL%", "one word between percent signs"),
        ("audio.codecs", "pcma,pcma", "each once"),
        ("audio.codecs", "pcma,mp3", "each once, of pcma"),
        ("audio.codecs", [], "must not be empty"),
        ("audio.codecs", {"pcma": 1}, "must be a list"),
        ("call.waiting", "perhaps", "true or false"),
        ("dialplan.rules", "0[x", "patterns of"),
        ("dialplan.rules", ",".join(["1xx"] * 21), "at most 20"),
        ("phonebook.url", "file:///etc/passwd", "begins with http://"),
        ("phonebook.url", 'http://h/a"b', "without"),
        ("phonebook.url", "http://h/<b>", "without"),
        ("keys.1.type", "espresso", "one of none, line"),
        ("keys.1.pickup", "*8a", "0-9, * and #"),
        ("keys.0.type", "line", "no such setting; did you mean keys.N.type?"),
        ("keys.N.type", "line", "no such setting"),
        ("keys.1000.type", "line", "no such setting"),
        ("keys", "line", "no such setting"),
        ("vendor.acme", "x", "no such setting"),
        ("vendor.acme.a b", "x", "no such setting"),
        ("handsets.1.lines", "1,x", "numbers of lines"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_the_reason(name, value, reason):
    with pytest.raises(UsageError) as refusal:
        validate({name: value})
    assert str(refusal.value).startswith(f"{name}: ")
    assert reason in str(refusal.value)


def test_every_fault_is_named_at_once_and_a_near_miss_is_suggested():
    with pytest.raises(UsageError) as refusal:
        validate({"sip.sever": "x", "vlan.id": 0, "nothing.like.it": 1})
    assert str(refusal.value) == (
        "sip.sever: no such setting; did you mean sip.server?; vlan.id: must be between 1 and 4094, not '0'; "
        "nothing.like.it: no such setting"
    )


def test_a_refused_password_is_not_repeated():
    with pytest.raises(UsageError) as refusal:
        validate({"admin.password": "hunter2" * 20})
    assert "hunter2" not in str(refusal.value)


def test_nesting_shows_every_known_setting_and_flattening_takes_it_back():
    nested = nest({"sip.server": "pbx"})
    assert {f"{group}.{key}" for group, keys in nested.items() for key in keys} == set(KNOWN)
    assert {group for group, keys in nested.items() if not keys} == {"keys", "modules", "handsets"}
    assert nested["sip"]["server"] == "pbx"
    assert nested["sip"]["port"] is None
    assert {name: value for name, value in flatten(nested).items() if value is not None} == {"sip.server": "pbx"}
    assert flatten({"sip.port": 1, "vlan": {"id": 2}}) == {"sip.port": 1, "vlan.id": 2}


def test_the_defaults_obey_their_own_rules():
    assert validate(DEFAULTS) == DEFAULTS
    assert all(setting.doc.endswith(".") for setting in (*KNOWN.values(), *NUMBERED.values()))


def test_flags_and_lists_may_be_written_in_several_ways():
    given = {"call.waiting": "off", "network.lldp": True, "audio.codecs": ["pcma", "g722"], "handsets.2.lines": 3}
    assert validate(given) == {
        "call.waiting": False,
        "network.lldp": True,
        "audio.codecs": "pcma,g722",
        "handsets.2.lines": "3",
    }
    assert validate({"audio.codecs": "pcma, g722"}) == {"audio.codecs": "pcma,g722"}


def test_there_are_many_of_some():
    given = {"keys.12.type": "blf", "modules.2.keys.40.value": "101", "handsets.3.name": "Kitchen"}
    assert validate(given) == given
    assert nest(validate({**given, "handsets.3.lines": "1,2"})) | {} == nest({}) | {
        "keys": {12: {"type": "blf", "value": None, "label": None, "line": None, "pickup": None}},
        "modules": {2: {40: {"type": None, "value": "101", "label": None, "line": None, "pickup": None}}},
        "handsets": {3: {"name": "Kitchen", "lines": ["1", "2"], "dial_lines": None, "default_line": None}},
    }


def test_null_removes_one_or_everything_that_begins_so():
    removed = dict.fromkeys(["keys", "keys.5", "modules.1", "modules.1.keys.2", "handsets", "vendor.acme"])
    assert validate(removed) == removed
    assert not any(begins(name) for name in ("sip", "keys.5.type", "keys.N", "vendor", "vendor.acme.x"))


def test_a_free_parameter_that_looks_like_a_password_is_kept_as_one():
    settings = validate({"vendor.acme.account.1.password": "hunter2", "vendor.acme.colour": "red"})
    assert masked(settings) == {"vendor.acme.account.1.password": "***", "vendor.acme.colour": "red"}
    assert protect({"vendor.acme.base.pin_code": "7717"}) == {"vendor.acme.base.pin_code": Secret("7717")}
    assert find("vendor.acme.colour").kind == "text"


def test_a_single_line_has_few_of_them():
    assert validate({"sip.dtmf": "info", "audio.codecs": "pcma"}, of_line=True)
    with pytest.raises(UsageError, match=r"vlan\.id: is not for a single line; keys: is not for a single line"):
        validate({"vlan.id": 5, "keys": None}, of_line=True)
