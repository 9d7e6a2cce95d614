"""Whatever a name or password looks like, a file has exactly its own parameters, or there is no file."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provd.app.accounts import NOTHING
from provd.base.errors import PluginError
from provd.plugins.render_engine import Engine
from provd.plugins.render_once import render_once
from tests.conformance.parsers import PARSERS
from tests.conformance.phones import PHONES, PLUGINS, Phone

ENGINE = Engine()
MARK = "placeholder"
SOME = [phone for phone in PHONES if phone.model in ("SPA504G", "SPA525G2", "T21P", "T27P", "W52P", "W56P")]


def writable(text: str) -> bool:
    return not any(unicodedata.category(char) in ("Cc", "Cs") or char in "\u2028\u2029\ufffe\uffff" for char in text)


def parsed(phone: Phone, case: str, text: str) -> list[tuple[str, str]]:
    """The file with that text in every place a tenant can write to."""
    context = phone.job(case).context
    changes = {
        "device": {**context["device"], "label": text},
        "lines": [NOTHING | dict.fromkeys(("username", "auth_username", "password", "display_name"), text) | {
            "position": 1, "number": text, "server": text, "voicemail": text, "backup_server": text,
            "outbound_proxy": text, "port": 5060, "backup_port": 5060, "outbound_port": 5060, "transport": "udp",
        }] if case == "claimed" else [],
        "settings": {
            **context["settings"],
            "dialing": {"text": text},
            "admin": {"username": None, "password": text},
        },
    }  # fmt: skip
    body = render_once(PLUGINS / phone.vendor / "templates", phone.job(case, **changes), engine=ENGINE)
    return PARSERS[phone.rule("device").format](body)


@pytest.mark.parametrize("case", ["unclaimed", "claimed"])
@pytest.mark.parametrize("phone", SOME, ids=lambda phone: phone.model)
@settings(max_examples=60, deadline=None)
@given(text=st.text(min_size=1, max_size=40))
@example(text="</Password_1_><Admin_Passwd>")
@example(text="x\nsecurity.user_password = admin:mine")
@example(text="]]><!-- &#10; {{ 7 * 7 }} {% raw %} %NULL% # \\n")
@example(text="\u0085\u2028")
@example(text="\ud800")
@example(text="\U0001f4de Café «ñ»")
def test_a_value_stays_a_value(phone, case, text):
    expected = [(name, value.replace(MARK, text)) for name, value in parsed(phone, case, MARK)]
    if writable(text):
        assert parsed(phone, case, text) == expected
    else:
        with pytest.raises(PluginError, match=r"contains the character U\+"):
            parsed(phone, case, text)
