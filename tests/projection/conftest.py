"""Collections with regions one knows, ours and chromadb's own, and no cache outside the test."""

import numpy as np
import pytest

TOPICS = ("whale ocean", "engine fuel", "piano music", "bread oven")


@pytest.fixture(autouse=True)
def _the_cache_is_the_tests_own(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))


@pytest.fixture(params=["chroma_nb", "chromadb"])
def client(request):
    module = pytest.importorskip(request.param)
    client = module.EphemeralClient()  # chromadb allows one kind of settings a process
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    yield client
    for collection in client.list_collections():
        client.delete_collection(collection.name)
    client.close()


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
