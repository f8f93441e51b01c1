"""A client in memory of chroma_nb or chromadb: empty before a test and after it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def emptied_client(library: str) -> Iterator[Any]:
    """Empty by deleting: chromadb allows one kind of settings a process, so its clients share one store."""
    client = pytest.importorskip(library).EphemeralClient()
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    yield client
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    client.close()
