from __future__ import annotations

import gzip

import pytest

from provd.plugin.phone import Account, Dialed, Failed, Fetched
from provd.simulate.memory import MemoryWorld
from tests.kit.phones import SPA_MODELS, make_phone

MAC = "e0d173aabbcc"
BASE = "http://10.20.0.1:8667"


def profile(elements: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<flat-profile>\n{elements}\n</flat-profile>\n'.encode()


COMMON = profile(f"""\
  <Resync_Random_Delay ua="na">1</Resync_Random_Delay>
  <Resync_Periodic ua="na">60</Resync_Periodic>
  <Resync_Error_Retry_Delay>60</Resync_Error_Retry_Delay>
  <Profile_Rule_B>{BASE}/$MA.cfg</Profile_Rule_B>
  <SPCP_Auto-detect>No</SPCP_Auto-detect>""")
UNCLAIMED = profile(f"""\
  <User_ID_1_>ap{MAC}</User_ID_1_>
  <Password_1_>temporary</Password_1_>
  <Use_Auth_ID_1_>Yes</Use_Auth_ID_1_>
  <Auth_ID_1_>ap{MAC}</Auth_ID_1_>
  <Proxy_1_>10.20.0.1:5060</Proxy_1_>
  <Display_Name_1_>Dial your code</Display_Name_1_>
  <Line_Enable_2_>No</Line_Enable_2_>""")
CLAIMED = UNCLAIMED.replace(b"ap" + MAC.encode(), b"200").replace(b"Dial your code", b"Anna &amp; Bo")


def lan(files: dict[str, bytes | Fetched], option66: str = f"{BASE}/spa$PSN.cfg") -> MemoryWorld:
    named = {name if "://" in name else f"{BASE}/{name}": body for name, body in files.items()}
    return MemoryWorld(options={66: option66.encode()}, files=dict(named))


def spa(model: str = "SPA504G", version: str = ""):
    return make_phone("cisco_spa", model, mac=MAC, version=version)


def test_a_whole_first_boot_with_the_restart_it_causes():
    phone = spa()
    net = lan({"spa504G.cfg": COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    waits = [line for line in net.story if line.startswith("waits")]
    assert [line for line in net.story if line not in waits] == [
        "DHCP Cisco SPA504G",
        f"GET {BASE}/spa504G.cfg 200",
        f"GET {BASE}/{MAC}.cfg 200",
        "restart: 12 settings changed",
        "DHCP Cisco SPA504G",
        f"GET {BASE}/spa504G.cfg 200",
        f"GET {BASE}/{MAC}.cfg 200",
        f"accounts: ap{MAC}",
        "rests: periodic resync",
    ]
    assert phone.accounts == (Account(1, f"ap{MAC}", "temporary", "10.20.0.1", 5060, f"ap{MAC}", "Dial your code", ""),)
    assert net.complaints == []


@pytest.mark.parametrize("model", SPA_MODELS, ids=lambda model: model.name)
def test_every_model_boots_and_is_claimed_later(model):
    phone = spa(model.name)
    net = lan({model.common[0]: COMMON, f"{MAC}.cfg": UNCLAIMED})
    net.boot(phone)
    assert [account.username for account in phone.accounts] == [f"ap{MAC}"]
    net.files[f"{BASE}/{MAC}.cfg"] = CLAIMED
    net.boot(phone, until=130)
    assert [(account.username, account.display_name) for account in phone.accounts] == [("200", "Anna & Bo")]
    assert net.complaints == []


@pytest.mark.parametrize(
    ("model", "version", "user_agent"),
    [
        ("SPA504G", "7.4.9c", "Cisco/SPA504G-7.4.9c (E0D173AABBCC)(CCQ73AABBCC)"),
        ("SPA525G2", "", "Cisco/SPA525G2-7.5.5 (CCQ73AABBCC)"),
    ],
)
def test_user_agents(model, version, user_agent):
    assert spa(model, version).user_agent == user_agent


@pytest.mark.parametrize(
    ("options", "first"),
    [
        ({66: b"10.20.0.1"}, "tftp://10.20.0.1//spa504G.cfg"),
        ({66: b"http://10.20.0.1:8667/t/spa$PSN.cfg?mac=$MA"}, f"{BASE}/t/spa504G.cfg?mac={MAC}"),
        ({160: b"http://b.example/x.cfg", 159: b"http://c.example/x.cfg"}, "http://b.example/x.cfg"),
        ({159: b"http://c.example/x.cfg", 150: b"\x0a\x14\0\1"}, "http://c.example/x.cfg"),
        ({150: b"\x0a\x14\0\1\x0a\x14\0\2"}, "tftp://10.20.0.1//spa504G.cfg"),
        ({66: b"tftp://10.20.0.1/spa.cfg\0"}, "tftp://10.20.0.1//spa.cfg"),
    ],
)
def test_where_the_first_request_goes(options, first):
    net = MemoryWorld(options=options)
    net.boot(spa(), until=60)
    assert net.asked()[0] == f"GET {first} 404"
    assert net.complaints == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({66: b"http://10.20.0.1:8667"}, "option 66: a URL without a file"),
        ({66: b"not a host"}, "option 66 is neither a host nor a URL"),
        ({150: b"\x0a\x14\0"}, "option 150 has 3 octets"),
    ],
)
def test_odd_options_are_complained_about(options, says):
    net = MemoryWorld(options=options)
    net.boot(spa(), until=60)
    assert net.complaints
    assert says in net.complaints[0]


def test_without_any_option_it_looks_for_another_familys_files():
    net = MemoryWorld(options={})
    net.boot(spa(), until=60)
    names = [line.split()[1] for line in net.asked()]
    assert names == ["tftp://10.20.0.1/SEPE0D173AABBCC.cnf.xml", "tftp://10.20.0.1/XMLDefault.cnf.xml"]


def test_one_404_silences_the_phone_for_the_retry_delay():
    phone = spa()
    net = lan({"spa504G.cfg": COMMON})
    net.files.clear()
    net.boot(phone, until=600)
    assert len(net.asked()) == 1
    assert net.story[-2:] == ["accounts: none", "rests: retry after a failed resync"]
    assert phone.settings["Resync_Error_Retry_Delay"] == "3600"


def test_the_retry_delay_of_the_profile_is_used_once_there_was_one():
    phone = spa()
    net = lan({"spa504G.cfg": COMMON})
    net.boot(phone, until=300)
    assert net.asked().count(f"GET {BASE}/{MAC}.cfg 404") >= 3
    assert "waits 60: retry after a failed resync" in net.story


def test_a_missing_file_is_no_failure_when_the_profile_says_so():
    phone = spa()
    common = COMMON.replace(b"</flat-profile>", b"<Resync_Fails_On_FNF>No</Resync_Fails_On_FNF></flat-profile>")
    net = lan({"spa504G.cfg": common})
    net.boot(phone)
    assert net.story[-1] == "rests: periodic resync"


def test_rules_are_followed_in_order_up_to_the_first_failure():
    common = profile(f"""
        <Profile_Rule_B>{BASE}/b.cfg</Profile_Rule_B>
        <Profile_Rule_C>{BASE}/c.cfg</Profile_Rule_C>
        <Profile_Rule_D>{BASE}/d.cfg</Profile_Rule_D>""")
    net = lan({"spa504G.cfg": common, "b.cfg": profile(""), "d.cfg": profile("")})
    net.boot(spa(), until=100)
    names = [line.split()[1].rpartition("/")[2] for line in net.asked()]
    assert names[:4] == ["spa504G.cfg", "b.cfg", "c.cfg", "spa504G.cfg"]
    assert "d.cfg" not in names


@pytest.mark.parametrize(
    ("rule", "asked"),
    [
        (
            "http://h/$MAU-$MAC-$PN-$PSN-$SN.cfg",
            ["http://h/E0D173AABBCC-e0:d1:73:aa:bb:cc-SPA504G-504G-CCQ73AABBCC.cfg"],
        ),
        ("http://h/$(MA:6:6)$$.cfg", ["http://h/aabbcc$.cfg"]),
        ("$SCHEME://$SERV:$PORT/x/$MA.xml", [f"{BASE}/x/{MAC}.xml"]),
        ("http://h/$A/$SB.cfg", ["http://h/alpha/secret.cfg"]),
        ("http://h/a.cfg | http://h/b.cfg", ["http://h/a.cfg", "http://h/b.cfg"]),
        ("($SWVER lt 7.5.2b)? http://h/old.cfg | http://h/new.cfg", ["http://h/new.cfg"]),
        ("($SWVER >= 7.5.5)? http://h/new.cfg", ["http://h/new.cfg"]),
        ('("$PSN" == "504G")? [--uid u --pwd "a|b"] http://h/p.cfg', ["http://h/p.cfg"]),
        ("tftp://h:6900/x.cfg", ["tftp://h:6900//x.cfg"]),
        ("10.0.0.9/x.cfg", ["tftp://10.0.0.9//x.cfg"]),
        ("/other/$MA.cfg", [f"{BASE}/other/{MAC}.cfg"]),
    ],
)
def test_the_grammar_of_rules(rule, asked):
    phone = spa()
    phone.settings |= {"Profile_Rule": rule, "GPP_A": "alpha", "GPP_SB": "secret"}
    net = lan({})
    net.boot(phone, until=60)
    assert [line.split()[1] for line in net.asked()] == asked
    assert net.complaints == []


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("http://h/$ZZ.cfg", "a $ that begins no known macro"),
        ("http://h/$(NOPE).cfg", "the macro $NOPE is not known"),
        ("($SWVER about 7)? http://h/x.cfg", "is not understood"),
        ("[--gzip] http://h/x.cfg", "the option --gzip is not known"),
        ("http://h/a b.cfg", "a blank in the URL"),
    ],
)
def test_odd_rules_are_complained_about(rule, says):
    phone = spa()
    phone.settings["Profile_Rule"] = rule
    net = lan({})
    net.boot(phone, until=60)
    assert says in net.complaints[0]


def test_credentials_of_a_rule_are_sent():
    phone = spa()
    phone.settings["Profile_Rule"] = "[--uid anna --pwd secret] http://h/x.cfg"
    headers: list[str] = []

    def serve(mac, ip, step):
        headers.append(step.headers["Authorization"])
        return Failed("403")

    MemoryWorld(options={66: b"h"}, serve=serve).boot(phone, until=60)
    assert headers[0] == "Basic YW5uYTpzZWNyZXQ="


def test_settings_that_are_not_mentioned_stay_and_empty_elements_reset():
    phone = spa()
    account = "<User_ID_1_>200</User_ID_1_><Display_Name_1_>Anna</Display_Name_1_><Proxy_1_>h</Proxy_1_>"
    first = profile(f"{account}<A>1</A><A>2</A>")
    net = lan({"spa504G.cfg": first})
    net.boot(phone)
    assert phone.settings["A"] == "2"
    net.files[f"{BASE}/spa504G.cfg"] = profile("<User_ID_1_/><Display_Name_1_></Display_Name_1_>")
    net.boot(phone)
    assert phone.accounts == (Account(1, "200", "", "h"),)


@pytest.mark.parametrize(
    ("proxy", "srv", "server", "port", "backup"),
    [
        ("h:5062", "No", "h", 5062, ""),
        ("h:SRV=h:5060:p=0|b:5070:p=1", "Yes", "h", 5060, "b"),
        ("h:SRV=b:5070:p=1|h:5060:p=0", "Yes", "h", 5060, "b"),
        ("h:SRV=h:5060:p=0", "Yes", "h", 5060, ""),
        ("h:SRV=h:5060:p=0|b:5070:p=1", "No", "", 0, ""),
    ],
)
def test_a_proxy_may_bring_its_own_srv_records(proxy, srv, server, port, backup):
    phone = spa()
    body = f"<User_ID_1_>200</User_ID_1_><Proxy_1_>{proxy}</Proxy_1_><Use_DNS_SRV_1_>{srv}</Use_DNS_SRV_1_>"
    lan({"spa504G.cfg": profile(body)}).boot(phone)
    [account] = phone.accounts
    assert (account.server, account.port, account.backup_server) == (server, port, backup)


def test_digits_and_stars_may_be_an_address():
    phone = spa()
    account = "<User_ID_1_>200</User_ID_1_><Proxy_1_>h</Proxy_1_><Dial_Plan_1_>([x*#].)</Dial_Plan_1_>"
    lan({"spa504G.cfg": profile(account)}).boot(phone)
    assert phone.dial("12*34*56*78") == Dialed("", "taken for an IP address (Enable_IP_Dialing)")
    lan({"spa504G.cfg": profile(f"{account}<Enable_IP_Dialing_1_>No</Enable_IP_Dialing_1_>")}).boot(phone)
    assert phone.dial("12*34*56*78").user == "12*34*56*78"


def test_lines_that_are_off_or_beyond_the_model_have_no_account():
    phone = spa("SPA502G")
    lines = "".join(f"<User_ID_{n}_>20{n}</User_ID_{n}_><Proxy_{n}_>h:5062</Proxy_{n}_>" for n in (1, 2))
    lan({"spa502G.cfg": profile(lines)}).boot(phone)
    assert [(account.username, account.port) for account in phone.accounts] == [("201", 5062)]
    lan({"spa502G.cfg": profile("<Register_1_>No</Register_1_>")}).boot(phone)
    assert phone.accounts == ()


def test_a_compressed_profile_is_told_by_its_content():
    phone = spa()
    lan({"spa504G.cfg": gzip.compress(COMMON)}).boot(phone, until=100)
    assert phone.settings["Resync_Periodic"] == "60"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "<flat-profile> is not closed"),
        (b"<html><body>404</body></html>", "the root element is <html>, not <flat-profile>"),
        (profile("<A>Anna & Bo</A>"), "an & that begins no known entity: '& Bo'"),
        (profile("<A>&#233;</A>"), "an & that begins no known entity"),
        (profile("<A>1 < 2</A>"), "a stray <"),
        (profile("<A><B>1</B></A>"), "<B> inside <A>: a flat profile has one level"),
        (profile("<A>1</B>"), "</B> closes nothing that is open"),
        (profile("stray"), "text outside of an element: 'stray'"),
        (profile("<A>1")[:-17], "is not closed"),
        (profile("") + profile(""), "the root element is <flat-profile>"),
        (profile("<A>\xe9</A>").decode().encode("latin-1"), "is not UTF-8"),
        (b"Salted__12345678", "encrypted"),
        (gzip.compress(COMMON)[:-9], "cut short"),
        (b"\x1f\x8bnoise-noise", "damaged gzip"),
    ],
)
def test_a_broken_profile_counts_as_a_failed_resync(body, says):
    phone = spa()
    net = lan({"spa504G.cfg": body})
    net.boot(phone, until=100)
    assert says in net.complaints[0]
    assert net.story[-1] == "rests: retry after a failed resync"


@pytest.mark.parametrize(
    ("element", "says"),
    [
        ("<Register_1_>1</Register_1_>", "Register_1_: '1' is neither Yes nor No"),
        ("<Resync_Periodic>soon</Resync_Periodic>", "Resync_Periodic: 'soon' is not a number"),
        ("<Resync_Error_Retry_Delay>0</Resync_Error_Retry_Delay>", "0 means at once in one guide"),
        ("<resync_periodic>60</resync_periodic>", "names are case-sensitive: Resync_Periodic"),
        ("<Display_Name_1_>None</Display_Name_1_>", "the word None is a programmer's"),
        ("<Display_Name_1_>{{ name }}</Display_Name_1_>", "template code was left"),
    ],
)
def test_odd_values_are_complained_about(element, says):
    net = lan({"spa504G.cfg": profile(element)})
    net.boot(spa(), until=60)
    assert says in net.complaints[0]


def test_comments_white_space_and_line_breaks_in_values():
    phone = spa()
    lan({"spa504G.cfg": profile("<!-- <A>no</A> --><A ua='rw'>\n  one\ntwo </A>")}).boot(phone)
    assert phone.settings["A"] == "one two"


def test_the_random_delay_counts_in_steps_of_twenty_seconds():
    waits = []
    for seed in range(20):
        net = lan({"spa504G.cfg": profile("")})
        net.boot(make_phone("cisco_spa", "SPA504G", mac=MAC, seed=seed), until=60)
        waits += [float(line.split()[1][:-1]) for line in net.story if "random delay" in line]
    assert 0 <= min(waits) < 20 < max(waits) <= 40


def test_a_daily_resync_replaces_the_periodic_one():
    phone = spa()
    daily = "<Resync_Periodic>0</Resync_Periodic><Resync_At__HHmm_>0300</Resync_At__HHmm_>"
    net = lan({"spa504G.cfg": profile(daily)})
    net.boot(phone)
    assert net.story[-1] == "rests: resync at 0300"


def test_no_provisioning_at_all_when_it_is_switched_off():
    phone = spa()
    phone.settings["Provision_Enable"] = "No"
    net = lan({"spa504G.cfg": COMMON})
    net.boot(phone)
    assert net.asked() == []


def test_oddities_of_the_transport_are_complaints():
    net = lan({"spa504G.cfg": Fetched(profile(""), 200, ("chunked",))})
    net.boot(spa())
    assert net.complaints == ["Profile_Rule: chunked"]


ANY = "<Dial_Plan_1_>([x*#].)</Dial_Plan_1_>"


@pytest.mark.parametrize(
    ("elements", "typed", "user", "why"),
    [
        ("", "*1234", "", "no sequence of the dial plan"),
        ("", "*38123", "", "taken by Call_Park_Code *38"),
        (ANY, "*38123", "", "taken by Call_Park_Code *38"),
        (ANY + "<Call_Park_Code></Call_Park_Code>", "*38123", "*38123", "by [x*#]."),
        (ANY + "<Call_Park_Code/>", "*38123", "", "taken by Call_Park_Code *38"),
        (ANY, "*1234#", "*1234#", "by [x*#]."),
        ("", "12125551234", "12125551234", "by 1xxx[2-9]xxxxxxS0"),
        ("<Dial_Plan_1_>(&lt;9:&gt;xx.|0!)</Dial_Plan_1_>", "9123", "123", "by <9:>xx."),
        ("<Dial_Plan_1_>(&lt;9:&gt;xx.|0!)</Dial_Plan_1_>", "0", "", "barred by 0!"),
        ("<Dial_Plan_1_>(what)</Dial_Plan_1_>", "0", "", "no sequence"),
    ],
)
def test_what_is_dialed_when_a_code_is_typed(elements, typed, user, why):
    phone = spa()
    lan({"spa504G.cfg": profile(f"<User_ID_1_>200</User_ID_1_><Proxy_1_>h</Proxy_1_>{elements}")}).boot(phone)
    dialed = phone.dial(typed)
    assert dialed.user == user
    assert why in dialed.why


def test_a_phone_without_an_account_dials_nothing():
    assert spa().dial("123").why == "no account"
