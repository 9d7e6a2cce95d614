"""JSON Schema (2020-12, as OpenAPI 3.1 uses it) from what the operations and collections say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from provd.app.admin import Param
from provd.app.admin.listing import Column
from provd.app.admin.params import LONGEST_KEY
from provd.domain.settings import KNOWN, NUMBERED
from provd.domain.vocabulary import Setting

Schema = dict[str, Any]

_LONGEST = 255
_ID = "^[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
_KEY = "^(?:[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?:)?[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?$"
_MAC = "^[0-9A-Fa-f]{2}([:-]?[0-9A-Fa-f]{2}){5}$|^([0-9A-Fa-f]{4}\\.){2}[0-9A-Fa-f]{4}$"
_TEXT: Schema = {"type": "string", "maxLength": _LONGEST}
_KINDS: Mapping[str, Schema] = {
    "text": _TEXT,
    "secret": {**_TEXT, "description": "`***` stands for the one that is there already"},
    "id": {"type": "string", "pattern": _ID},
    "key": {"type": "string", "pattern": _KEY},
    "mac": {"type": "string", "pattern": _MAC, "examples": ["80:5e:c0:11:22:33"]},
    "device": {"type": "string", "maxLength": LONGEST_KEY, "examples": ["805ec0112233", "acme~sensor-2~S0001"]},
    "ip": {"type": "string", "format": "ipv4"},
    "number": {"type": ["integer", "string"], "minimum": 0, "maximum": 999_999_999, "pattern": "^[0-9]{1,9}$"},
    "duration": {"type": ["string", "integer"], "minimum": 0, "examples": ["15m", "7d"]},
    "flag": {"type": "boolean"},
    "octets": {"type": "string", "contentEncoding": "base64"},
    "document": {"type": "string"},
    "texts": {"type": ["array", "string"], "items": _TEXT, "maxLength": _LONGEST},
    "objects": {"type": "array", "items": {"type": "object"}},
    "settings": {"$ref": "#/components/schemas/Settings"},
}
_TYPES: Mapping[str, list[str]] = {
    "text": ["string", "null"],
    "secret": ["string", "null"],
    "number": ["integer", "string", "null"],
    "flag": ["boolean", "string", "null"],
    "list": ["array", "string", "null"],
}
_COLUMNS: Mapping[str, Schema] = {
    "text": {"type": ["string", "null"]},
    "number": {"type": "integer"},
    "time": {"type": ["string", "null"], "format": "date-time"},
    "flag": {"type": "boolean"},
    "texts": {"type": "array", "items": {"type": "string"}},
}


def settings() -> Schema:
    """Settings by their dotted names; null removes what a weaker level sets."""
    numbered = {f"^{_numbered(name)}$": of_setting(setting) for name, setting in NUMBERED.items()}
    removed = {"type": "null", "description": "removes everything that begins so"}
    free = {"type": ["string", "null"], "maxLength": _LONGEST, "description": "a parameter of the vendor, as it is"}
    return {
        "type": "object",
        "description": "Settings by name. null removes what a weaker level sets; `***` stands for a secret.",
        "properties": {name: of_setting(setting) for name, setting in KNOWN.items()},
        "patternProperties": {
            **numbered,
            "^(?:keys|handsets|modules)(?:\\.[1-9][0-9]{0,2})?$": removed,
            "^modules\\.[1-9][0-9]{0,2}\\.keys(?:\\.[1-9][0-9]{0,2})?$": removed,
            "^vendor\\.[a-z][a-z0-9_]+\\.[A-Za-z0-9_.-]+$": free,
            "^vendor\\.[a-z][a-z0-9_]+$": removed,
        },
        "additionalProperties": False,
    }


def _numbered(name: str) -> str:
    return name.replace(".", "\\.").replace("N", "[1-9][0-9]{0,2}")


def of_setting(setting: Setting) -> Schema:
    """The values of one setting. Numbers, flags and lists may come as text too."""
    form = setting.form
    schema: Schema = {"type": _TYPES[setting.kind], "description": setting.doc}
    if setting.kind == "number":
        return {**schema, "minimum": form.low, "maximum": form.high}
    if setting.kind == "text" and form.choices:
        return {**schema, "enum": [*form.choices, None]}
    if setting.kind in {"text", "secret"} and form.high is not None:
        return {**schema, "maxLength": form.high}
    return schema


def of_param(param: Param) -> Schema:
    """The values of a parameter."""
    schema = dict(_KINDS[param.kind])
    return {**schema, "description": param.doc} if param.doc and "$ref" not in schema else schema


def of_body(params: Iterable[Param], ignored: Iterable[str] = ()) -> Schema:
    """The object that holds these parameters."""
    known = list(params)
    properties = {param.name: of_param(param) for param in known}
    properties |= {
        name: {"readOnly": True, "description": "may be sent back; means nothing"} for name in sorted(ignored)
    }
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    required = [param.name for param in known if param.required]
    return {**schema, "required": required} if required else schema


def of_item(columns: Iterable[Column[Any]], **more: Schema) -> Schema:
    """An item of a list. All members are there, unless ``fields`` names only some."""
    properties = {column.name: dict(_COLUMNS[column.kind]) for column in columns} | more
    return {"type": "object", "properties": properties, "additionalProperties": False}


def of_page(item: Schema) -> Schema:
    """A page of a list."""
    return {
        "type": "object",
        "required": ["items", "next", "total"],
        "additionalProperties": False,
        "properties": {
            "items": {"type": "array", "items": item},
            "next": {"type": ["string", "null"], "description": "the cursor to go on with; null at the end"},
            "total": {"type": "integer", "description": "how many items the filters leave, on all pages together"},
        },
    }


def of_object(required: Iterable[str] = (), **properties: Schema) -> Schema:
    """An object with these members."""
    schema: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
    names = list(required)
    return {**schema, "required": names} if names else schema


TEXT: Schema = {"type": "string"}
MAYBE: Schema = {"type": ["string", "null"]}
NUMBER: Schema = {"type": "integer"}
REAL: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
TIME: Schema = {"type": ["string", "null"], "format": "date-time"}
TEXTS: Schema = {"type": "array", "items": {"type": "string"}}
ANY: Schema = {"type": "object"}

PROBLEM: Schema = {
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "a stable word for the kind of problem"},
        "title": TEXT,
        "status": NUMBER,
        "detail": TEXT,
        "errors": {"type": "array", "items": of_object(["field", "detail"], field=TEXT, detail=TEXT)},
    },
}
