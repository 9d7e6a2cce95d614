"""The numbers by which devices and instances are told what is wrong, and what each of them is over HTTP."""

from __future__ import annotations

import enum

from provd.base.errors import ProvdError


class Code(enum.IntEnum):
    """One number, one meaning."""

    OK = 1200

    # a query
    DEVICE_MISSING = 1003
    VIN = 13101
    SYSTEM_UNKNOWN = 13103
    REGION_API = 13105
    DEVICE_DIFFERS = 13108
    NOT_REGISTERED = 13111
    SYSTEM_DIFFERS = 13112
    PROPERTY_BAG = 13114
    TYPE = 13115
    BODY = 13118
    DUPLICATE = 13125
    ENCODING_MISSING = 13126
    ENCODING = 13127
    MANDATORY = 13129
    HEADER_DIFFERS = 13130

    # provisioning
    JSON = 13113
    SUB_SYSTEM = 13116
    VEHICLE_INFO = 13117
    REGION_MISSING = 13119
    REGION_WRONG = 13120
    CHIPSET_COUNT = 13121
    FIELD = 13122
    NOT_FOUND = 13123
    ALREADY = 13124
    VIN_DUPLICATE = 13128

    # registration
    TOO_MANY = 13002
    CREATION = 13008
    THROTTLED = 13009
    CALL_BACK = 13010
    DELETION = 13012
    EXISTS = 13020

    # the platform
    REGION_UNKNOWN = 6100
    DUPLICATE_VIN = 6110

    # onboarding
    COUNT_MISMATCH = 11008
    NONCE = 11019
    NONCE_TIMEOUT = 11100


_STATUS = {
    Code.OK: 200,
    Code.NOT_REGISTERED: 404,
    Code.NOT_FOUND: 404,
    Code.SYSTEM_UNKNOWN: 404,
    Code.REGION_UNKNOWN: 404,
    Code.ALREADY: 409,
    Code.DUPLICATE: 409,
    Code.VIN_DUPLICATE: 409,
    Code.DUPLICATE_VIN: 409,
    Code.EXISTS: 409,
    Code.REGION_API: 502,
    Code.CALL_BACK: 502,
    Code.THROTTLED: 429,
    Code.TOO_MANY: 413,
}


def status_of(code: Code) -> int:
    """The HTTP status that goes with a number; 400 for what is wrong with a message."""
    return _STATUS.get(code, 400)


class Wrong(ProvdError):  # noqa: N818 - it is an answer on its way to a device
    """A message that is not carried out: the number and, for people, why."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code = code
