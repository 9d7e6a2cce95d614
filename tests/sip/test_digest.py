"""Digest authentication as a server and as a client (RFC 7616, RFC 8760)."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from provd.base.secrets import Secret
from provd.base.types import Mac
from provd.sip.digest import NONCE_LIFE, Authenticator, Proof, authorize, credentials, digest_response
from provd.sip.effects import Account
from provd.sip.endpoint import SipSettings
from provd.sip.message import Request, parse
from tests.sip.stage import KEY, NOW, Phone, Stage, accounts

OK = ["<< 200 OK"]
CHALLENGED = ["<< 401 Unauthorized"]


def outcome(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("<<")]


def test_strongest_first_one_header_each() -> None:
    stage = Stage()
    phone = stage.phone(1)
    stage(phone.register())
    values = stage.last.headers["www-authenticate"]
    assert [re.search(r"algorithm=([\w-]+)", value)[1] for value in values] == ["SHA-256", "MD5"]
    assert all('realm="provd"' in value and 'qop="auth"' in value and "opaque=" in value for value in values)
    assert "stale" not in "".join(values)


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
@pytest.mark.parametrize("qop", [True, False])
def test_what_phones_answer(algorithm: str, qop: bool) -> None:
    stage = Stage()
    phone = stage.phone(1, algorithm=algorithm, qop=qop)
    assert outcome(stage(phone.register())) == CHALLENGED
    assert outcome(stage(phone.register())) == OK


def test_the_vectors_of_rfc_7616() -> None:
    """Section 3.9.1."""
    given = {
        "username": "Mufasa",
        "realm": "http-auth@example.org",
        "uri": "/dir/index.html",
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "nc": "00000001",
        "cnonce": "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
        "qop": "auth",
    }
    assert digest_response("MD5", given, "Circle of Life", "GET") == "8ca523f5e9506fed4657c9700eebdbec"
    assert (
        digest_response("SHA-256", given, "Circle of Life", "GET")
        == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"
    )


def test_a_phone_comes_back_with_its_nonce_without_another_challenge() -> None:
    stage = Stage()
    phone = stage.registered()
    for _ in range(5):
        assert outcome(stage(phone.register())) == OK


def test_the_same_credentials_twice_are_a_replay() -> None:
    stage = Stage()
    phone = stage.registered()
    once = phone.register()
    assert outcome(stage(once)) == OK
    again = once.replace(b"branch=z9hG4bK1-", b"branch=z9hG4bKother")
    assert outcome(stage(again)) == CHALLENGED
    assert "stale=true" in stage.last.get("www-authenticate")
    assert stage.endpoint.stats.stale_nonces == 1
    assert outcome(stage(phone.register())) == OK


def test_without_qop_a_nonce_is_good_once() -> None:
    stage = Stage()
    phone = stage.registered(qop=False)
    assert outcome(stage(phone.register())) == CHALLENGED
    assert outcome(stage(phone.register())) == OK


def test_datagrams_may_overtake_each_other() -> None:
    stage = Stage()
    phone = stage.registered()
    early, late = phone.request("INVITE", "sip:1@h", call="a"), phone.request("INVITE", "sip:2@h", call="b")
    assert outcome(stage(late)) == ["<< 100 Trying"]
    assert outcome(stage(early)) == ["<< 100 Trying"]


def test_an_old_nonce_is_stale_and_the_phone_goes_on_by_itself() -> None:
    stage = Stage()
    phone = stage.registered()
    stage.wait(NONCE_LIFE + 2)
    assert outcome(stage(phone.register())) == CHALLENGED
    assert "stale=true" in stage.last.get("www-authenticate")
    assert outcome(stage(phone.register())) == OK


def test_a_nonce_is_for_one_address() -> None:
    stage = Stage()
    phone = stage.registered()
    thief = Phone(2, user=phone.user, password=phone.password, nonce=phone.nonce, opaque=phone.opaque, nc=5)
    assert outcome(stage(thief.register(), thief)) == CHALLENGED


def test_a_nonce_that_nobody_made() -> None:
    stage = Stage()
    phone = stage.phone(1)
    for nonce in ("x", "A" * 24, "AA9CQDi05lKTGMbt2O4HqYd7", "é" * 24):
        phone.nonce = nonce
        assert outcome(stage(phone.register())) == CHALLENGED


def test_two_phones_behind_one_address_in_the_same_second_do_not_disturb_each_other() -> None:
    stage = Stage()
    one, two = stage.phone(1, host="192.0.2.1", port=1001), stage.phone(2, host="192.0.2.1", port=1002)
    stage(one.register(), one)
    stage(two.register(), two)
    assert outcome(stage(one.register(), one)) == OK
    assert outcome(stage(two.register(), two)) == OK


def test_an_unknown_account_looks_like_a_wrong_password() -> None:
    """SP-06: challenges and refusals are equal but for what they echo and what is random."""
    seen = []
    for changes in (
        {"password": "wrong"},
        {"user": "ap02bbbbbbbbbb"},
        {"user": "ap02aaaa000001", "password": "secret-2"},
    ):
        stage = Stage()
        phone = stage.phone(1, **changes)
        texts = []
        for _ in range(2):
            stage(phone.register())
            texts.append(stage.last.octets.decode().replace(phone.user, "USER"))
        seen.append((texts, stage.endpoint.stats))
        assert stage.last.code == 403
    for texts, stats in seen[1:]:
        assert [re.sub(r'(?<=nonce=")[^"]*|(?<=opaque=")\w*|(?<=tag=)\w*', "", text) for text in texts] == [
            re.sub(r'(?<=nonce=")[^"]*|(?<=opaque=")\w*|(?<=tag=)\w*', "", text) for text in seen[0][0]
        ]
        assert stats == seen[0][1]


def test_md5_is_refused_from_an_account_that_can_do_better() -> None:
    stage = Stage()
    phone = stage.registered()
    phone.algorithm = "MD5"
    assert outcome(stage(phone.register())) == CHALLENGED
    assert [re.search(r"algorithm=([\w-]+)", value)[1] for value in stage.last.headers["www-authenticate"]] == [
        "SHA-256"
    ]
    stage.wait(3600)
    phone.nonce = ""
    stage(phone.register())
    assert outcome(stage(phone.register())) == OK


def test_an_algorithm_that_was_not_offered() -> None:
    stage = Stage(SipSettings(algorithms=("SHA-256",)))
    phone = stage.phone(1)
    stage(phone.register())
    octets = phone.register().replace(b"algorithm=SHA-256", b"algorithm=MD5")
    assert outcome(stage(octets)) == ["<< 403 Forbidden"]
    phone.nc += 1
    assert outcome(stage(phone.register().replace(b"algorithm=SHA-256", b"algorithm=SHA-512-256"))) == [
        "<< 403 Forbidden"
    ]


def test_md5_alone_for_phones_that_look_at_the_first_challenge_only() -> None:
    stage = Stage(SipSettings(algorithms=("MD5",)))
    phone = stage.phone(1, algorithm="MD5")
    stage(phone.register())
    assert len(stage.last.headers["www-authenticate"]) == 1
    assert outcome(stage(phone.register())) == OK


def offered(stage: Stage) -> list[str]:
    values = stage.last.headers["www-authenticate"]
    return [found[1] for value in values if (found := re.search(r"algorithm=([\w-]+)", value))]


def test_challenges_come_in_the_order_of_the_settings_and_each_may_be_answered() -> None:
    stage = Stage(SipSettings(algorithms=("MD5", "SHA-256")))
    for number, algorithm in enumerate(("SHA-256", "MD5"), 1):
        phone = stage.phone(number, algorithm=algorithm)
        stage(phone.register(), phone)
        assert offered(stage) == ["MD5", "SHA-256"]
        assert outcome(stage(phone.register(), phone)) == OK
    phone = stage.phone(1, algorithm="MD5")
    stage(phone.register(), phone)
    assert outcome(stage(phone.register(), phone)) == OK, "what is offered first is never called weak"


def test_an_agent_that_is_known_to_give_up_is_offered_md5_alone_at_once() -> None:
    stage = Stage()
    phone = stage.phone(1, algorithm="MD5", extra="User-Agent: baresip v1.0.0 (x86_64/linux)\r\n")
    stage(phone.register(authorize=False))
    assert offered(stage) == ["MD5"]
    assert outcome(stage(phone.register())) == OK


def test_a_phone_that_asks_anew_instead_of_answering_gets_md5_alone() -> None:
    """It looks at the first challenge only. A repetition of the same request is no new one."""
    stage = Stage()
    phone = stage.phone(1, algorithm="MD5")
    first = phone.register(authorize=False)
    offered = []
    for octets in (first, first, phone.register(authorize=False)):
        stage(octets)
        offered.append(len(stage.last.headers["www-authenticate"]))
    assert offered == [2, 2, 1]
    assert outcome(stage(phone.register())) == OK
    stage(phone.request("INVITE", "sip:1@h", authorize=False))
    assert len(stage.last.headers["www-authenticate"]) == 1
    other = Phone(2, host=phone.host)
    stage(other.register(), other)
    assert len(stage.last.headers["www-authenticate"]) == 2


def test_where_only_sha_256_is_offered_it_stays_so() -> None:
    stage = Stage(SipSettings(algorithms=("SHA-256",)))
    phone = stage.phone(1)
    for _ in range(3):
        stage(phone.register(authorize=False))
        assert "SHA-256" in stage.last.get("www-authenticate")


def test_credentials_for_one_number_do_not_dial_another() -> None:
    stage = Stage()
    phone = stage.registered()
    octets = phone.invite("1234").replace(b"INVITE sip:1234@", b"INVITE sip:6666@")
    assert outcome(stage(octets)) == ["<< 403 Forbidden"]


@pytest.mark.parametrize("damage", [b"response=", b"nc=", b"cnonce=", b"qop=auth", b"uri=", b"username="])
def test_credentials_with_a_part_missing(damage: bytes) -> None:
    stage = Stage()
    phone = stage.phone(1)
    stage(phone.register())
    octets = phone.register().replace(b" " + damage, b" x-" + damage)
    assert outcome(stage(octets)) == ["<< 403 Forbidden"]


def test_credentials_for_another_realm_are_none() -> None:
    stage = Stage()
    phone = stage.phone(1)
    stage(phone.register())
    assert outcome(stage(phone.register().replace(b'realm="provd"', b'realm="other"'))) == CHALLENGED


def request_of(octets: bytes) -> Request:
    message = parse(octets)
    assert isinstance(message, Request)
    return message


def test_what_is_remembered_is_bounded_and_the_forgotten_is_never_good_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provd.sip.digest._REMEMBERED", 3)
    salts = iter(range(100))
    auth = Authenticator(accounts().get, KEY, lambda count: next(salts).to_bytes(count, "big"))
    phones = []
    for second in range(6):
        phone = Phone(1)
        value = auth.challenges(request_of(phone.register()), phone.host, NOW + second, Proof.ABSENT)[0][1]
        phone.nonce, phone.opaque = re.search(r'nonce="([^"]*)"', value)[1], "x"
        used = phone.register()
        assert auth.check(request_of(used), phone.host, NOW + second).proof is Proof.GOOD
        phones.append((phone, used))
    for _phone, used in phones:
        assert auth.check(request_of(used), "10.20.16.1", NOW + 10).proof is Proof.STALE
    fresh = auth.check(request_of(phones[-1][0].register()), "10.20.16.1", NOW + 10)
    assert fresh.proof is Proof.GOOD


def test_the_same_key_knows_its_nonces_after_a_restart() -> None:
    before, after = Stage(), Stage()
    phone = before.phone(1)
    before(phone.register())
    assert outcome(after(phone.register(), phone)) == OK


# --- as a client

ANNA = Account("anna", Secret("pw"), Mac("02aaaa000001"))


def test_the_strongest_challenge_that_we_can_meet_is_answered() -> None:
    value, stale = authorize(
        [
            'Digest realm="p", nonce="n1", algorithm=MD5',
            'Digest realm="p", nonce="n2", algorithm=SHA-256, qop="auth-int,auth", opaque="o"',
            'Digest realm="p", nonce="n3", algorithm=SHA-512-256',
            "Basic realm=x",
        ],
        ANNA, "NOTIFY", "sip:a@h", "c",
    )  # fmt: skip
    given = credentials(value)
    assert not stale
    assert (given["nonce"], given["algorithm"], given["qop"], given["opaque"], given["nc"]) == (
        "n2",
        "SHA-256",
        "auth",
        "o",
        "00000001",
    )
    assert given["response"] == digest_response("SHA-256", given, "pw", "NOTIFY")


def test_a_challenge_as_of_rfc_2069() -> None:
    value, _ = authorize(['Digest nonce="n", realm="r \\"quoted\\"", stale=TRUE'], ANNA, "NOTIFY", "sip:a@h", "c")
    given = credentials(value)
    assert "qop" not in given
    assert "algorithm" not in given
    assert given["realm"] == 'r "quoted"'


@pytest.mark.parametrize(
    "challenge",
    [
        "",
        "Basic x",
        "Digest",
        'Digest realm="x"',
        'Digest nonce="n",qop="auth-int"',
        'Digest nonce="n",algorithm=MD5-sess',
        'Digest nonce="n',
        "Digest ===",
        'Digest nonce="a" "b"',
    ],
)
def test_challenges_that_cannot_be_met(challenge: str) -> None:
    assert authorize([challenge], ANNA, "NOTIFY", "sip:a@h", "c") is None


def test_nothing_of_a_challenge_breaks_out_of_the_answer() -> None:
    value, _ = authorize(['Digest nonce="n\\\\\\"x", realm="a,b=c"'], ANNA, "NOTIFY", "sip:a@h", "c")
    assert credentials(value)["nonce"] == 'n\\"x'


def test_a_secret_is_not_in_any_effect() -> None:
    stage = Stage()
    stage.registered()
    assert "secret-1" not in repr(stage.effects)
    assert "secret-1" not in repr(replace(ANNA, password=Secret("secret-1")))
