from __future__ import annotations

import base64

import pytest

from provd.plugin.phone import Account, Failed, Fetched, LeaseGot, NotFound
from provd.simulate.memory import MemoryWorld
from tests.kit.phones import YEALINK_MODELS, make_phone

MAC = "805ec0112233"
BASE = "http://10.20.0.1:8667"
HEAD = "#!version:1.0.0.1\n"

COMMON = b"""\
#!version:1.0.0.1
# general settings, no secret
static.auto_provision.repeat.enable = 1
static.auto_provision.repeat.minutes = 1
auto_provision.repeat.enable = 1
auto_provision.repeat.minutes = 1
auto_provision.mode = 6
auto_provision.schedule.periodic_minute = 1
lang.gui = Spanish
"""
UNCLAIMED = b"""\
#!version:1.0.0.1
account.1.enable = 1
account.1.label = Dial your code
account.1.user_name = ap805ec0112233
account.1.auth_name = ap805ec0112233
account.1.password = temporary
account.1.sip_server.1.address = 10.20.0.1
account.1.sip_server.1.port = 5060
account.1.sip_server.1.transport_type = 0
account.1.sip_server_host = 10.20.0.1
account.1.sip_server_port = 5060
account.2.enable = 0
"""
CLAIMED = UNCLAIMED.replace(b"ap805ec0112233", b"200").replace(b"Dial your code", b"Anna")


def with_files(files: dict[str, bytes | Fetched], option66: str = BASE) -> MemoryWorld:
    return MemoryWorld(options={66: option66.encode()}, files={f"{BASE}/{name}": body for name, body in files.items()})


def t27(version: str = ""):
    return make_phone("yealink", "T27P", mac=MAC, version=version)


def test_a_v8x_phone_asks_for_boot_files_first():
    phone = t27()
    net = with_files({"y000000000045.cfg": COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert net.story == [
        "DHCP yealink",
        f"GET {BASE}/{MAC}.boot 404",
        f"GET {BASE}/y000000000000.boot 404",
        f"GET {BASE}/y000000000045.cfg 200",
        f"GET {BASE}/{MAC}.cfg 200",
        f"applied y000000000045.cfg {MAC}.cfg",
        f"accounts: ap{MAC}",
        "rests: repeat",
    ]
    name = f"ap{MAC}"
    account = Account(1, name, "temporary", "10.20.0.1", 5060, name, "", "Dial your code", keep_alive=30)
    assert phone.accounts == (account,)


def test_a_v7x_phone_asks_for_two_files():
    phone = t27("45.72.0.5")
    net = with_files({"y000000000045.cfg": COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert net.asked() == [f"GET {BASE}/y000000000045.cfg 200", f"GET {BASE}/{MAC}.cfg 200"]
    assert net.story[-1] == "rests: periodic check"
    assert phone.accounts[0].server == "10.20.0.1"


@pytest.mark.parametrize("model", YEALINK_MODELS, ids=lambda model: model.name)
def test_every_model_boots_and_is_claimed_later(model):
    phone = make_phone("yealink", model.name, mac=MAC)
    net = with_files({model.common[0]: COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert [account.username for account in phone.accounts] == [f"ap{MAC}"]
    net.files[f"{BASE}/{MAC}.cfg"] = CLAIMED
    net.boot(phone, until=130)
    assert [(account.username, account.label) for account in phone.accounts] == [("200", "Anna")]
    assert net.complaints == []


@pytest.mark.parametrize(
    ("model", "version", "user_agent"),
    [
        ("T48G", "35.72.0.6", "Yealink SIP-T48G 35.72.0.6 80:5e:c0:11:22:33"),
        ("T21P_E2", "52.80.0.3", "Yealink SIP-T21P_E2 52.80.0.3 80:5e:c0:11:22:33"),
        ("T21P", "", "Yealink SIP-T21P 34.72.0.75 80:5e:c0:11:22:33"),
        ("W52P", "25.80.0.15", "Yealink W52P 25.80.0.15 80:5e:c0:11:22:33"),
        ("W56P", "", "Yealink W52P 25.81.0.60 80:5e:c0:11:22:33"),
    ],
)
def test_user_agents(model, version, user_agent):
    assert make_phone("yealink", model, mac=MAC, version=version).user_agent == user_agent


def test_the_mac_can_be_left_out_of_the_user_agent():
    phone = t27()
    off = COMMON + b"static.auto_provision.user_agent_mac.enable = 0\n"
    with_files({f"{MAC}.cfg": off}).boot(phone)
    assert phone.user_agent == "Yealink SIP-T27P 45.83.0.35"


def test_unchanged_files_are_not_applied_again():
    phone = t27()
    net = with_files({"y000000000045.cfg": COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    net.story.clear()
    net.boot(phone, until=70)
    assert net.story.count("unchanged") == 2
    assert not any(line.startswith("applied") for line in net.story)


def test_what_a_file_does_not_mention_stays():
    phone = t27()
    net = with_files({f"{MAC}.cfg": UNCLAIMED + b"account.2.user_name = 201\n"})
    net.boot(phone)
    net.files[f"{BASE}/{MAC}.cfg"] = b"#!version:1.0.0.1\naccount.1.label = %NULL%\naccount.1.password =\n"
    net.boot(phone)
    assert phone.settings["account.2.user_name"] == "201"
    assert "account.1.label" not in phone.settings
    assert phone.settings["account.1.password"] == "temporary"
    assert net.complaints == [
        f"{MAC}.cfg: account.1.password: an empty value leaves the old one in place; %NULL% resets it"
    ]


def test_a_boot_file_replaces_the_other_files():
    phone = t27()
    boot = (
        b'#!version:1.0.0.1\n# comment\ninclude:config <site.cfg>\n[T48G]include:config "other.cfg"\n'
        b'[T27P]include:config "http://files.example/mine.cfg"\ninclude:config 805ec0112233.cfg\n'
    )
    net = with_files({"y000000000000.boot": boot, "site.cfg": COMMON, f"{MAC}.cfg": CLAIMED})
    net.boot(phone)
    assert net.asked() == [
        f"GET {BASE}/{MAC}.boot 404",
        f"GET {BASE}/y000000000000.boot 200",
        f"GET {BASE}/site.cfg 200",
        "GET http://files.example/mine.cfg 404",
        f"GET {BASE}/{MAC}.cfg 200",
    ]
    assert phone.accounts[0].username == "200"


def test_overwrite_mode_returns_the_rest_to_the_factory():
    phone = t27()
    net = with_files({f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    boot = f"#!version:1.0.0.1\noverwrite_mode = 1\ninclude:config <{MAC}.cfg>\n".encode()
    net.files[f"{BASE}/{MAC}.boot"] = boot
    net.files[f"{BASE}/{MAC}.cfg"] = COMMON
    net.boot(phone)
    assert phone.accounts == ()
    assert phone.settings["lang.gui"] == "Spanish"
    assert net.complaints == []


def test_a_configuration_in_place_of_a_boot_file_is_complained_about():
    phone = t27()
    net = with_files({f"{MAC}.boot": UNCLAIMED, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert phone.accounts == ()
    assert f"{MAC}.boot:2: account.1.enable is not for a boot file" in net.complaints


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"\n" + UNCLAIMED, "the first line is not #!version:1.0.0.1 from octet 0"),
        (b"\xef\xbb\xbf" + UNCLAIMED, "the first line is not #!version:1.0.0.1 from octet 0"),
        (b"<html>404</html>", "the first line is not #!version:1.0.0.1 from octet 0"),
        (b"#!version:1.0.0.1\naccount.1.label = Jos\xe9\n", "octet 39 is not UTF-8"),
    ],
)
def test_a_file_that_is_refused_changes_nothing(body, says):
    phone = t27()
    net = with_files({f"{MAC}.cfg": body})
    net.boot(phone)
    assert phone.accounts == ()
    assert net.complaints == [f"{MAC}.cfg: refused: {says}"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("account.1.label", "is not a parameter: 'account.1.label'"),
        ("account 1 = 2", "is not a parameter: 'account 1 = 2'"),
        ("account.1.label = None", "account.1.label: the word None is a programmer's, not a phone's"),
        ("account.1.label = {{ name }}", "account.1.label: template code was left in the value"),
        ("account.1.label = a\tb", "account.1.label: the value has control characters in it"),
        ("account.1.enable = yes", "account.1.enable: 'yes' is not 0 or 1"),
        ("account.1.sip_server.1.transport_type = UDP", "'UDP' is not 0 to 3"),
        ("local_time.time_zone = CET", "'CET' is not an offset such as +1 or +5:30"),
        ("lang.gui = A\nlang.gui = B", "lang.gui stands twice; the last one wins"),
    ],
)
def test_odd_lines_are_complained_about(line, says):
    net = with_files({f"{MAC}.cfg": f"#!version:1.0.0.1\n{line}\n".encode()})
    net.boot(t27())
    assert len(net.complaints) == 1
    assert net.complaints[0].endswith(says)


def test_passwords_of_several_users_are_no_duplicates():
    lines = b"static.security.user_password = admin:a\nstatic.security.user_password = user:b\n"
    net = with_files({f"{MAC}.cfg": UNCLAIMED + lines})
    net.boot(t27())
    assert net.complaints == []


def test_each_user_keeps_a_password_of_its_own():
    phone = t27("45.80.0.1")
    lines = f"{HEAD}security.user_password = admin:1\nsecurity.user_password = user:2\n"
    with_files({f"{phone.mac}.cfg": lines.encode()}).boot(phone)
    assert phone.settings["security.user_password:admin"] == "admin:1"
    assert phone.settings["security.user_password:user"] == "user:2"


@pytest.mark.parametrize(("version", "backup"), [("45.72.0.1", ""), ("45.73.0.1", "b"), ("45.83.0.1", "b")])
def test_the_second_server_needs_a_firmware_and_a_mode(version, backup):
    account = "account.1.enable = 1\naccount.1.user_name = 200\naccount.1.sip_server_host = h\n"
    servers = "account.1.sip_server.1.address = h\naccount.1.sip_server.2.address = b\n"
    phone = t27(version)
    net = with_files({f"{phone.mac}.cfg": f"{HEAD}{account}{servers}".encode()})
    net.boot(phone)
    assert [account.backup_server for account in phone.accounts] == [""]
    mode = "account.1.fallback.redundancy_type = 1\n"
    net.files[f"{BASE}/{phone.mac}.cfg"] = f"{HEAD}{account}{servers}{mode}".encode()
    net.boot(phone)
    assert [account.backup_server for account in phone.accounts] == [backup]


def test_names_of_another_generation_are_not_known():
    net = with_files({f"{MAC}.cfg": b"#!version:1.0.0.1\nauto_provision.repeat.enable = 1\n"})
    net.boot(t27("45.83.0.35"))
    assert net.story[-1] == "rests: no periodic check is configured"
    net = with_files({f"{MAC}.cfg": b"#!version:1.0.0.1\nstatic.auto_provision.repeat.enable = 1\n"})
    net.boot(t27("45.80.0.25"))
    assert net.story[-1] == "rests: no periodic check is configured"


def test_a_server_url_moves_the_next_run_not_this_one():
    phone = t27()
    there = "http://other.example/dir"
    moved = f"#!version:1.0.0.1\nstatic.auto_provision.server.url = {there}\n".encode()
    net = with_files({"y000000000045.cfg": COMMON + moved.partition(b"\n")[2], f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert all(BASE in line for line in net.asked())
    net.options = {}
    net.story.clear()
    net.boot(phone)
    assert net.asked()[0] == f"GET {there}/{MAC}.boot 404"


def test_dhcp_goes_before_the_stored_url_and_the_stored_url_helps_when_nobody_answers():
    phone = t27()
    stored = "http://stored.example"
    phone.settings["auto_provision.server.url"] = stored
    net = MemoryWorld(options={66: BASE.encode()})
    asked: list[str] = []

    def serve(mac, ip, step):
        asked.append(step.url)
        return Failed("no route") if step.url.startswith(BASE) else NotFound()

    net.serve = serve
    net.boot(phone)
    assert asked == [f"{BASE}/{MAC}.boot"] * 3 + [
        f"{stored}/{name}" for name in (f"{MAC}.boot", "y000000000000.boot", "y000000000045.cfg", f"{MAC}.cfg")
    ]
    assert net.now == 15.0


@pytest.mark.parametrize(
    ("option66", "first"),
    [
        ("10.20.0.1", f"tftp://10.20.0.1/{MAC}.boot"),
        ("provd.example", f"tftp://provd.example/{MAC}.boot"),
        ("http://10.20.0.1:8667/", f"http://10.20.0.1:8667//{MAC}.boot"),
        ("http://10.20.0.1:8667/token", f"http://10.20.0.1:8667/token/{MAC}.boot"),
    ],
)
def test_option_66_is_a_directory_or_a_tftp_host(option66, first):
    net = MemoryWorld(options={66: option66.encode()})
    net.boot(t27())
    assert net.asked()[0] == f"GET {first} 404"
    assert net.complaints == []


@pytest.mark.parametrize(
    ("option66", "says"),
    [
        ("http://10.20.0.1/spa$PSN.cfg", "option 66: a file name stands where a directory is expected"),
        ("http://10.20.0.1/a b", "option 66: the address has blanks or control characters in it"),
        ("ftp://10.20.0.1", "option 66: this kind of URL is not simulated"),
    ],
)
def test_an_odd_option_66_is_complained_about(option66, says):
    net = MemoryWorld(options={66: option66.encode()})
    net.boot(t27())
    assert net.complaints == [says]


def test_option_43_is_believed_only_as_a_url():
    net = MemoryWorld(options={43: b"\x01\x04abcd"})
    net.boot(t27())
    assert net.asked() == []
    net = MemoryWorld(options={43: BASE.encode()})
    net.boot(t27())
    assert net.asked()[0] == f"GET {BASE}/{MAC}.boot 404"


def test_a_phone_without_an_address_keeps_asking():
    net = MemoryWorld(options={66: BASE.encode()})
    answers = [LeaseGot(net.ip, net.options, net.server), Failed("no OFFER"), Failed("no OFFER")]
    net.lease = lambda _mac, _step: answers.pop()
    net.boot(t27())
    assert net.story[:5] == ["DHCP yealink", "waits 10: no address"] * 2 + ["DHCP yealink"]


def test_new_firmware_is_installed_and_the_phone_starts_over():
    phone = t27()
    upgrade = b"static.firmware.url = http://10.20.0.1:8667/T27-45.83.0.160.rom\n"
    net = with_files({f"{MAC}.cfg": UNCLAIMED + upgrade, "T27-45.83.0.160.rom": b"image" * 100})
    net.boot(phone)
    assert phone.user_agent.startswith("Yealink SIP-T27P 45.83.0.160 ")
    assert net.asked().count(f"GET {BASE}/T27-45.83.0.160.rom 200") == 1
    assert net.asked().count(f"GET {BASE}/{MAC}.cfg 200") == 2


def test_firmware_of_another_model_is_refused():
    net = with_files({f"{MAC}.cfg": UNCLAIMED + b"static.firmware.url = http://x.example/T48-35.83.0.120.rom\n"})
    net.boot(t27())
    assert net.complaints == ["firmware.url: 35.83.0.120 is for another model"]


def test_oddities_of_the_transport_are_complaints():
    net = with_files({f"{MAC}.cfg": Fetched(UNCLAIMED, 200, ("chunked",))})
    net.boot(t27())
    assert net.complaints == [f"{MAC}.cfg: chunked"]


@pytest.mark.parametrize(
    ("version", "settings", "typed", "user"),
    [
        ("45.83.0.35", "", "*1234", "*1234"),
        ("45.83.0.35", "", "*12#34", "*12"),
        ("45.83.0.35", "features.key_as_send = 0", "*12#34", "*12%2334"),
        ("45.83.0.35", "features.key_as_send = 0\nsip.use_23_as_pound = 0", "12#", "12#"),
        ("45.83.0.35", "features.key_as_send = 2", "*1234", ""),
        ("45.72.0.35", "features.pound_key.mode = 0", "12#", "12%23"),
    ],
)
def test_what_is_dialed_when_a_code_is_typed(version, settings, typed, user):
    phone = t27(version)
    with_files({f"{MAC}.cfg": UNCLAIMED + settings.encode() + b"\n"}).boot(phone)
    assert phone.dial(typed).user == user


def test_a_phone_without_an_account_dials_nothing():
    assert t27().dial("123").why == "no account"


ENCRYPTED = base64.b64decode("IuiLGFIckVXHiDnXrIwcRGSy7t1ckCzSSXpQS5+nOSbZr3Vw/0Ria1r7h6tmpxTL")
"""``account.1.enable = 1`` under the key 0123456789abcdef, as another open tool encrypts it."""


@pytest.mark.parametrize(
    ("model", "name", "key", "read"),
    [
        ("T27P", "aes_key_16.mac", "0123456789abcdef", True),
        ("T27P", "aes_key_16.com", "0123456789abcdef", True),
        ("T27P", "aes_key_16.mac", "0123456789abcdeX", False),
        ("T27P", "aes_key_16.mac", "", False),
    ],
)
def test_an_encrypted_file_is_read_with_the_key_that_the_phone_has(model, name, key, read):
    phone = make_phone("yealink", model, mac=MAC)
    phone.settings[f"auto_provision.{name}"] = key
    net = with_files({f"{MAC}.cfg": ENCRYPTED})
    net.boot(phone)
    assert (phone.settings.get("account.1.enable") == "1") is read
    assert bool(net.complaints) is not read


def test_what_is_no_image_is_not_installed():
    upgrade = b"static.firmware.url = http://10.20.0.1:8667/T27-45.83.0.160.rom\n"
    for octets, reason in (
        (b"x", "1 octets are no image"),
        (b"<html>not found</html>" * 20, "it is a text and no image"),
    ):
        phone = t27()
        net = with_files({f"{MAC}.cfg": UNCLAIMED + upgrade, "T27-45.83.0.160.rom": octets})
        net.boot(phone)
        assert phone.user_agent.startswith("Yealink SIP-T27P 45.83.0.35 ")
        assert net.complaints == [f"firmware.url: {reason}"]
