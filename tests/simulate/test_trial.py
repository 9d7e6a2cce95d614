"""A site is tried from another machine, which is made ready as ``provd simulate`` says."""

import re
import subprocess
from pathlib import Path

import pytest

from provd.simulate.crowd import NOT_LOCAL
from tests.kit.daemon import Daemon, lan_config
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

pytestmark = pytest.mark.root


def test_phones_boot_on_a_server_that_probes_once_the_machine_is_ready(tmp_path: Path) -> None:
    config = {"probe": "true", "pools": '["10.77.16.0-10.77.16.99"]'}
    with (
        Bed(client_ip="10.77.0.2") as bed,
        Daemon(lan_config(bed, tmp_path / "state", **config), tmp_path, bed=bed) as d,
    ):
        for command in re.findall("`(.*?)`", NOT_LOCAL):
            bed.run(bed.client, *command.replace("NETWORK", "10.77.16.0/24").split())
        phones = ("--vendor", "yealink", "--model", "T27P", "--count", "3", "--interface", bed.client_interface)
        simulate = ("-m", "provd", "simulate", *phones, "--timeout", str(PATIENCE))
        process = bed.python(bed.client, *simulate, stdout=subprocess.PIPE, text=True)
        shown, _ = process.communicate(timeout=PATIENCE)
        assert "3 phones in" in shown
        assert shown.splitlines()[0].endswith(": all done")
        assert not [line for line in d.log if "DHCP-CONFLICT" in line]
