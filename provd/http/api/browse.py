"""The document for people: one page, made once, without script and without anything from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from provd.http.api.routes import PREFIX

_DEEPEST = 3


def page(document: Mapping[str, Any]) -> bytes:
    """The page for an OpenAPI document."""
    from provd.http.templating import environment  # noqa: PLC0415 - see there

    html = (
        environment()
        .get_template("api.html")
        .render(
            here=f"{PREFIX}/",
            refresh=0,
            info=document["info"],
            about=_paragraphs(document["info"]["description"]),
            groups=list(_groups(document)),
        )
    )
    return html.encode()


def _paragraphs(text: str) -> list[str]:
    return [" ".join(part.split()).replace("**", "").replace("`", "") for part in text.split("\n\n") if part.strip()]


def _groups(document: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for tag in document["tags"]:
        operations = [
            _operation(path, method, operation, document)
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
            if tag["name"] in operation["tags"]
        ]
        yield {"name": tag["name"], "text": tag["description"].replace("`", ""), "operations": operations}


def _operation(path: str, method: str, operation: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    body = operation.get("requestBody", {}).get("content", {})
    good: Mapping[str, Any] = next(iter(operation["responses"].values()))
    return {
        "id": operation["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": operation["summary"],
        "text": operation["description"].replace("`", ""),
        "access": operation["x-access"],
        "parameters": [
            {"name": each["name"], "in": each["in"], "text": each.get("description", "").replace("`", "")}
            for each in operation["parameters"]
            # One line for a filter and not one for each of its operators.
            if "__" not in each["name"]
        ],
        "takes": [(media, _sample(content["schema"], document)) for media, content in body.items()],
        "gives": [(media, _sample(content["schema"], document)) for media, content in good.get("content", {}).items()],
        "status": next(iter(operation["responses"])),
        "curl": _curl(path, method.upper(), operation, body),
    }


def _sample(schema: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """The form of a value, in the notation of JSON."""
    return (
        json.dumps(_form(schema, document, 0), indent=2, ensure_ascii=False) if schema.get("type") != "string" else ""
    )


def _form(schema: Mapping[str, Any], document: Mapping[str, Any], level: int) -> Any:
    if "$ref" in schema:
        return {"sip.server": "…"} if schema["$ref"].endswith("Settings") else {}
    kind = schema.get("type", "any")
    if kind == "object" and level < _DEEPEST:
        return {
            name: _form(each, document, level + 1)
            for name, each in schema.get("properties", {}).items()
            if not each.get("readOnly")
        }
    if kind == "array":
        return [_form(schema["items"], document, level + 1)]
    word = " or ".join(kind) if isinstance(kind, list) else kind
    return schema.get("examples", [f"{word} ({schema['format']})" if "format" in schema else word])[0]


def _curl(path: str, method: str, operation: Mapping[str, Any], body: Mapping[str, Any]) -> str:
    words = ["curl"]
    if operation["x-access"] != "public":
        words.append('-H "Authorization: Bearer $TOKEN"')
    if method != "GET":
        words.append(f"-X {method}")
    if any(each["name"] == "If-Match" for each in operation["parameters"]):
        words.append("-H 'If-Match: *'")
    for media in body:
        words.append(f"-H 'Content-Type: {media}'")
        words.append("-d '{…}'" if media.endswith("json") else "--data-binary @FILE.csv")
    return " ".join([*words, f"http://127.0.0.1:8666{path}"])
