"""Whatever a text looks like, a file has exactly its own parameters, or there is no file, or the text was refused.

``PROVD_TEXTS=100000`` tries so many texts in all, spread over the phones; without it there are a few hundred.
"""

import os
import unicodedata
from functools import cache

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from provd.app.accounts import NOTHING
from provd.base.errors import PluginError, UsageError
from provd.domain.forms import STAR_CODE, URL
from provd.domain.nesting import nest
from provd.domain.settings import DEFAULTS, KNOWN, validate
from provd.plugins.render_once import render_once
from tests.conformance.phones import ENGINE, PHONES, PLUGINS, Phone, of_model
from tests.conformance.vendors import MARK, VENDORS

SOME = [phone for phone in PHONES if phone.model in VENDORS[phone.vendor].texts]
SPREAD = 3 * len(SOME)
TRIED = max(int(os.environ.get("PROVD_TEXTS", "0")) // SPREAD, 40)
pytestmark = pytest.mark.timeout(900 if TRIED == 40 else 3600)
NAMES = (
    "admin.password", "user.password", "dialing.text", "phonebook.name", "display.logo_text", "keys.1.label",
    "keys.1.value", "modules.1.keys.1.label", "modules.1.keys.1.value", "handsets.1.name",
    *(name for name, setting in KNOWN.items() if setting.form is STAR_CODE),
)  # fmt: skip
URLS = tuple(name for name, setting in KNOWN.items() if setting.form is URL)
TEXTS = st.text(min_size=1, max_size=40) | st.text(alphabet="=;%#<>&\"'[]{}$|\\ \nab1", min_size=1, max_size=40)


def accepted(name: str, text: str) -> bool:
    try:
        validate({name: text})
    except UsageError:
        return False
    return True


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
    return VENDORS[phone.vendor].parse(body)


@cache
def parsed_mark(model: str, case: str) -> list[tuple[str, str]]:
    """What all texts of a phone are compared with."""
    return parsed(of_model(model), case, MARK)


@pytest.mark.parametrize("case", ["unclaimed", "claimed"])
@pytest.mark.parametrize("phone", SOME, ids=lambda phone: phone.model)
@settings(max_examples=TRIED, deadline=None)
@given(text=TEXTS)
@example(text="</Password_1_><Admin_Passwd>")
@example(text="x\nsecurity.user_password = admin:mine")
@example(text="]]><!-- &#10; {{ 7 * 7 }} {% raw %} %NULL% # \\n")
@example(text="\u0085\u2028")
@example(text=" \x1f")
@example(text="\ud800")
@example(text="\U0001f4de Café «ñ»")
def test_a_value_stays_a_value(phone, case, text):
    meant = VENDORS[phone.vendor].meant
    marked = parsed_mark(phone.model, case)
    found, refusal = [], ""
    try:
        found = parsed(phone, case, text)
    except PluginError as error:
        refusal = str(error)
    if refusal:
        assert not writable(text)
        assert "contains the character U+" in refusal
    else:
        # Some files have no text of anybody's as long as nobody has the device.
        assert writable(text) or not any(MARK in value for _, value in marked)
        assert found == [(name, meant(name, value, text)) for name, value in marked]


def with_texts(phone: Phone, text: str, names: tuple[str, ...], urls: tuple[str, ...]) -> list[tuple[str, str]]:
    """The file of a phone of which these settings are that text, or a URL that ends in it."""
    values = {**DEFAULTS, **dict.fromkeys(names, text), **dict.fromkeys(urls, f"http://h/{text}")}
    kinds = {f"{name.rpartition('.')[0]}.type": "speed_dial" for name in names if name.endswith("keys.1.value")}
    odd = VENDORS[phone.vendor].odd
    own = {odd: text} if odd and accepted("vendor.x.y", text) else {}
    shared = {"settings": {**nest({**values, **kinds}), "vendor": own}, "zone": None}
    body = render_once(PLUGINS / phone.vendor / "templates", phone.job("claimed", **shared), engine=ENGINE)
    return VENDORS[phone.vendor].parse(body)


@cache
def with_mark(model: str, names: tuple[str, ...], urls: tuple[str, ...]) -> list[tuple[str, str]]:
    """What all texts are compared with that the same settings accept."""
    return with_texts(of_model(model), MARK, names, urls)


@pytest.mark.parametrize("phone", SOME, ids=lambda phone: phone.model)
@settings(max_examples=TRIED, deadline=None)
@given(text=TEXTS)
@example(text="%NULL%")
@example(text="a = b")
@example(text="101;fnc=sd")
@example(text="a/b")
@example(text="#9*8")
@example(text="x\nsecurity.user_password = admin:mine")
def test_a_setting_stays_what_it_is_or_was_refused(phone, text):
    names = tuple(name for name in NAMES if accepted(name, text))
    vendor = VENDORS[phone.vendor]
    addresses = [name for name in URLS if name not in (*vendor.grammar, *(vendor.folders if "/" in text else ()))]
    urls = tuple(name for name in addresses if accepted(name, f"http://h/{text}"))

    marked = with_mark(phone.model, names, urls)
    if not accepted("vendor.x.y", text):
        marked = [(name, value) for name, value in marked if name.replace(" ", "_") != vendor.odd]
    assert with_texts(phone, text, names, urls) == [(name, vendor.meant(name, value, text)) for name, value in marked]
