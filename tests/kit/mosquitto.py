"""Mosquitto, the broker from Debian, with a configuration of its own: started, killed and started again."""

from __future__ import annotations

import getpass
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from tests.conftest import program
from tests.kit.patience import PATIENCE
from tests.kit.ports import free_port


class Mosquitto:
    """``with Mosquitto(folder) as broker:``. With ``users`` nobody else is let in; ``tls`` is its certificate and key;
    ``lines`` go into its configuration."""

    def __init__(
        self,
        folder: Path,
        *,
        users: dict[str, str] | None = None,
        tls: tuple[Path, Path] | None = None,
        lines: str = "",
    ) -> None:
        self._folder = folder
        self._program = program("mosquitto")
        self.port = free_port()
        config = f"listener {self.port} 127.0.0.1\n{lines}\n"
        config += f"persistence true\npersistence_location {folder}/\nuser {getpass.getuser()}\n"
        if users:
            passwords = folder / "passwords"
            passwords.write_text("")
            passwords.chmod(0o600)
            for name, password in users.items():
                subprocess.run([program("mosquitto_passwd"), "-b", str(passwords), name, password], check=True)
            config += f"allow_anonymous false\npassword_file {passwords}\n"
        else:
            config += "allow_anonymous true\n"
        if tls is not None:
            config += f"certfile {tls[0]}\nkeyfile {tls[1]}\n"
        self._config = folder / "mosquitto.conf"
        self._config.write_text(config)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self._folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([self._program, "-c", str(self._config)], stdout=log, stderr=log)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                probe.settimeout(0.2)
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
        raise AssertionError(f"mosquitto did not start:\n{(self._folder / 'mosquitto.log').read_text()}")

    def kill(self) -> None:
        """SIGKILL."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None
