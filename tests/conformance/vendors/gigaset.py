import re
from xml.etree import ElementTree as ET

from tests.conformance.vendors import BERLIN, MADRID, MARK, NEW_YORK, Kind, Pairs, Vendor


def of_a_base(body: bytes) -> Pairs:
    """Parameters by name, or symbols of a provider's frame whose texts stand between quotation marks."""
    assert body.startswith(b'<?xml version="1.0" encoding="UTF-8"?>\n<'), body[:60]
    assert b"\n\n" not in body
    root = ET.fromstring(body)
    (part,) = root
    pairs = []
    for element in part:
        assert (element.tail or "").strip() == ""
        if root.tag == "provisioning":
            assert (root.get("version"), root.get("productID"), part.tag) == ("1.1", "e2", "nvm")
            assert element.tag in {"param", "oper"}
            if element.tag == "param":
                pairs.append((element.attrib["name"], element.attrib["value"]))
        else:
            assert (root.tag, part.tag) == ("ProviderFrame", "Provider")
            value = element.attrib["value"]
            if element.tag in {"MAC_ADDRESS", "PROFILE_NAME"}:
                continue
            if value.startswith('"'):
                assert re.fullmatch(r'"[^"]*"', value), value
                value = value[1:-1]
            else:
                assert re.fullmatch(r"0x[0-9a-f]+(,0x[0-9a-f]+)*", value), value
            pairs.append((element.get("ID", element.tag), value))
    return pairs


def no_quotes_within(name: str, marked: str, text: str) -> str:
    framed = name.startswith("BS_")
    return marked.replace(MARK, text.replace('"', "'") if framed else text)


VENDOR = Vendor(
    parse=of_a_base,
    first=b"<?xml ",
    enabled=(
        "BS_IP_Data1.aucS_SIP_REGISTRAR",
        "BS_VOIP_Data.astVoipAccounts[0].aucS_SIP_USER_ID[0]",
        "SipAccount.00001.UserName",
    ),
    private=("passw", "account"),
    phones=(
        Kind("N870 IP PRO", "2.49.1", MADRID, "7c2f800a0001"),
        Kind("N510 IP PRO", "42.258", BERLIN, "7c2f800a0002"),
    ),
    generations=(Kind("N720 DM PRO", "", NEW_YORK, "7c2f800a0003"),),
    full=("N870 IP PRO", "N510 IP PRO"),
    clock="N870 IP PRO",
    places=True,
    texts=("N870 IP PRO", "N510 IP PRO"),
    meant=no_quotes_within,
    never_again=("N870 IP PRO", "N510 IP PRO"),
)
