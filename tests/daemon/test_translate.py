from provd.config.settings import PhonesSection, Settings
from provd.config.values import Endpoint
from provd.daemon.translate import site_of


def phones(port: int) -> PhonesSection:
    return PhonesSection(listen=(Endpoint("0.0.0.0", port),))


def test_urls_name_the_port_of_the_file() -> None:
    assert site_of(Settings(phones=phones(8080))).base("10.0.0.1") == "http://10.0.0.1:8080"


def test_after_a_reload_urls_name_the_listener_that_is_open() -> None:
    fresh = Settings(phones=phones(8080))
    assert site_of(fresh, listening=Settings(phones=phones(8667))).base("10.0.0.1") == "http://10.0.0.1:8667"
