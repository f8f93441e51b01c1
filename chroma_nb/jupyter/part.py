"""A part of a collection as a collection of its own: what saving a selection, an export and ``%chroma copy`` share.

By the public methods of either side, so both may be of chromadb. For a whole collection between clients, compared
afterwards, there is ``chroma_nb.copy``.
"""

from __future__ import annotations

from typing import Any

from chroma_nb.client.reembed import refuse_without_vectors
from chroma_nb.dataframe_calls import arguments, without_empty_metadata
from chroma_nb.records import Records


def new_like(source: Any, client: Any, name: str) -> Any:
    """A new collection of the space, model and metadata of ``source``; an error where there is one of this name.

    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds", configuration={"hnsw": {"space": "cosine"}}, metadata={"by": "me"})
    >>> part = new_like(birds, client, "some-birds")
    >>> part.metadata, part.configuration_json["hnsw"]["space"]
    ({'by': 'me'}, 'cosine')
    >>> client.close()
    """
    configuration = source.configuration_json or {}
    space = next((configuration[kind]["space"] for kind in ("hnsw", "spann") if configuration.get(kind)), None)
    nameless = (configuration.get("embedding_function") or {"type": "legacy"}).get("type") == "legacy"
    made: dict[str, Any] = {
        "embedding_function": None if nameless else source.configuration.get("embedding_function"),
        "configuration": None if space is None else {"hnsw": {"space": space}},
        # Chroma refuses metadata in which nothing is said; the space in old metadata is the configuration's now.
        "metadata": {key: value for key, value in (source.metadata or {}).items() if not key.startswith("hnsw:")},
    }
    return client.create_collection(name, **{part: given for part, given in made.items() if given or part[0] == "e"})


def add(target: Any, records: Records) -> int:
    """Write records with everything they have; how many."""
    if records.ids:
        refuse_without_vectors(records, target.name)
        target.add(**arguments(without_empty_metadata(records).pruned()))
    return len(records)
