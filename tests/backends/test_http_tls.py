"""TLS: a certificate nobody vouches for is refused, unless its authority or the caller says otherwise."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

from chroma_nb.backends.http.transport import AsyncHttpBackend, HttpBackend
from chroma_nb.config import Settings
from chroma_nb.operations import requests as ops


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate of 127.0.0.1 and its key, made for this run."""
    program = shutil.which("openssl")
    if program is None:
        pytest.fail("these tests make a certificate with openssl, which is not installed")
    directory = tmp_path_factory.mktemp("tls")
    command = [
        program, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem",
    ]  # fmt: skip
    subprocess.run(command, cwd=directory, check=True, capture_output=True)
    return directory / "cert.pem"


@pytest.fixture(scope="module")
def tls_port(certificate: Path) -> Iterator[int]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'"1.0.0"')

        def log_message(self, *arguments: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.handle_error = lambda *arguments: None  # type: ignore[method-assign]  # refused handshakes are meant
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def version(port: int, verify: bool | str | None) -> str:
    settings = Settings(
        chroma_server_host="127.0.0.1",
        chroma_server_http_port=port,
        chroma_server_ssl_enabled=True,
        chroma_server_ssl_verify=verify,
    )
    backend = HttpBackend(settings)
    try:
        return backend.handle(ops.GetVersion())
    finally:
        backend.close()


async def version_awaited(port: int, verify: bool | str | None) -> str:
    settings = Settings(
        chroma_server_host="127.0.0.1",
        chroma_server_http_port=port,
        chroma_server_ssl_enabled=True,
        chroma_server_ssl_verify=verify,
    )
    backend = AsyncHttpBackend(settings)
    try:
        return await backend.handle(ops.GetVersion())
    finally:
        await backend.close()


def test_a_certificate_nobody_vouches_for_is_refused(tls_port: int) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        version(tls_port, None)


def test_also_where_calls_are_awaited(tls_port: int) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(version_awaited(tls_port, None))


def test_an_authority_of_ones_own_is_trusted_when_named(tls_port: int, certificate: Path) -> None:
    assert version(tls_port, str(certificate)) == "1.0.0"


def test_verification_can_be_turned_off(tls_port: int) -> None:
    assert version(tls_port, False) == "1.0.0"


@pytest.mark.parametrize("name", ["nowhere.pem", "empty.pem"])
def test_authorities_that_cannot_be_read_are_named(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty.pem").touch()
    with pytest.raises(ValueError, match=name):
        version(1, str(tmp_path / name))
