"""Requests as phones and people send them, and what each comes to; the same file whatever the way."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from provd.app.files import FileReply
from provd.plugin.phone import Phone
from tests.e2e.world import SERVER, House

SPA, T48 = "002699a0b0c1", "001565a0b0c2"
SPA_UA = "Cisco/SPA504G-7.5.5 (002699A0B0C1)(CCQ16230000)"
T48_UA = "Yealink SIP-T48G 35.83.0.120 00:15:65:a0:b0:c2"


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """A site with one phone of each vendor that has booted; both are unclaimed. Each request counts for itself: nobody
    is closed out."""
    with House() as house:
        for plugin, name in (("cisco_spa", "SPA504G"), ("yealink", "T48G")):
            house.boots(house.phone(plugin, name))
        assert set(house.fleet.tables.devices) == {SPA, T48}
        yield house


def spelt(mac: str) -> list[str]:
    """A MAC in every form that was met in file names."""
    pairs = [mac[at : at + 2] for at in range(0, 12, 2)]
    return [form for text in (mac, ":".join(pairs), "-".join(pairs)) for form in (text, text.upper())]


def ways(name: str, token: str) -> list[tuple[str, str]]:
    """Transport and path for one file name, in every way that leads to it."""
    paths = [f"/{name}", f"//{name}", f"/{token}/{name}", f"/{token.upper()}//{name}", f"/provision/{name}"]
    by_http = [("http", path) for path in (*paths, f"/{name}?mac=$MA", f"/x/y/{name}", f"http://{SERVER}/{name}")]
    return by_http + [("tftp", path) for path in (name, *paths)]


def content(reply: FileReply) -> bytes:
    assert reply.found
    return bytes(reply.body)


@pytest.mark.parametrize(
    ("mac", "names"),
    [
        (SPA, ("spa504G.cfg", "spa504g.cfg", "SPA504G.CFG", "Spa504G.cfg")),
        (T48, ("y000000000035.cfg", "Y000000000035.CFG", "Y000000000035.cfg")),
        (SPA, tuple(f"{form}.cfg" for form in spelt(SPA)) + (f"{SPA.upper()}.CFG", f"{SPA}.xml")),
        (T48, tuple(f"{form}.cfg" for form in spelt(T48)) + (f"{T48.upper()}.CFG",)),
    ],
    ids=["spa common", "yealink common", "spa device", "yealink device"],
)
def test_one_file_by_every_way(house: House, mac: str, names: tuple[str, ...]) -> None:
    device = house.fleet.tables.device(mac)
    assert device is not None
    token = house.boot.station.token(device.mac, device)
    plain: set[bytes] = set()
    personal: set[bytes] = set()
    for name in names:
        for via, path in ways(name, token):
            reply = house.ask(path, peer=device.ip, via=via)
            # Below the token, the addresses in the file are below the token too.
            (personal if token in path.lower() else plain).add(content(reply))
    assert len(plain) == len(personal) == 1
    assert personal.pop().replace(f"/{token}".encode(), b"") == plain.pop()


ABSENT = "unknown"
COMMON = "common"
OWN = "device"

SHAPES = [
    # IvozProvider: generic patterns are whole names, below any prefix; the MAC file by its last segment.
    ("/provision/spa504G.cfg", SPA, SPA_UA, COMMON),
    ("/provision/spa504g.cfg", SPA, "", COMMON),
    ("/provision/y000000000035.cfg", T48, T48_UA, COMMON),
    ("//y000000000035.cfg", T48, T48_UA, COMMON),
    ("/provision//y000000000035.cfg", T48, "", COMMON),
    (f"/provision/spa504g/{SPA}.cfg", SPA, SPA_UA, OWN),
    (f"/provision/yealink/{T48.upper()}.cfg", T48, T48_UA, OWN),
    ("/provision/00:15:65:A0:B0:C2.cfg", T48, T48_UA, OWN),
    ("/provision/00-15-65-a0-b0-c2.cfg", T48, T48_UA, OWN),
    (f"/provision/{T48}", T48, T48_UA, ABSENT),  # extension missing
    (f"/provision/{T48}.xml", T48, T48_UA, ABSENT),  # extension of another vendor
    (f"/provision/{SPA}.xml", SPA, SPA_UA, OWN),
    ("/provision/001565ffffff.cfg", T48, T48_UA, ABSENT),  # somebody else's MAC
    ("/provision/", T48, T48_UA, ABSENT),
    ("/provision", T48, T48_UA, ABSENT),
    ("/", T48, T48_UA, ABSENT),
    # Yealink: boot files are never configurations, nor is what merely begins with the MAC.
    (f"/{T48}.boot", T48, T48_UA, ABSENT),
    ("/y000000000000.boot", T48, T48_UA, ABSENT),
    (f"/{T48}-local.cfg", T48, T48_UA, ABSENT),
    (f"/{T48}-contact.xml", T48, T48_UA, ABSENT),
    (f"/{T48}-calllog.xml", T48, T48_UA, ABSENT),
    (f"/{T48}_Security.enc", T48, T48_UA, ABSENT),
    (f"/{T48}.cfg.bak", T48, T48_UA, ABSENT),
    (f"/x{T48}.cfg", T48, T48_UA, ABSENT),
    ("/y000000000000.cfg", T48, "", COMMON),  # the T28P's, one letter away from the boot file
    ("/y000000000025.cfg", T48, "W52P 25.30.0.2 00:15:65:44:b3:7c", COMMON),
    ("/y000000000999.cfg", T48, T48_UA, ABSENT),
    # SPA: the call manager's files while nothing is known yet, and names of its relatives.
    (f"/SEP{SPA.upper()}.cnf.xml", SPA, SPA_UA, ABSENT),
    (f"/CTLSEP{SPA.upper()}.tlv", SPA, SPA_UA, ABSENT),
    ("/XMLDefault.cnf.xml", SPA, SPA_UA, ABSENT),
    ("/init.cfg", SPA, "", COMMON),
    ("/spa525G2.cfg", SPA, "Cisco/SPA525G2-7.4.9c (CBT141900G7)", COMMON),
    ("/spa504G.cfg?mac=$MA", SPA, SPA_UA, COMMON),
    # Nothing leads out of the house.
    ("/../etc/passwd", SPA, SPA_UA, ABSENT),
    ("/..%2f..%2fetc%2fpasswd", SPA, SPA_UA, ABSENT),
    ("/provision/../spa504G.cfg", SPA, SPA_UA, ABSENT),
    ("/plugin.toml", SPA, SPA_UA, ABSENT),
    ("/templates/device.xml.j2", SPA, SPA_UA, ABSENT),
]


@pytest.mark.parametrize(("path", "mac", "user_agent", "expected"), SHAPES)
def test_a_request_and_its_outcome(house: House, path: str, mac: str, user_agent: str, expected: str) -> None:
    device = house.fleet.tables.device(mac)
    assert device is not None
    reply = house.ask(path, peer=device.ip, user_agent=user_agent)
    assert (reply.kind or ABSENT) == expected
    if expected == OWN:
        assert f"ap{mac}".encode() in bytes(reply.body)
    if expected == ABSENT:
        assert bytes(reply.body) == b""


# --- boots as section by section of the phones' manuals


def asked(house: House) -> list[str]:
    """Names asked for and how that ended."""
    return [line.rsplit("/", 1)[1] for line in house.lan.asked()]


def booted(house: House, plugin: str, name: str, **more: str) -> Phone:
    phone = house.phone(plugin, name, **more)
    house.boots(phone)
    return phone


def test_a_v8x_asks_four_times_and_two_are_not_there() -> None:
    with House() as house:
        phone = booted(house, "yealink", "T23G", version="44.84.0.140")
        wanted = [f"{phone.mac}.boot 404", "y000000000000.boot 404", "y000000000044.cfg 200", f"{phone.mac}.cfg 200"]
        assert asked(house) == wanted
        assert house.device(phone.mac).model == "T23G"
        house.boots(phone)
        assert asked(house) == wanted * 2
        assert house.lan.story.count("unchanged") == 1


def test_a_v7x_asks_twice() -> None:
    with House() as house:
        phone = booted(house, "yealink", "T21P", version="34.72.0.75")
        assert asked(house) == ["y000000000034.cfg 200", f"{phone.mac}.cfg 200"]


def test_a_redirected_yealink_begins_with_its_own_file_below_a_token() -> None:
    with House("token") as house:
        north = house.admin("tenant.add", id="north")
        assert north["enabled"]
        house.admin("device.add", mac=T48, vendor="Yealink", model="T48G")
        token = house.admin("device.show", mac=T48, reveal=True, local=SERVER)["url"].rsplit("/", 1)[1]
        reply = house.ask(f"/{token}/{T48}.cfg", peer="203.0.113.9", user_agent=T48_UA)
        assert f"/{token}/".encode() in content(reply)
        assert f"ap{T48}".encode() in content(reply)


def test_an_spa_over_tftp_with_its_leading_slash_goes_on_over_http() -> None:
    with House(option66=SERVER) as house:
        phone = booted(house, "cisco_spa", "SPA504G")
        assert [line.split()[1] for line in house.lan.asked()][:2] == [
            f"tftp://{SERVER}//spa504G.cfg",
            f"http://{SERVER}:8667/{phone.mac}.cfg",
        ]


def test_an_spa525_tells_its_mac_by_the_path_alone() -> None:
    with House() as house:
        phone = booted(house, "cisco_spa", "SPA525G2", version="7.4.9c")
        device = house.device(phone.mac)
        assert (device.model, device.version, device.serial) == ("SPA525G2", "7.4.9c", phone.serial)
        assert phone.mac.upper() not in phone.user_agent


def test_a_phone_without_an_option60_is_known_by_its_first_request() -> None:
    with House("open", option66=f"http://{SERVER}:8667/spa$PSN.cfg") as house:
        phone = house.phone("cisco_spa", "SPA509G", plain=True)
        house.boots(phone)
        assert phone.accounts[0].username == f"ap{phone.mac}"
        assert house.device(phone.mac).model == "SPA509G"


def test_the_w56p_is_the_base_of_the_w52p() -> None:
    with House() as house:
        phone = booted(house, "yealink", "W56P")
        assert asked(house)[2:] == ["y000000000025.cfg 200", f"{phone.mac}.cfg 200"]
        assert house.device(phone.mac).model == "W52P"
        assert phone.settings["handset.5.dial_out_default_line"] == "1"
