"""The files in ``cache/`` of HNSW indexes, codes, rows and words: found, shared and dropped together.

Derived data, which can be built again. Codes, rows and words have files of one form
(``storage/cache_files.py``, whose table names their kinds), HNSW indexes have their own (``index/graph_files.py``).
The engine does not touch the other files there: embeddings and coordinates of maps.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Final, Protocol

from chroma_nb.engine.index import code_files, graph_files
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.cache_files import OddFileError
from chroma_nb.engine.storage.catalog import CollectionRow


class Form(Protocol):
    """The functions of a module for files of its form."""

    def exist(self, directory: Path) -> bool:
        """Whether there are files that ``sweep`` may have to remove."""

    def sweep(self, directory: Path, generations: Mapping[str, int]) -> None:
        """Drop the files of collections that are gone or have another generation, and what dead processes left."""

    def drop(self, directory: Path, collection_id: str, *, before: int | None = None) -> bool:
        """Drop the files of a collection, or those of generations ``before`` one; returns whether there were any."""

    def clear(self, directory: Path) -> bool:
        """Drop all files; whether there were some."""


FORMS: Final[tuple[Form, ...]] = (graph_files, cache_files)


class Cache:
    """The cache directory of one database, which need not exist."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def has_files(self) -> bool:
        """Whether there are files that ``sweep`` may have to remove."""
        return any(form.exist(self.directory) for form in FORMS)

    def sweep(self, generations: Mapping[str, int]) -> None:
        """Drop the files of collections that are gone or have another generation, and what dead processes left.

        ``generations``: by collection id. Only under the write lock, so that they are the latest.
        """
        for form in FORMS:
            form.sweep(self.directory, generations)

    def drop(self, collection_id: str, *, before: int | None = None) -> list[Form]:
        """Drop the files of a collection, or those of generations ``before`` one; returns the forms that it had."""
        return [form for form in FORMS if form.drop(self.directory, collection_id, before=before)]

    def share(self, collection_id: str, fork: CollectionRow) -> None:
        """Share the files of a collection with its fork; what cannot be shared is built again when it is needed."""
        directory, generation, seq = self.directory, fork.generation, fork.seq
        space, dimension = fork.parameters.space, fork.dimension or 0
        for share in (
            partial(cache_files.share_noted, directory, collection_id, fork.id, generation, cache_files.ROWS),
            partial(cache_files.share_noted, directory, collection_id, fork.id, generation, cache_files.WORDS),
            partial(code_files.share, directory, collection_id, fork.id, generation, seq, space, dimension),
            partial(graph_files.share, directory, collection_id, fork.id, generation, seq),
        ):
            with contextlib.suppress(OSError, ValueError, OddFileError):
                share()

    def clear(self) -> bool:
        """Drop all files, to make room; whether there were some."""
        return bool([form for form in FORMS if form.clear(self.directory)])
