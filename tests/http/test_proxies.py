import pytest

from provd.base.errors import ConfigError
from provd.http.proxies import TrustedProxies, plain_address

PROXIES = TrustedProxies(["10.0.0.0/24", "2001:db8::1/128"])


@pytest.mark.parametrize(
    ("lines", "client"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["203.0.113.9, 192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (["192.0.2.7", "10.0.0.2, 10.0.0.3"], "192.0.2.7"),
        (["unknown, 10.0.0.2"], "10.0.0.2"),
        (["192.0.2.7, rubbish"], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["[2001:db8::7]"], "2001:db8::7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
    ],
)
def test_the_client_is_the_first_stranger_from_the_right(lines, client):
    assert PROXIES.client("10.0.0.1", lines) == client


def test_only_listed_networks_are_trusted():
    assert PROXIES.trusts("10.0.0.200")
    assert PROXIES.trusts("2001:db8::1")
    assert not PROXIES.trusts("10.0.1.1")
    assert not PROXIES.trusts("")
    assert not TrustedProxies().trusts("127.0.0.1")


def test_a_wrong_network_is_a_configuration_error():
    with pytest.raises(ConfigError, match="trusted_proxies"):
        TrustedProxies(["10.0.0.1/24"])


@pytest.mark.parametrize(
    ("text", "plain"),
    [("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("fe80::1%eth0", "fe80::1"), ("::1", "::1")],
)
def test_addresses_are_compared_in_one_form(text, plain):
    assert plain_address(text) == plain
