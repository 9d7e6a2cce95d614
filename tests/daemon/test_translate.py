from provd.app.codes.terms import Terms
from provd.base.secrets import Secret
from provd.base.types import ip_int
from provd.config.dhcp import DhcpSection, DhcpSubnet
from provd.config.settings import CodesSection, PhonesSection, Settings
from provd.config.values import Endpoint
from provd.daemon.translate import dhcp_of, site_of, terms_of
from provd.dhcp.subnet import Subnet
from provd.domain.codes import Form
from provd.domain.lockout import Rules


def phones(port: int) -> PhonesSection:
    return PhonesSection(listen=(Endpoint("0.0.0.0", port),))


def test_urls_name_the_port_of_the_file() -> None:
    assert site_of(Settings(phones=phones(8080))).base("10.0.0.1") == "http://10.0.0.1:8080"


def test_after_a_reload_urls_name_the_listener_that_is_open() -> None:
    fresh = Settings(phones=phones(8080))
    assert site_of(fresh, listening=Settings(phones=phones(8667))).base("10.0.0.1") == "http://10.0.0.1:8667"


def test_every_key_of_a_subnet_reaches_the_engine() -> None:
    given = {
        "network": "10.20.0.0/16",
        "pools": ("10.20.1.0-10.20.1.9",),
        "routers": ("10.20.0.1",),
        "dns": ("10.20.0.2", "10.20.0.3"),
        "ntp": ("10.20.0.4",),
        "domain": "phones.example",
        "lease": "2h",
        "t1": "10m",
        "t2": "1h",
        "probe": False,
        "next_server": "10.20.0.5",
        "routes": ("0.0.0.0/0 via 10.20.0.1", "10.0.0.0/8 via 10.20.0.254"),
        "circuit_limit": 7,
        "options": {"44": "ip:10.20.0.8"},
    }
    assert set(given) == set(DhcpSubnet.model_fields), "a key that reaches nothing would be one that does nothing"
    subnet = dhcp_of(DhcpSection(subnet=(DhcpSubnet.model_validate(given),))).subnets[0]
    assert subnet == Subnet(
        name="10.20.0.0/16",
        network=ip_int("10.20.0.0"),
        prefixlen=16,
        pools=((ip_int("10.20.1.0"), ip_int("10.20.1.9")),),
        routers=(ip_int("10.20.0.1"),),
        dns=(ip_int("10.20.0.2"), ip_int("10.20.0.3")),
        ntp=(ip_int("10.20.0.4"),),
        domain="phones.example",
        routes=((0, 0, ip_int("10.20.0.1")), (ip_int("10.0.0.0"), 8, ip_int("10.20.0.254"))),
        next_server=ip_int("10.20.0.5"),
        lease=7200,
        t1=600,
        t2=3600,
        probe=False,
        circuit_limit=7,
        options={44: bytes((10, 20, 0, 8))},
    )


def test_every_key_of_the_section_codes_reaches_the_use_case() -> None:
    section = CodesSection(
        length=10,
        alphabet="12345678*#",
        expires="2h",
        uses=3,
        tries=4,
        delay="5s",
        lock="30m",
        source_tries=7,
        crowd=6,
        site_tries=99,
        reset_number="*1234",
        reset_pin="98765",
    )
    assert terms_of(section) == Terms(
        form=Form(10, "12345678*#"),
        life=7200.0,
        uses=3,
        rules=Rules(tries=4, delay=5.0, lock=1800.0, source_tries=7, crowd=6, site_tries=99),
        reset_number="*1234",
        reset_pin=Secret("98765"),
    )
    assert set(CodesSection.model_fields) == {
        *("length", "alphabet", "expires", "uses", "tries", "delay", "lock", "source_tries", "crowd", "site_tries"),
        *("reset_number", "reset_pin"),
    }
    assert terms_of(CodesSection(expires="infinite")).life == 0.0


def test_the_defaults_are_those_of_the_rule() -> None:
    terms = terms_of(CodesSection())
    assert (terms.form, terms.rules, terms.life, terms.uses) == (Form(), Rules(), 86400.0, 1)
    assert not terms.reset_pin, "nobody resets a phone by dialing unless a site wants it"
