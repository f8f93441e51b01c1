"""The random operations of the other module over our server: by our client, and by Chroma's own."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any, ClassVar

import chromadb
import pytest
from hypothesis import settings
from test_congruence_with_chroma import SideBySide, TestSideBySide

import chroma_nb
from chroma_nb.client.shared_system_client import SharedSystemClient


class _OverHttp(SideBySide):
    """Ours is a collection of a server; the client is one for all runs."""

    clients: ClassVar[dict[str, Any]] = {}
    library: ClassVar[str]

    def open(self) -> Any:
        return self.clients[self.library]

    def teardown(self) -> None:
        if hasattr(self, "ours"):
            self.client.delete_collection(self.name)
            if self.directory is not None:
                shutil.rmtree(self.directory)

    def restart(self) -> None:
        """There is nothing to restart: no rule."""


class OurClient(_OverHttp):
    library = "chroma_nb"


class ChromasClient(_OverHttp):
    library = "chromadb"


@pytest.fixture(scope="module", autouse=True)
def clients() -> Iterator[None]:
    with chroma_nb.EphemeralClient() as store, chroma_nb.serve(store, port=0) as server:
        SharedSystemClient.clear_system_cache()
        ours, theirs = chroma_nb.HttpClient(port=server.port), chromadb.HttpClient(port=server.port)
        _OverHttp.clients = {"chroma_nb": ours, "chromadb": theirs}
        yield
        ours.close()
        theirs._server._session.close()


fewer = settings(TestSideBySide.settings, max_examples=8)

TestOurClient = OurClient.TestCase
TestOurClient.settings = fewer
TestChromasClient = ChromasClient.TestCase
TestChromasClient.settings = fewer
del SideBySide, TestSideBySide
