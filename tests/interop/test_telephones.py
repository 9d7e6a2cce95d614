"""Telephones that we did not write: baresip and SIPp register a temporary account from a rendered file and dial."""

from __future__ import annotations

import re
import socket
import subprocess
import wave
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import program
from tests.e2e.test_dialing import account_in, code_for, http, tenant
from tests.kit.daemon import Daemon, lan_config
from tests.kit.lan import socket_in
from tests.kit.netns import Bed
from tests.kit.patience import PATIENCE

pytestmark = [pytest.mark.root, pytest.mark.peer]

MAC = "805ec0112233"
CLIENT = "10.77.0.2"


class Site:
    """A phone's file at a daemon, in a network of two machines."""

    def __init__(self, bed: Bed, daemon: Daemon) -> None:
        self.bed = bed
        self.daemon = daemon
        tenant(daemon, "north", "101")
        self.code = code_for(daemon, "101")
        self.user, self.password, self.server, self.port = account_in(self.file())
        assert self.user == f"ap{MAC}"

    def file(self) -> str:
        """The phone's own file, as it is now."""
        return http(socket_in(self.bed.client, socket.SOCK_STREAM), f"http://{self.bed.server_ip}:8667/{MAC}.cfg")

    def is_claimed(self) -> None:
        """It is the tenant's now, and its file says so."""
        assert "account.1.user_name = u101\n" in self.file()
        assert self.daemon.json("device", "show", MAC)["tenant"] == "north"
        assert not [line for line in self.daemon.log if "INTERNAL" in line or self.code in line]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Bed(client_ip=CLIENT) as bed:
        config = lan_config(bed, tmp_path / "state", mode="off", secrets="open")
        with Daemon(config, tmp_path, bed=bed) as daemon:
            yield Site(bed, daemon)


def test_baresip_dials_a_code_and_hears_that_it_is_good(site: Site, tmp_path: Path) -> None:
    folder, spoken = tmp_path / "baresip", tmp_path / "spoken.wav"
    folder.mkdir()
    with wave.open(str(spoken), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(2 * 8000 * 10))
    modules = next(Path("/usr/lib").rglob("baresip/modules/g711.so")).parent
    (folder / "config").write_text(
        f"module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule aubridge.so\nmodule sndfile.so\n"
        "module_app account.so\nmodule_app menu.so\n"
        f"audio_source aufile,{spoken}\naudio_player aubridge,x\naudio_alert aubridge,y\nsnd_path {folder}\n"
    )
    (folder / "accounts").write_text(
        f"<sip:{site.user}@{site.server}:{site.port}>;auth_user={site.user};auth_pass={site.password};"
        "regint=120;audio_codecs=PCMA/8000/1\n"
    )
    (folder / "contacts").write_text("")
    with (folder / "said").open("wb") as said:
        command = (program("baresip"), "-f", str(folder), "-e", f"/dial sip:{site.code}@{site.server}", "-t", "200")
        phone = site.bed.popen(
            site.bed.client, *command, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    site.daemon.wait_for("AUTOPROV-REGISTERED")
    site.daemon.wait_for("CODE-ACCEPTED")
    assert "way=sip" in site.daemon.wait_for("RESYNC-SENT")
    while not any("SIP-CALL-ENDED" in line for line in site.daemon.log):
        site.daemon.drain()
    phone.terminate()
    phone.wait(PATIENCE)
    told = (folder / "said").read_text(errors="replace")
    assert "200 OK" in told, told
    assert "Call established" in told, told
    site.is_claimed()
    site.daemon.wait_for("RESYNC-DONE")
    (heard,) = folder.glob("*dec.wav")
    with wave.open(str(heard)) as sound:
        samples = sound.readframes(sound.getnframes())
    assert len(samples) > 8000, "half a second at least"
    assert len(set(samples)) > 16, "and no silence"


SCENARIO = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="register and dial a code">
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:USER@[remote_ip]>;tag=[pid]r[call_number]
To: <sip:USER@[remote_ip]>
Call-ID: reg///[call_id]
CSeq: 1 REGISTER
Contact: <sip:USER@[local_ip]:[local_port]>
Expires: 120
Content-Length: 0

]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
REGISTER sip:[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:USER@[remote_ip]>;tag=[pid]r[call_number]
To: <sip:USER@[remote_ip]>
Call-ID: reg///[call_id]
CSeq: 2 REGISTER
Contact: <sip:USER@[local_ip]:[local_port]>
Expires: 120
[authentication username=USER password=PASSWORD]
Content-Length: 0

]]></send>
  <recv response="200"/>
  <send retrans="500"><![CDATA[
INVITE sip:CODE@[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:USER@[remote_ip]>;tag=[pid]i[call_number]
To: <sip:CODE@[remote_ip]>
Call-ID: [call_id]
CSeq: 3 INVITE
Contact: <sip:USER@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="CHALLENGE" auth="true"/>
  <send><![CDATA[
ACK sip:CODE@[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch-3]
From: <sip:USER@[remote_ip]>;tag=[pid]i[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 3 ACK
Content-Length: 0

]]></send>
  <send retrans="500"><![CDATA[
INVITE sip:CODE@[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:USER@[remote_ip]>;tag=[pid]i[call_number]
To: <sip:CODE@[remote_ip]>
Call-ID: [call_id]
CSeq: 4 INVITE
Contact: <sip:USER@[local_ip]:[local_port]>
[authentication username=USER password=PASSWORD]
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [local_ip]
t=0 0
m=audio [media_port] RTP/AVP 0
a=rtpmap:0 PCMU/8000
]]></send>
  <recv response="100" optional="true"/>
  <recv response="180" optional="true"/>
  <recv response="183" optional="true"/>
  <recv response="200"/>
  <send><![CDATA[
ACK sip:CODE@[remote_ip] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:USER@[remote_ip]>;tag=[pid]i[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 4 ACK
Content-Length: 0

]]></send>
  <recv request="BYE" timeout="200000"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>
</scenario>
"""


def test_sipp_dials_a_code(site: Site, tmp_path: Path) -> None:
    text = SCENARIO
    for mark, value in (("USER", site.user), ("PASSWORD", site.password), ("CODE", site.code), ("CHALLENGE", "401")):
        text = re.sub(rf"\b{mark}\b", value, text)
    scenario = tmp_path / "dial.xml"
    scenario.write_text(text)
    where = f"{site.server}:{site.port}"
    # Left alone it names the host in its credentials, and not what it dials.
    dialed = f"{site.code}@{where}"
    ran = site.bed.run(
        site.bed.client,
        *(program("sipp"), where, "-sf", str(scenario), "-i", CLIENT, "-p", "5060", "-m", "1", "-nostdin"),
        *("-auth_uri", dialed),
        *("-timeout", "200", "-timeout_error", "-trace_err", "-error_file", str(tmp_path / "errors.log")),
        check=False,
        timeout=PATIENCE,
    )
    errors = tmp_path / "errors.log"
    assert ran.returncode == 0, (errors.read_text() if errors.exists() else "") + ran.stdout[-2000:]
    site.daemon.wait_for("CODE-ACCEPTED")
    site.is_claimed()
    site.daemon.wait_for("RESYNC-DONE")
