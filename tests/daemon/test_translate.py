from provd.app.codes.terms import Terms
from provd.base.secrets import Secret
from provd.config.settings import CodesSection, PhonesSection, Settings
from provd.config.values import Endpoint
from provd.daemon.translate import site_of, terms_of
from provd.domain.codes import Form
from provd.domain.lockout import Rules


def phones(port: int) -> PhonesSection:
    return PhonesSection(listen=(Endpoint("0.0.0.0", port),))


def test_urls_name_the_port_of_the_file() -> None:
    assert site_of(Settings(phones=phones(8080))).base("10.0.0.1") == "http://10.0.0.1:8080"


def test_after_a_reload_urls_name_the_listener_that_is_open() -> None:
    fresh = Settings(phones=phones(8080))
    assert site_of(fresh, listening=Settings(phones=phones(8667))).base("10.0.0.1") == "http://10.0.0.1:8667"


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
