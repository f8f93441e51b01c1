"""Five birds and fish with documents and vectors, for the tests of hybrid()."""

from __future__ import annotations

from typing import Any

DOCUMENTS = {
    "wren": "the wren is a small brown bird of the hedges",
    "crow": "the crow is a large black bird with a loud voice",
    "heron": "herons wait for fish by the water",
    "shark": "the shark is a large fish of the sea",
    "none": None,
}
VECTORS = {"wren": [1.0, 0.0], "crow": [0.9, 0.1], "heron": [0.5, 0.5], "shark": [0.0, 1.0], "none": [0.95, 0.0]}


def made(client: Any) -> Any:
    """A collection of them."""
    collection = client.create_collection("birds", embedding_function=None)
    collection.add(
        ids=list(DOCUMENTS),
        embeddings=list(VECTORS.values()),
        documents=list(DOCUMENTS.values()),
        metadatas=[{"n": n} for n in range(len(DOCUMENTS))],
    )
    return collection
