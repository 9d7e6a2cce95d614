"""Certificates on the running daemon: read anew on a reload, watched for their end."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

import pytest

from provd.base.facts import Fact
from provd.base.facts.http import CertificateEnds, LegacyTls
from provd.config.settings import PhonesSection, Settings
from provd.daemon.certificates import Certificates
from tests.kit.certificates import self_signed
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import Lan

NOW = dt.datetime(2030, 6, 1, tzinfo=dt.UTC)


def section(pair: tuple[Path, Path], **more: object) -> PhonesSection:
    phones = {"tls_listen": ["127.0.0.1:1"], "tls_certificate": str(pair[0]), "tls_key": str(pair[1]), **more}
    return Settings.model_validate({"phones": phones}).phones


@pytest.mark.parametrize(
    ("begins", "ends", "told"),
    [(-10, 31, None), (-10, 29, 29), (-10, 0.5, 0), (-10, -0.5, -1), (-400, -30, -30), (2, 400, 400)],
)
def test_a_certificate_outside_or_near_the_end_of_its_time_is_told(
    begins: float, ends: float, told: int | None, tmp_path: Path
) -> None:
    facts: list[Fact] = []
    pair = self_signed(tmp_path, times=(NOW + dt.timedelta(days=begins), NOW + dt.timedelta(days=ends)))
    certificates = Certificates(section(pair), facts.append)
    certificates.opened(NOW.timestamp())
    found = [(fact.days, fact.early, fact.file) for fact in facts if isinstance(fact, CertificateEnds)]
    assert found == ([] if told is None else [(told, begins > 0, str(pair[0]))])


def test_it_is_told_once_a_day_and_no_more_after_a_new_one(tmp_path: Path) -> None:
    facts: list[Fact] = []
    times = (NOW - dt.timedelta(days=1), NOW + dt.timedelta(days=5))
    pair = self_signed(tmp_path, times=times)
    certificates = Certificates(section(pair), facts.append)
    for hours in range(72):
        certificates.watch(NOW.timestamp() + hours * 3600)
    assert [fact.days for fact in facts if isinstance(fact, CertificateEnds)] == [5, 4, 3]
    facts.clear()
    certificates.renew(section(self_signed(tmp_path)), NOW.timestamp())
    certificates.watch(NOW.timestamp() + 90_000)
    assert facts == []


def test_a_listener_for_old_firmware_is_told(tmp_path: Path) -> None:
    facts: list[Fact] = []
    legacy = self_signed(tmp_path, "legacy", kind="rsa")
    more = {
        "tls_legacy_listen": ["127.0.0.1:2"],
        "tls_legacy_certificate": str(legacy[0]),
        "tls_legacy_key": str(legacy[1]),
    }
    Certificates(section(self_signed(tmp_path), **more), facts.append).opened(NOW.timestamp())
    assert [type(fact) for fact in facts] == [LegacyTls]


def test_the_key_of_the_good_listener_is_not_lent_to_the_weak_one(tmp_path: Path) -> None:
    pair = self_signed(tmp_path)
    more = {"tls_legacy_listen": ["127.0.0.1:2"], "tls_legacy_certificate": str(pair[0])}
    with pytest.raises(ValueError, match="tls_legacy_key is tls_key"):
        section(pair, **more, tls_legacy_key=str(pair[1]))


def seen(lan: Lan) -> bytes:
    """The certificate that a phone gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with lan.connect(port=443) as connection, context.wrap_socket(connection) as secured:
        der = secured.getpeercert(binary_form=True)
        assert der
        return der


@pytest.mark.root
def test_a_reload_takes_a_new_certificate_and_keeps_the_old_one_for_a_wrong_one(lan: Lan, tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    old, new = self_signed(tmp_path), self_signed(tmp_path / "new")
    phones = f'[phones]\ntls_listen = ["0.0.0.0:443"]\ntls_certificate = "{old[0]}"\ntls_key = "{old[1]}"\n'
    with Daemon(lan_config(lan.bed, tmp_path / "state", sections=phones), tmp_path, bed=lan.bed) as daemon:
        first = seen(lan)
        good = old[0].read_bytes()
        old[0].write_bytes(new[0].read_bytes())
        daemon.reload()
        failed = daemon.wait_for("RELOAD-FAILED")
        assert str(old[1]) in failed
        assert "does not belong" in failed
        assert seen(lan) == first
        old[0].write_bytes(good)
        daemon.config.write_text(daemon.config.read_text().replace(str(tmp_path / "provd.test"), str(new[0])[:-4]))
        daemon.reload()
        assert "restart_needed" not in daemon.wait_for("RELOADED")
        assert seen(lan) == ssl.PEM_cert_to_DER_cert(new[0].read_text())


@pytest.mark.root
def test_a_key_that_does_not_fit_ends_the_start_with_a_sentence(lan: Lan, tmp_path: Path) -> None:
    first, second = self_signed(tmp_path, "first"), self_signed(tmp_path, "second")
    phones = f'[phones]\ntls_listen = ["0.0.0.0:443"]\ntls_certificate = "{first[0]}"\ntls_key = "{second[1]}"\n'
    daemon = Daemon(lan_config(lan.bed, tmp_path / "state", sections=phones), tmp_path, bed=lan.bed)
    ended = daemon.provd("serve", check=False)
    assert ended.returncode == 3
    assert ended.stderr.splitlines()[-1] == f"{second[1]}: the key does not belong to the certificate {first[0]}"
    assert "Traceback" not in ended.stderr
    checked = daemon.provd("check-config", "--deep", check=False)
    assert checked.returncode == 3
    assert f"{second[1]}: the key does not belong" in checked.stderr
