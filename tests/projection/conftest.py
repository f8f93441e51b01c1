"""Collections with regions one knows, ours and chromadb's own, and no cache outside the test."""

import numpy as np
import pytest
from emptied_client import emptied_client

TOPICS = ("whale ocean", "engine fuel", "piano music", "bread oven")


@pytest.fixture(autouse=True)
def _the_cache_is_the_tests_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(params=["chroma_nb", "chromadb"])
def client(request):
    with emptied_client(request.param) as client:
        yield client


@pytest.fixture
def filled():
    """filled(client, n) makes a collection of n records in four regions."""

    def fill(client, count, name="docs", dimension=16, space="l2", seed=0):
        random = np.random.default_rng(seed)
        topics = np.arange(count) % len(TOPICS)
        centres = random.normal(size=(len(TOPICS), dimension)) * 5
        collection = client.create_collection(name, embedding_function=None, configuration={"hnsw": {"space": space}})
        if count:
            collection.add(
                ids=[f"id{row}" for row in range(count)],
                embeddings=(centres[topics] + random.normal(size=(count, dimension))).astype(np.float32),
                documents=[f"a text about {TOPICS[topic]}" for topic in topics],
                metadatas=[{"topic": TOPICS[topic], "year": 2000 + row % 7} for row, topic in enumerate(topics)],
            )
        return collection

    return fill
