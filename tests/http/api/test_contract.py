"""The document says what the interface does, and the interface does what the document says."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from html.parser import HTMLParser

import jsonschema
import pytest
from openapi_spec_validator import validate

from provd.http.api.routes import PREFIX
from tests.app.fakes import PHONE
from tests.http.api.kit import House, house
from tests.http.api.test_doors import ROWS


@pytest.fixture(scope="module")
def document() -> dict:
    async def made() -> dict:
        async with house() as home:
            return json.loads((await home.get("/openapi.json", "")).octets)

    return asyncio.run(made())


def test_it_is_openapi(document):
    validate(document)
    assert document["openapi"].startswith("3.1")


async def test_every_route_is_in_it_with_its_access(document):
    async with house() as home:
        routes = list(home.api.registry)
    told = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}
    assert told == {(route.method, PREFIX + route.path) for route in routes}
    for route in routes:
        operation = document["paths"][PREFIX + route.path][route.method.lower()]
        scope = route.access.value
        assert operation["security"] == ([] if scope is None else [{"token": [scope.value]}])
        assert operation["summary"]


def resolved(document: dict, response: dict) -> dict:
    return document["components"]["responses"][response["$ref"].rpartition("/")[2]] if "$ref" in response else response


def schema_of(document: dict, path: str, method: str, status: int, media: str) -> dict:
    response = resolved(document, document["paths"][path][method.lower()]["responses"][str(status)])
    schema = response["content"][media]["schema"]
    return {**schema, "components": document["components"]}


@pytest.mark.parametrize("name", [name for name in ROWS if name != "events.watch"])
async def test_answers_are_of_their_schemas(document, name):
    row = ROWS[name]
    async with house() as home:
        route = next(route for route in home.api.registry if route.name == name)
        path = row.path.replace("{north.read}", home.tokens["north.read"][4:12]).replace("{code}", home.code)
        media = {"Content-Type": "text/csv"} if row.data else {}
        sent = {"body": row.body, "data": row.data, "headers": {**row.headers, **media}}
        for token in ("all.admin", ""):
            answer = await home.ask(route.method, path, token, **sent)
            if answer.status == 204:
                assert answer.octets == b""
                continue
            media_type = answer.headers["Content-Type"].partition(";")[0]
            schema = schema_of(document, PREFIX + route.path, route.method, answer.status, media_type)
            value = answer.json if media_type.endswith("json") else answer.text
            jsonschema.validate(value, schema, cls=jsonschema.Draft202012Validator)


async def test_a_stranger_who_has_read_it_finds_nothing_that_it_does_not_say(tmp_path):
    """Schemathesis: requests made from the document, good ones and bad ones, and what it thinks of the answers.

    Two of its rules are not ours: a wrong token may also hear 429, and not everything that a schema allows fits to what
    is there (a code for a line that does not exist).
    """
    async with house() as home:
        await _strange(home, tmp_path, "--exclude-path", f"{PREFIX}/events")


async def test_nor_about_devices_that_are_no_phones(tmp_path):
    async with house(things=tmp_path / "state") as home:
        await _strange(home, tmp_path, "--include-path-regex", f"^{PREFIX}/activation/")


async def _strange(home: House, folder, *which: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{home.port}{PREFIX}/openapi.json"),
        *("--header", f"Authorization: Bearer {home.tokens['all.admin']}", *which),
        *("--phases", "coverage,fuzzing", "--max-examples", "3", "--no-color", "--seed", "7"),
        *("--exclude-checks", "positive_data_acceptance,ignored_auth", "--generation-database", "none"),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    assert process.returncode == 0, out.decode()[-8000:]
    assert re.search(r"Test cases:\n\s+(\d+) generated", out.decode()), out.decode()[-2000:]
    assert not [fact for fact in home.facts if fact.ID == "INTERNAL-ERROR"]


class Outline(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.handlers: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in {"href", "src", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on") or name == "style"]


async def page_of(home: House) -> tuple[str, dict]:
    answer = await home.get("/", "")
    return answer.text, dict(answer.headers)


async def test_the_page_for_people_needs_no_script_and_nothing_from_elsewhere():
    async with house() as home:
        html, headers = await page_of(home)
        outline = Outline(html)
        assert not outline.tags & {"script", "iframe", "object", "embed", "img", "style", "form"}
        assert outline.handlers == []
        assert all(link.startswith(("/", "#")) for link in outline.links)
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        for link in {link for link in outline.links if link.startswith("/api")}:
            assert (await home.get(link.removeprefix("/api/v1"), "")).status == 200
        assert (await home.get("", "")).text == html
        assert len(html) < 400_000


async def test_the_page_for_people_shows_every_route():
    async with house() as home:
        html, _ = await page_of(home)
        for route in home.api.registry:
            assert f'id="{route.name}"' in html
            assert route.summary.split("'")[0] in html
        assert f"/api/v1/devices/{PHONE}" not in html
