"""Real daemons that are regions of each other, and a device that finds its way between them."""

from __future__ import annotations

import http.client
import json
import time
from pathlib import Path
from typing import Any

from tests.kit.daemon import Daemon, loopback_config
from tests.kit.federation import envelope, provision, query
from tests.kit.patience import PATIENCE

SECRET = "a secret that both of them share".replace(" ", "-")


class Member(Daemon):
    """One of them; ``port`` is where devices and the others reach it."""

    def __init__(self, name: str, folder: Path, *, role: str = "regional", rules: str = "", more: str = "") -> None:
        folder.mkdir()
        section = f'[region]\nrole = "{role}"\nname = "{name}"\nendpoint = "at {name}"\nplain = true\n'
        section += f'allow = ["127.0.0.0/8"]\n{more}\n{rules}\n'
        config, self.port = loopback_config(folder / "state", sections=section)
        super().__init__(config, folder)
        self.name = name
        self.folder = folder

    def know(self, other: Member, *, secret: str = SECRET) -> None:
        """Add another one to the regions of this one."""
        file = self.folder / "secret"
        file.write_text(secret + "\n")
        url = f"http://127.0.0.1:{other.port}"
        self.provd("region", "add", other.name, "--url", url, "--endpoint", url, "--secret-file", str(file))

    def register(self, *devices: dict[str, Any]) -> None:
        names = sorted({name for device in devices for name in device})
        lines = [",".join(names), *(",".join(str(device.get(name, "")) for name in names) for device in devices)]
        file = self.folder / "devices.csv"
        file.write_text("\n".join(lines) + "\n")
        (request,) = self.json("region", "register", str(file))
        self.until(lambda: self.json("region", "request", request["name"])["state"] == "done")

    def state(self, device: str) -> str:
        found = self.provd("region", "status", device, "--json", check=False)
        return str(json.loads(found.stdout)["state"]) if found.returncode == 0 else ""

    @staticmethod
    def until(done: Any, seconds: float = PATIENCE) -> None:
        """Come back when it is so; a real process takes real time."""
        deadline = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < deadline, "it does not come about"
            time.sleep(0.05)


class Traveller:
    """A device with a key of its own that goes where it is told."""

    def __init__(self, device: str, key: str, **header: str) -> None:
        self.device = device
        self.key = key
        self.header = header or {"ecu_type": "UNIT"}
        self.number = 0

    def ask(self, port: int, octets: bytes, **headers: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        sent = {"Content-Type": "application/json", "Authorization": f"Bearer {self.key}"} | headers
        connection.request("POST", "/provision/region/message", octets, sent)
        response = connection.getresponse()
        text, given = response.read(), dict(response.getheaders())
        connection.close()
        envelope = json.loads(text) if text.startswith(b"{") else {}
        return response.status, envelope, given

    def query(self, port: int, **more: Any) -> tuple[int, dict[str, Any]]:
        self.number += 1
        status, envelope, _ = self.ask(port, query(self.device, f"q{self.number}", **self.header, **more))
        return status, json.loads(envelope["body"]) if "body" in envelope else envelope

    def provision(self, port: int, **more: Any) -> tuple[int, dict[str, Any]]:
        self.number += 1
        status, envelope, _ = self.ask(port, provision(self.device, f"p{self.number}", **self.header, **more))
        return status, json.loads(envelope["body"]) if "body" in envelope else envelope

    def says(self, port: int, kind: str, **body: Any) -> tuple[int, dict[str, Any]]:
        self.number += 1
        status, found, _ = self.ask(port, envelope(self.device, kind, body, number=f"s{self.number}", **self.header))
        return status, json.loads(found["body"]) if "body" in found else found

    def finds(self, port: int, seconds: float = PATIENCE) -> dict[str, Any]:
        """Ask until it is told where its home is."""
        deadline = time.monotonic() + seconds
        while True:
            status, body = self.query(port)
            if status == 200 and body["endpoint"]:
                return body
            assert time.monotonic() < deadline, (status, body)
            time.sleep(0.05)
