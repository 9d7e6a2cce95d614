from __future__ import annotations

import random

import pytest

from provd.base.errors import PluginError
from provd.base.types import Mac
from provd.plugin import Model
from provd.plugin.phone import Account, Handset
from provd.simulate.load import phone_class
from provd.simulate.memory import MemoryWorld
from tests.kit.phones import PLUGINS

FILE = b"account_1_enable = 1\naccount_1_user = 200\naccount_1_server = h\nodd\n"


def test_the_skeletons_phone_boots():
    made = phone_class(PLUGINS / "_skeleton")
    assert made is not None
    phone = made(Model("A1"), Handset(Mac("020000000001")), random.Random(1))
    net = MemoryWorld(options={66: b"http://h"}, files={"http://h/020000000001.cfg": FILE})
    net.boot(phone)
    assert phone.accounts == (Account(1, "200", "", "h", 5060),)
    assert net.complaints == ["not a setting: 'odd'"]


def test_a_plugin_without_a_phone_has_none(tmp_path):
    assert phone_class(tmp_path) is None


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("raise RuntimeError('no')", "RuntimeError: no"),
        ("def broken(:", "SyntaxError"),
        ("Phone = 3", "Phone is not a class"),
        ("", "AttributeError"),
    ],
)
def test_a_broken_phone_is_the_plugins_error(tmp_path, source, says):
    folder = tmp_path / "acme"
    folder.mkdir()
    (folder / "phone.py").write_text(source)
    with pytest.raises(PluginError, match=says):
        phone_class(folder)


def test_two_vendors_may_have_siblings_of_the_same_name(tmp_path):
    for vendor in ("one", "two"):
        folder = tmp_path / vendor
        folder.mkdir()
        (folder / "words.py").write_text(f"WORD = {vendor!r}")
        (folder / "phone.py").write_text("from .words import WORD\nclass Phone:\n    word = WORD\n")
    assert [phone_class(tmp_path / vendor).word for vendor in ("one", "two")] == ["one", "two"]
