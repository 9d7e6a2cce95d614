"""Who asks servers of others brings a context that trusts the system's authorities: aiohttp's own trusts nobody."""

from __future__ import annotations

import ast
import ssl
import subprocess
import sys
from pathlib import Path

import provd
from provd.net.authorities import trusting
from tests.kit.patience import PATIENCE

_ROOT = Path(provd.__file__).parent


def test_a_daemon_does_not_read_the_authorities_of_the_system():
    code = (
        "import ssl; given = ssl.create_default_context\n"
        "from provd.net.authorities import without_authorities; without_authorities()\n"
        "import aiohttp.connector as c\n"
        "assert ssl.create_default_context is given\n"
        "found = c._SSL_CONTEXT_VERIFIED\n"
        "assert (found.verify_mode, found.check_hostname) == (ssl.CERT_REQUIRED, True)\n"
        "assert found.cert_store_stats()['x509'] == 0\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=_ROOT.parent, timeout=PATIENCE)


async def test_a_context_that_trusts_verifies():
    context = await trusting()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_every_session_brings_its_own_context():
    sessions = 0
    for path in _ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {keyword.arg for keyword in node.keywords}
                wanted = {"ClientSession": "connector", "TCPConnector": "ssl"}.get(node.func.attr)
                assert wanted is None or wanted in named, f"{path}:{node.lineno}"
                sessions += node.func.attr == "ClientSession"
    assert sessions >= 3
