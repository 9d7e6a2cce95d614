"""Addresses and URLs of this site."""

from __future__ import annotations

import pytest

from provd.app.site import Site


@pytest.mark.parametrize(
    ("site", "secure", "host", "base"),
    [
        (Site(), False, "10.0.0.1", "http://10.0.0.1:8667"),
        (Site(http_port=80), False, "10.0.0.1", "http://10.0.0.1"),
        (Site(https_port=443), True, "10.0.0.1", "https://10.0.0.1"),
        (Site(https_port=8443), True, "10.0.0.1", "https://10.0.0.1:8443"),
        (Site(), True, "10.0.0.1", "http://10.0.0.1:8667"),
        (Site(advertise="prov.example"), False, "prov.example", "http://prov.example:8667"),
        (Site(advertise="prov.example:81"), False, "prov.example", "http://prov.example:81"),
        (Site(advertise="2001:db8::1"), False, "2001:db8::1", "http://[2001:db8::1]:8667"),
    ],
)
def test_urls(site, secure, host, base):
    assert site.host("10.0.0.1") == host
    assert site.base("10.0.0.1", secure=secure) == base


def test_an_address_is_an_address():
    assert Site().address("10.0.0.1") == "10.0.0.1"
    assert Site(advertise="192.0.2.1").address("10.0.0.1") == "192.0.2.1"
    assert Site(advertise="prov.example").address("10.0.0.1") == "10.0.0.1"
