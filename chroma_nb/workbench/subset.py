"""Records of a collection as a collection of their own: what saving a selection, an export and ``%chroma copy`` share.

By the public methods of either side, so both may be of chromadb. For a whole collection between clients, compared
afterwards, there is ``chroma_nb.copy``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from typing import Final

from chroma_nb.client.reembed import refuse_without_vectors
from chroma_nb.collection import Client, Collection, embedding_function, space
from chroma_nb.records import Records
from chroma_nb.tables.batches import arguments, without_empty_metadata
from chroma_nb.types import Options

#: Records of one call.
BATCH: Final = 1_000


def new_like(source: Collection, client: Client, name: str) -> Collection:
    """A new collection of the space, model and metadata of ``source``; an error where there is one of this name.

    >>> import chroma_nb
    >>> client = chroma_nb.EphemeralClient()
    >>> birds = client.create_collection("birds", configuration={"hnsw": {"space": "cosine"}}, metadata={"by": "me"})
    >>> some = new_like(birds, client, "some-birds")
    >>> some.metadata, some.configuration_json["hnsw"]["space"]
    ({'by': 'me'}, 'cosine')
    >>> client.close()
    """
    made: Options = {
        "embedding_function": embedding_function(source),
        "configuration": {"hnsw": {"space": space(source)}},
        # Chroma refuses metadata in which nothing is said; the space in old metadata is the configuration's now.
        "metadata": {key: value for key, value in (source.metadata or {}).items() if not key.startswith("hnsw:")},
    }
    return client.create_collection(
        name, **{key: value for key, value in made.items() if value or key == "embedding_function"}
    )


def write(source: Collection, client: Client, name: str, batches: Iterable[Records]) -> tuple[Collection, int]:
    """A new collection like ``source`` of these records, with everything they have; it, and how many there were.

    After an error there is none of this name.
    """
    target, count = new_like(source, client, name), 0
    try:
        for records in batches:
            if records.ids:
                refuse_without_vectors(records, target.name)
                target.add(**arguments(without_empty_metadata(records).pruned()))
            count += len(records)
    except BaseException:
        with contextlib.suppress(Exception):  # the first error is the one to tell
            client.delete_collection(name)
        raise
    return target, count
