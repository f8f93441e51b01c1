"""%chroma model download: Chroma's own model, from a server that plays Chroma's."""

import hashlib
import io
import socket
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from IPython.core.error import UsageError

from chroma_nb.embedding_functions import models


def an_archive():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name in models.ARCHIVE_MEMBERS:
            info = tarfile.TarInfo(f"onnx/{name}")
            info.size = len(name)
            tar.addfile(info, io.BytesIO(name.encode()))
    return buffer.getvalue()


@pytest.fixture
def served(tmp_path, monkeypatch):
    """The archive on 127.0.0.1 and an empty home; what the server sends can be replaced."""
    sends = {"body": an_archive()}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("content-length", str(len(sends["body"])))
            self.end_headers()
            self.wfile.write(sends["body"])

        def log_message(self, *arguments):
            pass

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CHROMA_NB_PROGRESS", "0")
    monkeypatch.setattr(models, "ARCHIVE_SHA256", hashlib.sha256(sends["body"]).hexdigest())
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"http://127.0.0.1:{server.server_port}/onnx.tar.gz")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield sends
        server.shutdown()
        thread.join()


def test_model_download_fetches_chromas_model_and_says_where_it_is(shell, served, capsys):
    shell.run_line_magic("chroma", "model download")
    assert models.cached_model() is not None
    assert capsys.readouterr().out == f"New collections are embedded with Chroma's own model: {models.cached_model()}\n"


def test_model_download_of_something_else_is_a_short_message(shell, served, tmp_path):
    served["body"] = b"<html>a proxy's page</html>"
    with pytest.raises(UsageError, match=r"does not match expected SHA256.*\n.*short_errors"):
        shell.run_line_magic("chroma", "model download")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_model_download_without_a_network_says_that_a_model_is_there(shell, served, monkeypatch):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setattr(models, "MODEL_DOWNLOAD_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}/onnx.tar.gz")
        with pytest.raises(UsageError, match=r"(?s)ConnectError.*the model that is installed.*short_errors"):
            shell.run_line_magic("chroma", "model download")
