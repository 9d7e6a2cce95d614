"""What becomes of digits typed on a multiplatform phone: star codes first, then the dial plan of the line."""

from __future__ import annotations

import re
from collections.abc import Mapping

from provd.plugin.dial_plan import dialed
from provd.plugin.phone import Dialed

STOCK_DIAL_PLAN = "(*xx|[3469]11|0|00|[2-9]xxxxxx|1xxx[2-9]xxxxxxS0|xxxxxxxxxxxx.)"

STAR_CODES = {
    "Call_Return_Code": "*69",
    "Blind_Transfer_Code": "*95",
    "Cfwd_All_Act_Code": "*72",
    "Cfwd_All_Deact_Code": "*73",
    "Cfwd_Busy_Act_Code": "*90",
    "Cfwd_Busy_Deact_Code": "*91",
    "Cfwd_No_Ans_Act_Code": "*92",
    "Cfwd_No_Ans_Deact_Code": "*93",
    "CW_Act_Code": "*56",
    "CW_Deact_Code": "*57",
    "CW_Per_Call_Act_Code": "*71",
    "CW_Per_Call_Deact_Code": "*70",
    "Block_CID_Act_Code": "*61",
    "Block_CID_Deact_Code": "*62",
    "Block_CID_Per_Call_Act_Code": "*81",
    "Block_CID_Per_Call_Deact_Code": "*82",
    "Block_ANC_Act_Code": "*77",
    "Block_ANC_Deact_Code": "*87",
    "DND_Act_Code": "*78",
    "DND_Deact_Code": "*79",
    "Secure_All_Call_Act_Code": "*16",
    "Secure_No_Call_Act_Code": "*17",
    "Secure_One_Call_Act_Code": "*18",
    "Secure_One_Call_Deact_Code": "*19",
    "Paging_Code": "*96",
    "Call_Park_Code": "*38",
    "Call_Pickup_Code": "*36",
    "Call_Unpark_Code": "*39",
    "Group_Call_Pickup_Code": "*37",
    "Prefer_G711u_Code": "*017110",
    "Force_G711u_Code": "*027110",
    "Prefer_G711a_Code": "*017111",
    "Force_G711a_Code": "*027111",
    "Prefer_G722_Code": "*01722",
    "Force_G722_Code": "*02722",
    "Prefer_G722.2_Code": "*01724",
    "Force_G722.2_Code": "*02724",
    "Prefer_G729a_Code": "*01729",
    "Force_G729a_Code": "*02729",
    "Prefer_iLBC_Code": "*01016",
    "Force_iLBC_Code": "*02016",
    "Prefer_ISAC_Code": "*01026",
    "Force_ISAC_Code": "*02026",
    "Prefer_OPUS_Code": "*01056",
    "Force_OPUS_Code": "*02056",
}
"""The vertical service codes of the factory."""

_ADDRESS = re.compile(r"\d{1,3}(?:\*\d{1,3}){3}", re.ASCII)


def dial(digits: str, settings: Mapping[str, str], line: int) -> Dialed:
    """What the phone does with the digits on that line."""
    for name, stock in STAR_CODES.items():
        code = settings.get(name, stock)
        if code and digits.startswith(code):
            return Dialed("", f"taken by {name} {code}")
    if settings.get(f"Enable_URI_Dialing_{line}_", "Yes") == "Yes" and _ADDRESS.fullmatch(digits):
        return Dialed("", "taken for an address (Enable_URI_Dialing)")
    return dialed(digits, settings.get(f"Dial_Plan_{line}_", STOCK_DIAL_PLAN))
