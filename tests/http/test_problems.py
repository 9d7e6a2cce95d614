import json

from provd.base.errors import ConfigError, WireError
from provd.http.problems import problem_of


def test_an_error_becomes_problem_details():
    response = problem_of(ConfigError("no such subnet", "provd.toml:12"))
    assert (response.status, response.content_type) == (422, "application/problem+json")
    assert json.loads(response.body) == {
        "type": "config",
        "title": "The configuration is not usable",
        "status": 422,
        "detail": "provd.toml:12: no such subnet",
    }


def test_an_error_without_a_slug_of_its_own_is_a_refusal():
    assert json.loads(problem_of(WireError("short")).body)["type"] == "refused"
