"""Encrypted files against vectors: OpenSSL's own output, and a pair of another open tool for the second form."""

from __future__ import annotations

import base64
import shutil
import subprocess

import pytest

from provd.base.errors import PluginError
from provd.domain.sealing import cbc, encrypt

PHRASE = "SecretPhrase1234"
SALT = bytes.fromhex("0102030405060708")
PROFILE = b"<flat-profile>\n<GPP_A>12345678</GPP_A>\n</flat-profile>\n"
SALTED = base64.b64decode(
    "U2FsdGVkX18BAgMEBQYHCInM/PAh9DDUzYkUV2aUJPuoffSPjVDYnP9wZK2KRxdUnMudez3N+RIdnLnUm3SVW4Wc9AITa1wtlOrp199CUIs="
)
KEY = "0123456789abcdef"
CONFIG = b"#!version:1.0.0.1\naccount.1.enable = 1\n"
ECB = base64.b64decode("IuiLGFIckVXHiDnXrIwcRGSy7t1ckCzSSXpQS5+nOSbZr3Vw/0Ria1r7h6tmpxTL")


def test_the_octets_of_openssl():
    assert b"Salted__" + SALT + cbc(PROFILE, PHRASE.encode(), SALT) == SALTED


def test_the_octets_of_the_other_tool():
    assert encrypt(CONFIG, KEY, "aes-128-ecb") == ECB


@pytest.mark.parametrize("length", [0, 15, 16, 17, 5000])
def test_openssl_reads_what_is_written(length):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    plain = bytes(range(256)) * 20
    body = encrypt(plain[:length], PHRASE, "salted-aes-256-cbc")
    read = subprocess.run(
        ["openssl", "enc", "-d", "-aes-256-cbc", "-md", "md5", "-k", PHRASE],
        input=body,
        capture_output=True,
        check=True,
    )
    assert read.stdout == plain[:length]


def test_the_same_file_is_the_same_octets_and_another_one_begins_with_another_salt():
    once, again = (encrypt(PROFILE, PHRASE, "salted-aes-256-cbc") for _ in range(2))
    other = encrypt(PROFILE + b" ", PHRASE, "salted-aes-256-cbc")
    assert once == again
    assert once[:16] != other[:16]
    assert PROFILE[:16] not in once


@pytest.mark.parametrize("key", ["", "short", "0123456789abcdef0", "é23456789abcdef0"])
def test_a_phrase_that_is_no_key_is_refused(key):
    with pytest.raises(PluginError, match=r"files\.key"):
        encrypt(CONFIG, key, "aes-128-ecb")


def test_no_encryption_is_none():
    assert encrypt(CONFIG, KEY, "") == CONFIG
