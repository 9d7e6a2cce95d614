from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, MADRID, NEW_YORK, Kind, Pairs, Vendor

ACCOUNT = (
    *("index", "status", "register", "account_id", "username", "authname", "password", "line_label", "caller_id"),
    *(
        "dial_plan",
        "visual_voicemail",
        "voicemail",
        "needMwiSubscription",
        "outbound_proxy",
        "outbound_port",
        "conflict",
    ),
)
HOST = ["server", "port", "transport", "reregister", "retry", "num_retries"]
PARTS = ("setting", "accounts", "codecs", "contacts", "smart_blf", "firmwares")


def config(body: bytes) -> Pairs:
    """Settings by id, the rest by place; an account that is off has nothing else. A sheet has what its keys have."""
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<'), body[:60]
    root = ET.fromstring(body)
    if root.tag == "phonebooks" or root.find("smart_blf/blf_items/blf_item") is not None:
        return [(each.tag, " ".join(f"{key}={value}" for key, value in each.items())) for each in root.iter()]
    assert root.tag == "config"
    assert {each.tag for each in root} <= {*PARTS}
    pairs = []
    for setting in root.findall("setting"):
        assert {*setting.attrib} <= {"id", "value", "path", "url"}
        name = setting.attrib.pop("id")
        pairs += [(name if key == "value" else f"{name} {key}", value) for key, value in setting.items()]
    for n, account in enumerate(root.findall("accounts/account")):
        assert account.get("index") == str(n)
        assert {*account.attrib} <= {*ACCOUNT}
        pairs += [(f"account{n} {name}", account.get(name, "")) for name in ACCOUNT]
        assert {each.tag for each in account} <= {"host_primary", "host_alternate", "permission"}
        for tag in ("host_primary", "host_alternate"):
            host = account.find(tag)
            assert host is None or {*host.attrib} == {*HOST}
            pairs += [(f"account{n} {tag} {name}", "" if host is None else host.get(name, "")) for name in HOST]
    codecs = root.findall("codecs/codec")
    priorities = [int(codec.get("priority", "")) for codec in codecs]
    assert priorities == sorted(set(priorities), reverse=True)
    assert min(priorities) > 0
    pairs += [(f"codec {codec.get('id')}", codec.get("enabled", "")) for codec in codecs]
    pairs += [(f"contacts {each.get('id')}", each.get("url", "")) for each in root.findall("contacts")]
    pairs += [("blf_items", each.get("url", "")) for each in root.findall("smart_blf/blf_items")]
    return pairs + [("firmware", " ".join(each.attrib.values())) for each in root.findall("firmwares/firmware")]


VENDOR = Vendor(
    parse=config,
    first=b"<?xml ",
    enabled=("account0 status",),
    private=("password", "<account"),
    phones=(
        Kind("D65", "2_9_26", MADRID, "000fd30a0001"),
        Kind("D70", "", NEW_YORK, "000fd30a0002"),
        Kind("D50", "1_4_0_0", BERLIN, "000fd30a0003"),
    ),
    full=("D65", "D70"),
    sheets=("{mac}-contacts.xml", "{mac}-smartblf.xml"),
    clock="D70",
    texts=("D65",),
    orders=("contacts phonebook",),
    odd="stunaddr",
    grammar=("firmware.url",),  # the version is read from the name of the image
    free={"vendor.digium.ehs": "old-ehs"},
)
