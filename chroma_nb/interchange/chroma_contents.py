"""The contents of a Chroma directory, as values: databases, collections, and what could not be read.

``chroma_directory.py`` reads directories since 0.4, ``chroma_parquet.py`` older ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol
from uuid import UUID

from chroma_nb.records import Records
from chroma_nb.types import Json

NIL: Final = "00000000-0000-0000-0000-000000000000"
DEFAULT_TENANT: Final = "default_tenant"
DEFAULT_DATABASE: Final = "default_database"


@dataclass(frozen=True)
class ChromaDatabase:
    """A namespace of collections."""

    id: UUID
    name: str
    tenant: str


class RecordReader(Protocol):
    """Where the records of a collection come from."""

    def batches(self, size: int) -> Iterator[Records]:
        """All of them, at most ``size`` at a time."""

    def close(self) -> None:
        """Give back what was opened."""


@dataclass
class ChromaCollection:
    """One collection of the directory.

    ``configuration`` is what a client shows as ``configuration_json``; ``schema`` is Chroma's Schema as
    JSON, None before 1.3. ``ids`` are in Chroma's order. ``lost`` are the ids whose vector is gone (their
    documents and metadata are given by ``batches`` as all others'); ``problems`` says in sentences what was damaged,
    ``notes`` what is worth knowing though nothing is lost.
    """

    id: UUID
    name: str
    tenant: str
    database: str
    metadata: Json | None
    dimension: int | None
    configuration: Json
    schema: Json | None
    ef_search_set: bool
    ids: list[str] = field(repr=False)
    lost: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    _reader: RecordReader = field(repr=False, kw_only=True)

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, size: int = 1000) -> Iterator[Records]:
        """All records, ``size`` at a time, in Chroma's order.

        ``embeddings`` is float32 of shape (n, dimension), bit for bit what Chroma has; rows of ``lost`` ids
        are zeros and False in ``has_embedding`` (which is None when every row has its vector).
        """
        return self._reader.batches(size)


@dataclass
class ChromaDirectory:
    """What a directory holds. ``problems`` and ``notes`` concern the directory as a whole."""

    path: Path
    tenants: list[str]
    databases: list[ChromaDatabase]
    collections: list[ChromaCollection]
    problems: list[str]
    fingerprint: str
    notes: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return sum(len(collection) for collection in self.collections)

    @property
    def complete(self) -> bool:
        """Whether nothing at all was damaged."""
        return not self.problems and not any(collection.problems or collection.lost for collection in self.collections)

    def report(self) -> str:
        """What was found and what could not be saved, for a reader."""
        lines = [f"{self.path}: {len(self.collections):,} collections, {len(self):,} records"]
        lines += [f"  {sentence}" for sentence in (*self.problems, *self.notes)]
        for collection in self.collections:
            whole = len(collection) - len(collection.lost)
            path = f"{collection.tenant}/{collection.database}/{collection.name}"
            lines.append(f"  {path}: {whole:,} of {len(collection):,} records whole")
            lines += [f"    {sentence}" for sentence in (*collection.problems, *collection.notes)]
            if collection.lost:
                first = ", ".join(map(repr, collection.lost[:5])) + (" …" if len(collection.lost) > 5 else "")
                lines.append(f"    without a vector: {first} ({len(collection.lost):,})")
        return "\n".join(lines)


def named_apart(collections: list[ChromaCollection]) -> list[str]:
    """No two collections of a database may share a name; a damaged file can make them."""
    taken: set[tuple[str, str, str]] = set()
    problems = []
    for collection in collections:
        if (collection.tenant, collection.database, collection.name) in taken:
            name = f"{collection.name}-{collection.id.hex[:8]}"
            problems.append(
                f"a second collection {collection.name!r} in {collection.database!r} was imported as {name}"
            )
            collection.name = name
        taken.add((collection.tenant, collection.database, collection.name))
    return problems
