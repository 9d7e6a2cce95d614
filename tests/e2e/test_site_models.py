"""A phone of a vendor that no plugin knows: described with two templates, and then a phone like any other."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from pathlib import Path

import pytest

from provd.simulate.tftp_client import tftp_get
from tests.e2e.test_templates import said
from tests.kit.daemon import Daemon, loopback_config
from tests.kit.patience import PATIENCE

MAC, STRANGER = "02cccc000001", "02dddd000001"
GENERIC = "server = {{ urls.base }}\nntp = {{ settings.ntp.server or 'none' }}\n"
SPECIFIC = """\
{% for line in lines %}
user{{ line.position }} = {{ line.username }}
pass{{ line.position }} = {{ line.password }}
registrar{{ line.position }} = {{ line.server }}
{% else %}
user1 = {{ account.username if account else "nobody" }}
{% endfor %}
"""


class GenericPhone:
    """Fetches its two files over HTTP or TFTP, and understands lines of ``name = value``."""

    def __init__(self, config: str) -> None:
        self._phones = re.search(r"\[phones\]\nlisten = \[\"127.0.0.1:(\d+)", config)[1]  # type: ignore[index]
        self._tftp = int(re.search(r"\[tftp\]\nlisten = \[\"127.0.0.1:(\d+)", config)[1])  # type: ignore[index]

    def boots(self, mac: str, via: str, agent: str = "Zeta/X1 2.0.1") -> dict[str, str]:
        found: dict[str, str] = {}
        for name in ("ZETA-X1.cfg", f"zeta-{mac.upper()}.cfg"):
            for line in self.asks(name, via, agent).splitlines():
                key, equals, value = line.partition(" = ")
                assert equals, line
                found[key] = value
        return found

    def asks(self, name: str, via: str, agent: str) -> str:
        if via == "tftp":
            return asyncio.run(tftp_get("127.0.0.1", name, port=self._tftp)).body.decode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._phones}/provision//{name}", headers={"User-Agent": agent}
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return str(answer.read().decode())


@pytest.fixture
def templates(tmp_path: Path) -> tuple[str, ...]:
    for name, text in (("generic.j2", GENERIC), ("specific.j2", SPECIFIC)):
        (tmp_path / name).write_text(text)
    return (
        *("--vendor", "Zeta", "--model", "X1", "--lines", "2", "--format", "keyvalue"),
        *("--generic", "zeta-x1.cfg", "--specific", "zeta-{mac}.cfg", "--user-agent", "Zeta/X1"),
        *("--generic-template", str(tmp_path / "generic.j2"), "--specific-template", str(tmp_path / "specific.j2")),
    )


def test_two_templates_and_no_plugin(tmp_path: Path, templates: tuple[str, ...]) -> None:
    folder = tmp_path / "site"
    folder.mkdir()
    config, _ = loopback_config(folder / "state")
    with Daemon(config, folder) as daemon:
        phone = GenericPhone(config)
        for change, reason in (
            (("--generic", "y000000000045.cfg"), "the plugin yealink would answer 'y000000000045.cfg' too"),
            (("--specific", "a/{mac}.cfg"), "leave the folders out"),
            (("--user-agent", "Yealink SIP"), "the plugin yealink looks at what begins with"),
            (("--oui", "805ec0"), "is a MAC prefix of the plugin yealink"),
        ):
            assert reason in said(daemon, "model", "add", "x1", *templates, *change, code=2)
        (tmp_path / "generic.j2").write_text("a = 1\nb = {{ nobody.knows }}\n")
        assert "generic_template: generic.j2:2: 'nobody' is undefined" in said(
            daemon, "model", "add", "x1", *templates, code=2
        )
        (tmp_path / "generic.j2").write_text(GENERIC)
        daemon.provd("model", "add", "x1", *templates)
        assert "there is a model 'x1' already" in said(daemon, "model", "add", "x1", *templates, code=5)

        daemon.provd("tenant", "add", "acme", "--set", "sip.server=pbx.example")
        daemon.provd("line", "add", "101", "--tenant", "acme", "--password", "-", stdin="s3cret")
        daemon.provd("device", "add", MAC, "--model", "X1")
        unclaimed = phone.boots(MAC, "http")
        assert unclaimed["user1"] == f"ap{MAC}"
        assert unclaimed["server"].startswith("http://127.0.0.1:")
        daemon.provd("device", "assign", MAC, "101")
        for via in ("http", "tftp"):
            assert phone.boots(MAC, via) == {
                "server": unclaimed["server"], "ntp": "none", "user1": "101", "pass1": "s3cret",
                "registrar1": "pbx.example",
            }  # fmt: skip
        shown = daemon.json("device", "show", MAC)
        assert (shown["vendor"], shown["model"], shown["version"], shown["plugin"], shown["state"]) == (
            "Zeta", "X1", "2.0.1", "site-x1", "provisioned",
        )  # fmt: skip

        # One that says of itself what it is comes by itself; one of which nobody knows anything does not.
        assert phone.boots(STRANGER, "http")["user1"] == f"ap{STRANGER}"
        daemon.provd("tenant", "set", "acme", "--set", "ntp.server=10.0.0.9")
        own = SPECIFIC + "room = 7\n"
        said(daemon, "template", "set", "--device", MAC, "specific.j2", "-", stdin=own)
        assert phone.boots(MAC, "http")["room"] == "7"
        assert "room" not in phone.boots(STRANGER, "http")
        daemon.kill()
        daemon.start()
        assert phone.boots(MAC, "tftp")["room"] == "7"
        assert "2 devices are of the model x1" in said(daemon, "model", "delete", "x1", code=5)
