"""Two daemons as processes: a device is registered at one, asks for its home and moves to the other."""

from __future__ import annotations

import hashlib
import http.client
import json
from pathlib import Path

from provd.domain.regions.unit import proof
from tests.kit.instances import SECRET, Member, Traveller
from tests.kit.patience import PATIENCE

EVERYBODY = '[[region.rule]]\nby = "all"\nregion = "eu"\n'
KEY_HASH = hashlib.sha256(b"its-key").hexdigest()
SENSOR = {"device_id": "sensor-1", "key_sha256": KEY_HASH, "country": "DE", "mac": "80:5e:c0:11:22:33"}


def test_a_device_goes_home_and_is_forgotten_where_it_was(tmp_path: Path) -> None:
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu")
    with world, eu:
        world.know(eu)
        eu.know(world)
        world.register(SENSOR)
        device = Traveller("sensor-1", "its-key")
        assert device.query(world.port)[0] == 202
        world.wait_for("DEVICE-REGIONAL")
        home = device.finds(world.port)
        assert home == {
            "lifecycle_state": "REGIONAL",
            "region": "eu",
            "endpoint": f"http://127.0.0.1:{eu.port}",
            "epoch": 1,
        }
        assert eu.state("sensor-1") == "PROV_PEN"
        assert device.provision(eu.port) == (200, {"lifecycle_state": "PROVISIONED", "epoch": 1})
        world.wait_for("DEVICE-REHOMED")
        eu.wait_for("DEVICE-READY")
        assert (world.state("sensor-1"), eu.state("sensor-1")) == ("GONE", "ACTIVE")
        assert world.json("region", "list")[0]["devices"] == {"GONE": 1}
        assert world.json("region", "status")["waiting"] == []

        # It comes back, with a key that nobody here knows any more, and is told where it belongs.
        status, body = device.query(world.port)
        assert (status, body["lifecycle_state"], body["endpoint"]) == (200, "GONE", f"http://127.0.0.1:{eu.port}")
        # What it says once more is no mistake.
        assert device.provision(eu.port)[1]["lifecycle_state"] == "ACTIVE"
        status, body = device.provision(eu.port, chipsets=[{"id": "c1"}])
        assert (status, body["error"]) == (409, 13124)

        # And home again: the owner is asked by the one who knows where that is.
        world.provd("region", "move", "sensor-1", "--to", "world")
        world.wait_for("DEVICE-EXPECTED")
        eu.wait_for("DEVICE-REGIONAL")
        assert device.provision(world.port)[1]["lifecycle_state"] == "PROVISIONED"
        eu.wait_for("DEVICE-REHOMED")
        assert (world.json("region", "status", "sensor-1")["epoch"], eu.state("sensor-1")) == (2, "GONE")


def test_what_is_not_signed_is_not_believed(tmp_path: Path) -> None:
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu")
    with world, eu:
        world.know(eu, secret=SECRET + "-no-more")
        eu.know(world)
        world.register(SENSOR)
        device = Traveller("sensor-1", "its-key")
        device.query(world.port)
        assert "region=world" in eu.wait_for("REGION-DISTRUSTED")
        assert "without a right signature" in world.wait_for("REGION-UNREACHED")
        assert (world.state("sensor-1"), eu.state("sensor-1")) == ("REHOMING", "")
        assert world.json("region", "status")["silent"] == ["eu"]

        file = tmp_path / "right"
        file.write_text(SECRET)
        world.provd("region", "set", "eu", "--secret-file", str(file))
        # Unless it is said by itself before.
        world.provd("region", "retry", "sensor-1", check=False)
        assert device.finds(world.port)["region"] == "eu"
        world.wait_for("REGION-REACHED")


def test_who_asks_wrongly_hears_the_number(tmp_path: Path) -> None:
    with Member("world", tmp_path / "world", role="global", rules=EVERYBODY) as world:
        world.register(SENSOR)
        stranger = Traveller("sensor-1", "a guess")
        assert stranger.query(world.port)[0] == 404
        device = Traveller("sensor-2", "its-key")
        assert device.query(world.port)[1]["error"] == 13108
        status, envelope, _ = Traveller("sensor-1", "its-key").ask(world.port, b"[]")
        assert (status, envelope["error"]) == (400, 13113)
        # There is no such region: the rule has no answer, and the device stays.
        assert Traveller("sensor-1", "its-key").query(world.port)[1]["lifecycle_state"] == "GLOBAL"


def test_nobody_has_such_paths_who_has_no_regions(tmp_path: Path) -> None:
    with Member("world", tmp_path / "world", role="standalone") as alone:
        assert Traveller("sensor-1", "its-key").ask(alone.port, b"{}")[0] in {404, 405}
        assert json.loads(alone.provd("region", "status", "--json").stdout)["role"] == "standalone"
        (alone.folder / "devices.csv").write_text(f"device_id,key_sha256\nsensor-1,{KEY_HASH}\n")
        refused = alone.provd("region", "register", str(alone.folder / "devices.csv"), check=False)
        assert refused.returncode
        assert "stands alone" in refused.stderr

        # And from now on it does not.
        alone.config.write_text(alone.config.read_text().replace('role = "standalone"', 'role = "global"'))
        alone.reload()
        alone.wait_for("RELOADED")
        alone.register(SENSOR)
        assert Traveller("sensor-1", "its-key").query(alone.port)[1]["lifecycle_state"] == "GLOBAL"


def test_a_device_whose_tenant_the_region_lacks_waits_for_it_there(tmp_path: Path) -> None:
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu")
    with world, eu:
        world.know(eu)
        eu.know(world)
        world.provd("tenant", "add", "blue")
        world.provd("activation", "model", "add", "acme", "s2", "--tenant", "blue")
        for serial in ("S1", "S2"):
            world.provd("activation", "serial", "add", "acme", "s2", serial)
        keys = {}
        for serial in ("S1", "S2"):
            world.provd("activation", "enable", "acme", "s2", serial)
            keys[serial] = form(world.port, f"vendor=acme&model=s2&sn={serial}")[1]
            device = Traveller(f"acme/s2/{serial}", keys[serial])
            device.finds(world.port)
            device.provision(eu.port)
        # Both are told, once for the tenant and not for each device.
        for member in (world, eu):
            assert "region=eu tenant=blue device=acme/s2/S1" in member.wait_for("REGION-TENANT-MISSING")
        assert [each["lacks"] for each in world.json("region", "list")] == [["blue"]]
        assert "LACKS" in world.provd("region", "list").stdout
        assert eu.json("region", "status")["missing"] == [{"tenant": "blue", "devices": 2}]
        assert "provd tenant add" in eu.provd("region", "status").stdout
        assert "no tenant 'blue' here" in eu.json("region", "status", "acme/s2/S1")["reason"]
        assert [each["tenant"] for each in eu.json("device", "list")] == ["master", "master"]

        eu.provd("tenant", "add", "blue")
        assert "tenant=blue devices=2" in eu.wait_for("REGION-TENANT-FOUND")
        assert [each["tenant"] for each in eu.json("device", "list")] == ["blue", "blue"]
        assert (eu.json("region", "status")["missing"], downloads(eu.port, keys["S1"])) == ([], 200)
        assert eu.json("region", "status", "acme/s2/S1")["reason"] == ""
        for member in (world, eu):
            assert sum("REGION-TENANT-MISSING" in line for line in member.log) == 1
            assert not [line for line in member.log if "INTERNAL" in line]


def test_an_activated_device_takes_its_key_along(tmp_path: Path) -> None:
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu")
    with world, eu:
        world.know(eu)
        eu.know(world)
        for member in (world, eu):
            member.provd("tenant", "add", "blue")
        world.provd("activation", "model", "add", "acme", "s2", "--tenant", "blue")
        world.provd("activation", "serial", "add", "acme", "s2", "S1")
        world.provd("activation", "enable", "acme", "s2", "S1")
        status, key = form(world.port, "vendor=acme&model=s2&sn=S1")
        assert status == 200
        device = Traveller("acme/s2/S1", key)
        assert downloads(world.port, key) == 200
        device.finds(world.port)
        # From here on nobody serves it until it has come.
        assert (downloads(world.port, key), downloads(eu.port, key)) == (401, 401)
        device.provision(eu.port)
        world.wait_for("DEVICE-REHOMED")
        assert (downloads(world.port, key), downloads(eu.port, key)) == (401, 200)
        assert eu.json("activation", "show", "acme", "s2", "S1")["tenant"] == "blue"
        assert world.json("activation", "show", "acme", "s2", "S1")["state"] == "disabled"
        assert [each["state"] for each in eu.json("device", "list")] == ["activated"]

        # Nobody gives it a second key where it is not at home any more.
        world.provd("activation", "reenable", "acme", "s2", "S1")
        assert form(world.port, "vendor=acme&model=s2&sn=S1")[0] == 409
        assert "elsewhere" in world.json("activation", "log", "acme", "s2", "S1")[-1]["outcome"]


def form(port: int, body: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/provision/activate", body, headers)
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


def downloads(port: int, key: str) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request("GET", "/provision/download?vendor=acme&model=s2", headers={"Authorization": f"Bearer {key}"})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status


def test_a_device_is_active_when_its_units_are(tmp_path: Path) -> None:
    table = tmp_path / "assets.csv"
    table.write_text("name,shelf\nm1,A\nradio,B\nradio,C\n")
    tasks = f"""
[[tasks.template]]
id = "unit"
devices = ["modem/*", "radio/*"]
[[tasks.template.step]]
id = "asset"
do = "csv"
file = "{table}"
match = {{ name = "{{device.model}}" }}
"""
    world = Member("world", tmp_path / "world", role="global", rules=EVERYBODY)
    eu = Member("eu", tmp_path / "eu", rules=tasks)
    with world, eu:
        world.know(eu)
        eu.know(world)
        world.register(SENSOR)
        device = Traveller("sensor-1", "its-key")
        device.finds(world.port)
        chipsets = [
            {"id": "c1", "type": "modem", "name": "m1"},
            {"id": "c2", "type": "radio", "name": "radio"},
            {"id": "c3", "type": "clock", "name": "x"},
        ]
        assert device.provision(eu.port, chipsets=chipsets)[1]["lifecycle_state"] == "PROVISIONED"
        assert device.says(eu.port, "CHIPSET_ONBOARDING_NONCE_RESPONSE", chipsets=[{"id": "c1", "proof": "x"}])[1] == {
            "response": 0,
            "error": 11019,
            "reason": "there is no nonce: ask for one",
        }
        nonce = device.says(eu.port, "CHIPSET_ONBOARDING_NONCE")[1]["nonce"]
        proofs = [{"id": name, "proof": proof(KEY_HASH, nonce, name)} for name in ("c1", "c2", "c3")]
        told = device.says(eu.port, "CHIPSET_ONBOARDING_NONCE_RESPONSE", chipsets=proofs)[1]["chipsets"]
        assert [(each["state"], each["error"]) for each in told] == [("REGISTERED", False)] * 3

        def units() -> dict[str, str]:
            return {each["id"]: each["state"] for each in eu.json("region", "status", "sensor-1")["units"]}

        eu.until(lambda: units() == {"c1": "ACTIVE", "c2": "FAILED", "c3": "ACTIVE"})
        assert eu.state("sensor-1") == "PROVISIONED"
        table.write_text("name,shelf\nm1,A\nradio,B\n")
        (failed,) = eu.json("task", "list", "state=failed")
        eu.provd("task", "retry", failed["id"])
        eu.wait_for("DEVICE-READY")
        assert {each["serial"] for each in eu.json("device", "list")} == {"c1", "c2"}, "c3 has no task"

        # Its units leave with it.
        eu.provd("region", "move", "sensor-1", "--to", "world")
        world.wait_for("DEVICE-EXPECTED")
        eu.wait_for("DEVICE-REGIONAL")
        device.provision(world.port, chipsets=chipsets)
        eu.wait_for("DEVICE-REHOMED")
        eu.until(lambda: eu.json("device", "list") == [])
