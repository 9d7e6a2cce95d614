"""TLS with clients as phones are: old, strange, broken; and certificates that are wrong or change."""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from provd.app.files import FileReply
from provd.base.errors import ConfigError
from provd.http.connection import Limits
from provd.http.tls import Pair, Tls, checked
from tests.conftest import program
from tests.http.kit import Bed, DictFiles, phone_bed, until
from tests.kit.certificates import self_signed
from tests.kit.patience import PATIENCE

CONFIG = FileReply(found=True, body=b"account.1.enable = 1\n", etag="c1")
GET = b"GET /805ec0112233.cfg HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="session")
def rsa(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("rsa"), kind="rsa")


@asynccontextmanager
async def listening(
    pair: tuple[Path, Path], *, legacy: bool = False, limits: Limits | None = None
) -> AsyncIterator[tuple[Bed, int, Tls]]:
    async with phone_bed(DictFiles({"805ec0112233.cfg": CONFIG}), limits=limits) as bed:
        tls = Tls(Pair(*pair), legacy=legacy)
        _, port = await bed.server.listen("127.0.0.1", 0, tls.context)
        yield bed, port, tls


async def s_client(port: int, *arguments: str, send: bytes = GET) -> tuple[str, bytes]:
    """What ``openssl s_client`` says of the connection, and what it received."""
    process = await asyncio.create_subprocess_exec(
        program("openssl"),
        *["s_client", "-connect", f"127.0.0.1:{port}", "-ign_eof", "-brief", *arguments],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    received, told = await asyncio.wait_for(process.communicate(send), PATIENCE)
    return told.decode(), received


# With TLS 1.3 s_client sends its request right behind its last message of the handshake; asyncio left such connections
# waiting for their own empty buffer to drain.
@pytest.mark.peer
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
@pytest.mark.parametrize("name", [("-noservername",), ("-servername", "192.0.2.1.example")])
async def test_current_phones_with_and_without_a_server_name(
    version: str, name: tuple[str, ...], certificate: tuple[Path, Path]
) -> None:
    async with listening(certificate) as (bed, port, _):
        told, received = await s_client(port, version, *name)
        assert f"TLSv1.{version[-1]}" in told
        assert CONFIG.body in received
        assert bed.files.asked[0].secure


@pytest.mark.peer
async def test_a_certificate_of_the_phone_does_no_harm(certificate: tuple[Path, Path], rsa: tuple[Path, Path]) -> None:
    async with listening(certificate) as (_, port, _):
        _, received = await s_client(port, "-cert", str(rsa[0]), "-key", str(rsa[1]))
        assert CONFIG.body in received


@pytest.mark.peer
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
async def test_old_tls_is_refused_but_on_the_listener_that_is_for_it(version: str, rsa: tuple[Path, Path]) -> None:
    old = (version, "-cipher", "AES128-SHA:@SECLEVEL=0")
    async with listening(rsa) as (bed, port, _):
        _, received = await s_client(port, *old)
        assert received == b""
        assert bed.facts == []
    async with listening(rsa, legacy=True) as (bed, port, _):
        told, received = await s_client(port, *old)
        assert CONFIG.body in received, told
        assert not bed.files.asked[0].secure, "links in its file do not lead to the other listener"
        _, received = await s_client(port, "-tls1_2")
        assert CONFIG.body in received, "newer firmware is served there as well"


@pytest.mark.peer
async def test_a_client_may_not_renegotiate(rsa: tuple[Path, Path]) -> None:
    """Each renegotiation would cost the server a signature and the client nothing."""
    async with listening(rsa) as (bed, port, _):
        process = await asyncio.create_subprocess_exec(
            program("openssl"),
            *["s_client", "-connect", f"127.0.0.1:{port}", "-tls1_2"],
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert process.stdin is not None
        process.stdin.write(b"R\n")
        output, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert b"RENEGOTIATING" in output
        assert b"no renegotiation" in output or b"handshake failure" in output
        assert bed.facts == []


BROKEN = {
    "plain HTTP": GET,
    "nothing": b"",
    "zeros": bytes(500),
    "random": bytes(range(256)) * 8,
    "a record that is too long": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "half a hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40),
    "a hello without ciphers": b"\x16\x03\x01\x00\x2d\x01\x00\x00\x29\x03\x03" + bytes(32) + b"\0\0\0\1\0\0\0",
    "an alert": b"\x15\x03\x01\x00\x02\x02\x28",
    "SSLv2": b"\x80\x2e\x01\x00\x02" + bytes(41),
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_not_tls_ends_and_harms_nobody(kind: str, certificate: tuple[Path, Path]) -> None:
    async with listening(certificate) as (bed, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BROKEN[kind])
        writer.write_eof()
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionResetError):
                assert len(await reader.read()) < 10, "at most an alert"
        writer.close()
        assert bed.facts == []
        assert (await (await bed.client()).ask("GET /805ec0112233.cfg")).status == 200


async def test_half_a_handshake_is_not_waited_for(certificate: tuple[Path, Path]) -> None:
    async with listening(certificate, limits=Limits(header=0.2)) as (bed, port, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(BROKEN["half a hello"])
        async with asyncio.timeout(PATIENCE):
            assert await reader.read() == b""
        writer.close()
        assert bed.facts == []


async def test_who_resets_in_the_middle_of_a_handshake_is_forgotten(certificate: tuple[Path, Path]) -> None:
    async with listening(certificate) as (bed, port, _):
        for _ in range(50):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(BROKEN["half a hello"])
            await writer.drain()
            sock = writer.get_extra_info("socket")
            sock.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SO_LINGER of no time: a reset
            writer.transport.abort()
        await until(lambda: bed.server.stats.open == 0)
        assert bed.facts == []


async def seen(port: int) -> bytes:
    """The certificate that a client gets."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    der: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.close()
    await writer.wait_closed()
    return der


async def test_a_new_certificate_is_for_new_connections_and_a_wrong_one_for_none(
    certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    fresh = self_signed(tmp_path)
    async with listening(certificate) as (_, port, tls):
        first = await seen(port)
        with pytest.raises(ConfigError, match="does not belong"):
            tls.renew(Pair(fresh[0], certificate[1]))
        assert await seen(port) == first
        tls.renew(Pair(*fresh))
        second = await seen(port)
        assert second == ssl.PEM_cert_to_DER_cert(fresh[0].read_text())
        assert second != first


def test_what_is_wrong_with_a_pair_is_said_with_its_file(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    other = self_signed(tmp_path, "other")
    sealed = self_signed(tmp_path, "sealed", password=b"secret")
    rubbish = tmp_path / "rubbish"
    rubbish.write_text("rubbish\n")
    for pair, file, words in (
        ((tmp_path / "none", other[1]), tmp_path / "none", "No such file"),
        ((other[0], tmp_path), tmp_path, "directory"),
        ((rubbish, other[1]), rubbish, "not a certificate"),
        ((other[0], rubbish), rubbish, "not a private key"),
        ((other[1], other[0]), other[1], "not a certificate"),
        ((certificate[0], other[1]), other[1], "does not belong to the certificate"),
        (sealed, sealed[1], "encrypted"),
    ):
        with pytest.raises(ConfigError, match=words) as caught:
            checked(Pair(*pair))
        assert str(file) in str(caught.value)
        with pytest.raises(ConfigError, match=words):
            Tls(Pair(*pair))
