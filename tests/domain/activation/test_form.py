import pytest

from provd.domain.activation.form import Ask, FormError, ask_of, fields


def ask(body: str | bytes, host: str = "provd", **headers: str) -> Ask:
    octets = body.encode() if isinstance(body, str) else body
    return ask_of(fields(octets, **headers), host)


@pytest.mark.parametrize(
    ("body", "sn"),
    [
        ("vendor=acme&model=m1&sn=S1", "S1"),
        ("&&vendor=acme&&model=m1&sn=S1&", "S1"),
        ("sn=A+B&vendor=acme&model=m1", "A B"),
        ("vendor=acme&model=m1&sn=A%2BB", "A+B"),
        ("vendor=acme&model=m1&sn=00%3A14%3a22", "00:14:22"),
        ("vendor=acme&model=m1&sn=%E5%BA%8F-%C3%A9", "序-é"),
        ("vendor=acme&model=m1&sn=序", "序"),
        ("vendor=acme&model=m1&sn=%zz", "%zz"),
        ("vendor=acme&model=m1&sn=a=b", "a=b"),
        ("vendor=acme&model=m1&sn=+S1", " S1"),
        ("vendor=acme&model=m1&sn=S1&x=1&x=2", "S1"),
        ("vendor=acme&model=m1&sn=S1&id=7", "S1"),
        ("vendor=acme&model=m1&sn=" + "9" * 255, "9" * 255),
    ],
)
def test_what_a_device_says(body: str, sn: str) -> None:
    assert ask(body) == Ask("acme", "m1", sn)


@pytest.mark.parametrize(
    "body",
    [
        "model=m1&sn=S1",
        "vendor=acme&sn=S1",
        "vendor=acme&model=m1",
        "vendor=acme&model=m1&sn=",
        "vendor=acme&model=m1&sn",
        "vendor=acme&model=m1&sn=S1&sn=S1",
        "vendor=acme&vendor=acme&model=m1&sn=S1",
        "vendor=acme&model=m1&sn=S1%00",
        "vendor=acme&model=m1&sn=S1%0d%0a",
        "vendor=acme&model=m1&sn=S1%7f",
        "vendor=acme&model=m1&sn=S1%C2%85",
        "vendor=acme&model=m1&sn=S1%E2%80%A8",
        "vendor=acme&model=m1&sn=%ff",
        b"vendor=acme&model=m1&sn=\xff",
        "vendor=acme&model=m1&sn=" + "9" * 256,
        "vendor=acme&model=m1&sn=" + "%C3%A9" * 128,
        "vendor=acme&model=m1&sn=S1&" + "&".join(f"a{n}=1" for n in range(14)),
        "vendor=acme&model=m1&sn=S1&key_sha256=XYZ",
        "vendor=acme&model=m1&sn=S1&key_sha256=" + "A" * 64,
        "vendor=acme&id=S1",
        "id=",
        "",
    ],
)
def test_what_is_not_clear_is_refused(body: str | bytes) -> None:
    with pytest.raises(FormError) as refused:
        ask(body)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "multipart/form-data",
        "text/plain",
        "application/x-www-form-urlencoded; charset=klingon",
        'application/x-www-form-urlencoded;charset="utf-16"',
    ],
)
def test_other_types_and_charsets_are_not_read(content_type: str) -> None:
    with pytest.raises(FormError) as refused:
        ask("vendor=acme&model=m1&sn=S1", content_type=content_type)
    assert refused.value.status == 415


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/x-www-form-urlencoded",
        "Application/X-WWW-Form-URLEncoded ; Charset=UTF-8",
        'application/x-www-form-urlencoded; charset="utf-8"',
    ],
)
def test_types_that_mean_a_form(content_type: str) -> None:
    assert ask("vendor=acme&model=m1&sn=S1", content_type=content_type, content_encoding="identity").sn == "S1"


def test_a_coded_body_is_not_read() -> None:
    with pytest.raises(FormError) as refused:
        ask("vendor=acme&model=m1&sn=S1", content_encoding="gzip")
    assert refused.value.status == 415


def test_an_id_alone_takes_the_product_from_the_host() -> None:
    assert ask("id=S1", "prod1.m2.example.com") == Ask("prod1", "prod1", "S1")
    assert ask("id=S1", "prod1") == Ask("", "", "S1")


def test_a_key_of_the_devices_own() -> None:
    assert ask("vendor=acme&model=m1&sn=S1&key_sha256=" + "0a" * 32).key_hash == "0a" * 32
