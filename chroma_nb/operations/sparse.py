"""Sparse vectors from texts: for which metadata keys of a collection, from which source, by which function.

As in Chroma's client, embedded and over HTTP alike. A schema names the function; its class is looked up among those
that the caller passes. The engine stores and searches sparse vectors.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Final

from chroma_nb.schema import DOCUMENT_KEY
from chroma_nb.types import Fields, Json, SparseVector, as_sparse_vector

_UNKNOWN: Final = ("unknown", "legacy")


class SparseFunctions:
    """The functions that compute sparse vectors, one for each key with a sparse index; built when needed.

    ``sources`` are the keys that are filled when records are written, each with what its vectors are made of: the
    document ("#document") or another metadata key. ``check`` refuses a function that cannot be called like one.
    """

    def __init__(
        self, schema: Fields | None, known: Fields, check: Callable[[Any], object] = lambda function: None
    ) -> None:
        self.schema = schema
        self.sources: dict[str, str] = {}
        self._known, self._check = known, check
        self._described: dict[str, Json | None] = {}
        self._functions: dict[str, Any] = {}
        for key, value_types in ((schema or {}).get("keys") or {}).items():
            index = ((value_types or {}).get("sparse_vector") or {}).get("sparse_vector_index")
            if index is None or not index.get("enabled", True):
                continue
            config = index.get("config") or {}
            described = config.get("embedding_function")
            self._described[key] = None if described is None or described.get("type") in _UNKNOWN else described
            if self._described[key] is not None and config.get("source_key") is not None:
                self.sources[key] = config["source_key"]

    def function(self, key: str) -> Any:
        """The function that computes the sparse vectors of this key; None, after a warning, if it cannot be built."""
        described = self._described.get(key)
        if described is None:
            return None
        if key not in self._functions:
            built = self._built(key, described)
            if built is not None:
                self._check(built)
            self._functions[key] = built
        return self._functions[key]

    def _built(self, key: str, described: Json) -> Any:
        name, config = described.get("name", "unknown"), described.get("config") or {}
        try:
            known = self._known[name]
            if hasattr(known, "validate_config"):
                known.validate_config(config)
            return known.build_from_config(config)
        except Exception as error:  # noqa: BLE001  # whatever a class raises; Chroma goes on without it
            warnings.warn(
                f"Could not reconstruct sparse embedding function {name}: {error}. Setting to None.\nTexts get no "
                f"sparse vectors under {key!r} here. Register the class of {name!r} with "
                "register_sparse_embedding_function.",
                UserWarning,
                stacklevel=2,
            )
            return None

    # --- Records that are written ---

    def filled(
        self,
        metadatas: Sequence[Fields | None] | None,
        documents: Sequence[str | None] | None,
    ) -> Sequence[Fields | None] | None:
        """The metadatas of one call, with a sparse vector of each source text in the call.

        A key that the metadata of a record has already stays as it is, also where it is None, which deletes it.
        """
        if metadatas is None and documents is None:
            return None
        made: list[Fields | None] = [None] * len(documents or ()) if metadatas is None else list(metadatas)
        unchanged = True
        for key, source in self.sources.items():
            texts = documents if source == DOCUMENT_KEY else [(metadata or {}).get(source) for metadata in made]
            rows = [
                row for row, text in enumerate(texts or ()) if isinstance(text, str) and key not in (made[row] or ())
            ]
            function = self.function(key) if rows else None
            if function is None or texts is None:
                continue
            vectors = function(input=[texts[row] for row in rows])
            if len(vectors) != len(rows):
                raise ValueError("Sparse embedding function returned unexpected number of embeddings.")
            for row, vector in zip(rows, vectors, strict=True):
                made[row] = {**(made[row] or {}), key: _checked(vector, function, key)}
            unchanged = False
        return metadatas if unchanged else made

    # --- Queries ---

    def query(self, key: str, text: str) -> SparseVector:
        """The sparse vector of a text to search a key with. ValueError if there is no function for it."""
        refused = f"Cannot embed string query for key '{key}': "
        if key not in ((self.schema or {}).get("keys") or {}):
            raise ValueError(
                f"{refused}key not found in schema. Please provide an embedded vector or "
                "configure an embedding function for this key in the schema."
            )
        function = self.function(key)
        if function is None:
            raise ValueError(
                f"{refused}no embedding function configured for this key in the schema. Please provide an embedded "
                "vector or configure an embedding function."
            )
        ask = getattr(function, "embed_query", function)
        vectors = ask(input=[text])
        if not vectors or len(vectors) != 1:
            raise ValueError("Sparse embedding function returned unexpected number of embeddings")
        return _checked(vectors[0], function, key)


def _checked(vector: object, function: object, key: str) -> SparseVector:
    found = as_sparse_vector(vector)
    if found is None:
        raise ValueError(
            f"Expected SparseVectors from the embedding function {type(function).__name__} of the key {key!r}, "
            f"got {type(vector).__name__}"
        )
    return found if found is vector else SparseVector(found.indices, found.values, found.labels)
