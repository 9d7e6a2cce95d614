"""``provd db``: a backup made while the daemon's data is there, looked at, and restored on a fresh host."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from provd.cli.root import cli
from provd.storage.lock import FileLock

PASSWORD = "canary-7f3e-canary"


class Host:
    """A machine with a configuration, a state folder and no daemon."""

    def __init__(self, folder: Path, url: str = "sqlite") -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.state = folder / "state"
        self.config = folder / "provd.toml"
        self.config.write_text(f'[server]\nstate_dir = "{self.state}"\n[database]\nurl = "{url}"\n')

    def __call__(self, *arguments: str, code: int = 0) -> Result:
        result = CliRunner().invoke(cli, ["--config", str(self.config), *arguments], catch_exceptions=False)
        assert result.exit_code == code, result.output
        return result

    def told(self, *arguments: str) -> dict[str, object]:
        return json.loads(self(*arguments, "--json").stdout)  # type: ignore[no-any-return]

    def filled(self) -> Host:
        self("tenant", "add", "acme", "--name", "Acme", "--set", "sip.server=10.0.0.5")
        self("line", "add", "101", "--tenant", "acme", "--number", "101", "--password", PASSWORD)
        self("device", "add", "80:5e:c0:11:22:33", "--model", "T27P")
        self("device", "assign", "805ec0112233", "101")
        own = self.state / "overrides" / "yealink" / "base.j2"
        own.parent.mkdir(parents=True)
        own.write_text("# ours\n")
        return self

    def password(self) -> str:
        return self("line", "show", "101", "--reveal").stdout


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path / "old").filled()


@pytest.fixture
def saved(host: Host, tmp_path: Path) -> Path:
    file = tmp_path / "backup.tar"
    host("db", "backup", str(file))
    return file


def test_a_backup_with_its_key_is_all_that_a_fresh_host_needs(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar"
    made = host.told("db", "backup", str(file), "--with-key")
    assert made["files"] == 1
    assert file.stat().st_mode & 0o777 == 0o600
    fresh = Host(tmp_path / "new")
    done = fresh.told("db", "restore", str(file))
    assert done["rows"]["line"] == 1  # type: ignore[index]
    assert PASSWORD in fresh.password()
    assert fresh("device", "list", "--json").stdout == host("device", "list", "--json").stdout
    assert (fresh.state / "overrides/yealink/base.j2").read_text() == "# ours\n"
    url = ["device", "show", "805ec0112233", "--reveal", "--local", "10.0.0.1", "--json"]
    assert json.loads(fresh(*url).stdout)["url"] == json.loads(host(*url).stdout)["url"], "old tokens stay good"


def test_without_its_key_a_backup_tells_nobody_a_password(saved: Path, host: Host, tmp_path: Path) -> None:
    assert PASSWORD.encode() not in saved.read_bytes()
    key = (host.state / "master.key").read_text().split()[1]
    assert key.encode() not in saved.read_bytes()
    fresh = Host(tmp_path / "new")
    refused = fresh("db", "restore", str(saved), code=5)
    assert "master.key" in refused.stderr
    assert not (fresh.state / "provd.db").exists()
    fresh.state.joinpath("master.key").write_bytes((host.state / "master.key").read_bytes())
    fresh.state.joinpath("master.key").chmod(0o600)
    fresh("db", "restore", str(saved))
    assert PASSWORD in fresh.password()


def test_a_lost_key_loses_passwords_and_nothing_else(saved: Path, tmp_path: Path) -> None:
    fresh = Host(tmp_path / "new")
    fresh("db", "restore", str(saved), "--without-key")
    assert json.loads(fresh("device", "list", "--json").stdout)[0]["mac"] == "80:5e:c0:11:22:33"


def test_nothing_is_overwritten_unasked(saved: Path, host: Host, tmp_path: Path) -> None:
    assert "--replace" in host("db", "backup", str(saved), code=5).stderr
    host("tenant", "add", "later")
    assert "not empty" in host("db", "restore", str(saved), code=5).stderr
    assert "later" in host("tenant", "list").stdout
    host("db", "restore", str(saved), "--replace")
    assert "later" not in host("tenant", "list").stdout
    assert (host.state / "provd.db.replaced-1").exists(), "what was there is kept"
    assert (host.state / "overrides.replaced-1/yealink/base.j2").exists()
    host("db", "backup", str(saved), "--replace")


def test_an_empty_database_counts_as_nothing(saved: Path, host: Host, tmp_path: Path) -> None:
    fresh = Host(tmp_path / "new")
    fresh("db", "upgrade")
    fresh.state.joinpath("master.key").write_bytes((host.state / "master.key").read_bytes())
    fresh.state.joinpath("master.key").chmod(0o600)
    fresh("db", "restore", str(saved))


def test_a_database_in_use_is_left_alone(saved: Path, host: Host) -> None:
    lock = FileLock(host.state / "provd.db")
    try:
        assert "another provd" in host("db", "restore", str(saved), "--replace", code=1).stderr
        assert "another provd" in host("db", "upgrade", code=1).stderr
        host("db", "backup", str(saved), "--replace")
    finally:
        lock.release()


def test_verify_restores_and_counts(saved: Path, host: Host) -> None:
    found = host.told("db", "verify", str(saved))
    assert found["problems"] == []
    assert found["notes"] == []
    assert found["rows"]["device"] == 1  # type: ignore[index]
    assert "OK" in host("db", "verify", str(saved)).stdout


def test_verify_elsewhere_says_that_it_has_no_key(saved: Path, tmp_path: Path) -> None:
    found = Host(tmp_path / "new").told("db", "verify", str(saved))
    assert found["problems"] == []
    assert "key" in str(found["notes"])


def test_verify_notices_rows_that_are_missing_and_rows_that_do_not_load(
    host: Host, saved: Path, tmp_path: Path
) -> None:
    spoil(saved, "DELETE FROM device")
    assert "device: 1 rows were backed up, 0 come back" in host("db", "verify", str(saved), code=1).stderr
    host("db", "backup", str(saved), "--replace")
    spoil(saved, "UPDATE line SET password = substr(password, 1, 30)")
    assert "line: 1 rows cannot be read" in host("db", "verify", str(saved), code=1).stderr


def spoil(file: Path, sql: str) -> None:
    """Change the database inside a backup."""
    with tarfile.open(file) as tar:
        members = [(entry, tar.extractfile(entry).read()) for entry in tar]  # type: ignore[union-attr]
    scratch = file.with_name("scratch.db")
    with tarfile.open(file, "w") as tar:
        for entry, octets in members:
            content = octets
            if entry.name == "provd.db":
                scratch.write_bytes(octets)
                database = sqlite3.connect(scratch)
                database.execute(sql)
                database.commit()
                database.close()
                content = scratch.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


@pytest.mark.parametrize("part", [0, 0.001, 0.5, 0.9])
def test_half_a_backup_is_none(part: float, saved: Path, host: Host, tmp_path: Path) -> None:
    octets = saved.read_bytes()
    saved.write_bytes(octets[: int(len(octets) * part)])
    for command in ("verify", "restore"):
        fresh = Host(tmp_path / f"new-{command}")
        refused = fresh("db", command, str(saved), code=1)
        assert refused.stderr.count("\n") == 1
        assert not (fresh.state / "provd.db").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/etc/evil", "plugins/../../evil", "overrides", "plugins//x", "evil", "overrides/a/./b"]
)
def test_an_archive_writes_nowhere_but_where_it_should(name: str, tmp_path: Path) -> None:
    file = tmp_path / "evil.tar"
    manifest = {
        "format": 1,
        "provd": "1",
        "schema": "1",
        "made": 0,
        "rows": {},
        "keys": [],
        "has_key": False,
        "files": 1,
    }
    with tarfile.open(file, "w") as tar:
        for member, octets in (("manifest.json", json.dumps(manifest).encode()), (name, b"x")):
            entry = tarfile.TarInfo(member)
            entry.size = len(octets)
            tar.addfile(entry, io.BytesIO(octets))
    assert "not a backup of provd" in Host(tmp_path / "new")("db", "restore", str(file), code=1).stderr
    assert not list(tmp_path.rglob("evil"))


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "evil.tar"
    with tarfile.open(file, "w") as tar:
        entry = tarfile.TarInfo("manifest.json")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    assert "not a backup" in Host(tmp_path / "new")("db", "verify", str(file), code=1).stderr


def test_upgrade_says_what_it_did(tmp_path: Path) -> None:
    host = Host(tmp_path / "new")
    assert host.told("db", "upgrade")["was"] is None
    again = host.told("db", "upgrade")
    assert again["was"] == again["now"]
    assert "already" in host("db", "upgrade").stdout
