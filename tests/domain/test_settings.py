"""The vocabulary of settings."""

from __future__ import annotations

import pytest

from provd.base.errors import UsageError
from provd.base.secrets import Secret
from provd.domain.settings import DEFAULTS, KNOWN, flatten, masked, nest, protect, validate


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
        ("sip.server", "", "must not be empty"),
        ("sip.server", 5, "must be a text"),
        ("locale.language", "english", "like en"),
        ("locale.country", "es", "two letters"),
        ("time.zone", "../etc/passwd", "IANA"),
        ("resync.at", "24:00", "like 03:00"),
        ("dialing.text", "x" * 33, "at most 32"),
        ("dialing.text", "two\nlines", "printable"),
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
    assert nested["sip"]["server"] == "pbx"
    assert nested["sip"]["port"] is None
    assert {name: value for name, value in flatten(nested).items() if value is not None} == {"sip.server": "pbx"}
    assert flatten({"sip.port": 1, "vlan": {"id": 2}}) == {"sip.port": 1, "vlan.id": 2}


def test_the_defaults_obey_their_own_rules():
    assert validate(DEFAULTS) == DEFAULTS
    assert all(setting.doc for setting in KNOWN.values())
