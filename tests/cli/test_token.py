"""``provd token``."""

import pytest

from tests.cli.conftest import Shell

pytestmark = pytest.mark.usefixtures("office")


def test_a_token_is_shown_once_listed_and_revoked(shell: Shell) -> None:
    made = shell("token", "add", "backup script", "--tenant", "north", "--scope", "write", "--expires", "90d")
    assert made.out.startswith("pv1_")
    assert "cannot be shown again" in made.err
    text = made.out.strip()
    (row,) = shell("token", "list", "--json").json
    assert (row["name"], row["tenant"], row["scopes"], row["state"]) == ("backup script", "north", ["write"], "valid")
    assert text not in str(row)
    assert row["id"] in shell("token", "list").out
    assert shell("token", "revoke", row["id"]).out == f"{row['id']} is revoked\n"
    assert shell("token", "list").code == 4
    assert shell("token", "revoke", row["id"]).code == 4


def test_as_json_and_for_all_tenants(shell: Shell) -> None:
    made = shell("token", "add", "root", "--scope", "admin", "--json").json
    assert (made["tenant"], made["scopes"], made["expires"]) == (None, ["admin"], None)
    assert made["token"].startswith(f"pv1_{made['id']}")


@pytest.mark.parametrize(
    ("command", "code", "reason"),
    [
        ("token add x --tenant nowhere", 4, "there is no tenant 'nowhere'"),
        ("token add x --expires soon", 2, "expires: must be a duration"),
        ("token add x --scope all", 2, "Invalid value for '--scope'"),
    ],
)
def test_what_cannot_be_done(shell: Shell, command: str, code: int, reason: str) -> None:
    answer = shell(*command.split())
    assert (answer.code, answer.out) == (code, "")
    assert reason in answer.err
