"""Encrypted files against vectors: OpenSSL's own output, and a pair of another open tool for the second form."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provd.base.errors import PluginError
from provd.domain.sealing import aes128gcm, cbc, coding_of, encrypt
from provd.simulate.load import phone_class

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
phone = sys.modules[f"{phone_class(PLUGINS / 'cisco_mpp').__module__}_cipher"]  # type: ignore[union-attr]
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


def octets(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


WALRUS = b"I am the walrus"
ONE_RECORD = octets("I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg")
TWO_RECORDS = octets(
    "uNCkWiNYzKTnBN9ji3-qWAAAABkCYTHOG8chz_gnvgOqdGYovxyjuqRyJFjEDyoF1Fvkj6hQPdPHI51OEUKEpgz3SsLWIqS_uA"
)
"""RFC 8188 sections 3.1 and 3.2."""
ONE_KEY, TWO_KEY = octets("yqdlZ-tYemfogSmv7Ws5PQ"), octets("BO3ZVPxUlnLORbVGMpbT1Q")


def test_the_octets_of_rfc_8188():
    assert aes128gcm(WALRUS, ONE_KEY, ONE_RECORD[:16]) == ONE_RECORD


def test_the_simulated_phone_reads_both_examples_of_rfc_8188():
    assert phone.decrypted(ONE_RECORD, ONE_KEY) == WALRUS
    assert phone.decrypted(TWO_RECORDS, TWO_KEY) == WALRUS


RECORDS = [
    (0, 4096),
    (1, 18),
    (300, 18),
    (7, 25),
    (8, 25),
    (9, 25),
    (4078, 4096),
    (4079, 4096),
    (4080, 4096),
    (20000, 4096),
]


@pytest.mark.parametrize(("length", "record"), RECORDS)
def test_what_is_written_in_records_is_read(length, record):
    plain = (b"a\0\1\2" * 5000)[:length]
    body = aes128gcm(plain, KEY.encode(), b"s" * 16, record)
    assert phone.decrypted(body, KEY) == plain
    assert len(body) == 21 + length + 17 * max(1, -(-length // (record - 17)))


def test_the_content_coding_is_the_file_s_own_and_tells_a_change():
    once, again = (encrypt(PROFILE, KEY, "aes128gcm") for _ in range(2))
    assert once == again
    assert once[16:21] == bytes((0, 0, 16, 0, 0))
    assert once[:16] != encrypt(PROFILE + b" ", KEY, "aes128gcm")[:16]
    assert phone.decrypted(once, KEY) == PROFILE
    assert coding_of("aes128gcm", KEY) == "aes128gcm"
    assert {coding_of("aes128gcm", ""), coding_of("salted-aes-256-cbc", KEY), coding_of("", KEY)} == {""}


@pytest.mark.parametrize("place", [0, 22, 70, -1])
def test_a_changed_octet_is_found(place):
    body = bytearray(encrypt(PROFILE * 3, KEY, "aes128gcm"))
    body[place] ^= 1
    with pytest.raises(phone.WrongKeyError):
        phone.decrypted(bytes(body), KEY)


def test_a_file_that_lacks_its_end_is_found():
    body = aes128gcm(PROFILE, KEY.encode(), b"s" * 16, 25)
    for cut in (body[:-1], body[: -len(body) % 25 - 25], body[:21], b""):
        with pytest.raises(phone.WrongKeyError):
            phone.decrypted(cut, KEY)
