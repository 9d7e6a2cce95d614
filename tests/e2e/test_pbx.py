"""A site whose PBX takes the calls: the code comes over FastAGI, the NOTIFY goes over the manager interface."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.daemon.test_telling import PHONE, fetch, pbx, site
from tests.kit.agi import AgiCall
from tests.kit.ami import AmiThread
from tests.kit.daemon import Daemon
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port

ACCOUNT = f"ap{PHONE}"


def call(port: int, digits: str, **more: object) -> AgiCall:
    made = AgiCall(**{"arguments": (digits,), "channel": f"PJSIP/{ACCOUNT}-0000002a", **more})  # type: ignore[arg-type]
    asyncio.run(asyncio.wait_for(made.run("127.0.0.1", port), PATIENCE))
    return made


def furnish(daemon: Daemon, port: int) -> str:
    """A tenant with a line and a code, and a phone that nobody has claimed and that registers at the PBX."""
    daemon.provd("profile", "add", "pbx", "--level", "site", "--set", "dialing.server=10.20.0.5")
    daemon.provd("tenant", "add", "north", "--name", "North")
    daemon.provd("line", "add", "101", "--tenant", "north", "--username", "u101", "--password", "-", stdin="secret")
    daemon.provd("device", "add", PHONE, "--model", "A1")
    assert fetch(port)
    return str(daemon.json("code", "add", "--line", "101")["code"])


def test_a_code_comes_by_fastagi_and_the_notify_goes_by_the_manager_interface(tmp_path: Path) -> None:
    agi = free_port()
    with AmiThread(endpoints={ACCOUNT, "u101"}) as server:
        asks = pbx(server.port)
        sections = asks.replace("[[pbx.ami]]", '[pbx]\nagi_prompts = { accepted = "auth-thankyou" }\n[[pbx.ami]]')
        config, port = site(tmp_path / "state", sections)
        config = config.replace("[sip]\n", f'[codes]\ndelay = "0s"\n[sip]\nagi_listen = ["127.0.0.1:{agi}"]\n')
        with Daemon(config, tmp_path) as daemon:
            code = furnish(daemon, port)
            wrong = call(agi, "00000000")
            assert wrong.variables["PROVD_RESULT"] == "unknown"
            daemon.wait_for("CODE-REFUSED")
            server.on_notify = lambda *_: fetch(port)
            right = call(agi, code)
            assert right.variables["PROVD_RESULT"] == "accepted"
            assert right.variables["PROVD_MAC"] == PHONE
            assert (right.variables["PROVD_TENANT"], right.variables["PROVD_LINE"]) == ("north", "101")
            assert right.played == ["auth-thankyou"]
            # The phone may be quicker than the PBX's answer.
            told = "\n".join(sorted(daemon.wait_for("RESYNC-").split("RESYNC-")[1] for _ in range(2)))
            assert "DONE mac=02:aa:aa:00:00:01 reason=code" in told
            assert "way=ami heard=passed-on reason=code" in told
            assert server.notified == [("PJSIP", ACCOUNT, "check-sync")]
            assert daemon.json("device", "show", PHONE)["state"] == "provisioned"
            # From now on it is reached by its line.
            daemon.provd("device", "sync", PHONE)
            assert server.notified[-1] == ("PJSIP", "u101", "resync")
            assert daemon.stop() == 0
            leaked = [line for line in daemon.log if code in line or "s3cret" in line or "INTERNAL" in line]
            assert not leaked
