"""Export a directory of ours as a Chroma directory, through the chromadb package, the best writer of its format.

``copy`` copies into a running Chroma server, or between any two clients.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from chroma_nb._optional import require
from chroma_nb.client._sync.client import Client
from chroma_nb.client.copying import copy
from chroma_nb.collection import Collection, has_sparse_indexes
from chroma_nb.engine import adoption
from chroma_nb.errors import InvalidArgumentError, _AlreadyExistsError
from chroma_nb.paging import pages
from chroma_nb.types import SparseVector

#: Records whose metadata is read in one call before anything is written.
_READ: Final = 10_000


@dataclass(frozen=True)
class ExportReport:
    """What ``export_chroma`` wrote. ``print`` shows it as a sentence.

    Attributes
    ----------
    target
        The directory.
    collections
        How many collections were exported.
    records
        How many records were exported.
    """

    target: Path
    collections: int
    records: int

    def __str__(self) -> str:
        return f"exported {self.collections:,} collections with {self.records:,} records to {self.target}"


def export_chroma(
    client: Client, path: str | os.PathLike[str], *, batch_size: int = 1000, progress: bool = True
) -> ExportReport:
    """Export all collections to a directory that Chroma can open.

    The package chromadb writes the directory, so it has to be installed. The collections get new ids.
    Everything else is compared after writing. If an export is interrupted, call the function again.

    Parameters
    ----------
    client
        The client whose tenants, databases and collections are exported. From a server, only the
        client's own tenant is exported.
    path
        The directory for Chroma.
    batch_size
        The most records to write in one call.
    progress
        Show a progress bar.

    Returns
    -------
    ExportReport
        The directory, and how many collections and records were written.

    Raises
    ------
    ImportError
        chromadb is not installed.
    RuntimeError
        ``install_as_chromadb`` is active, so the real chromadb cannot be reached.
    UniqueConstraintError
        ``path`` holds a database of chroma_nb, or other records under the same ids. The error is also a
        ``ValueError``.
    InvalidArgumentError
        A collection has sparse vectors, which Chroma's directories cannot hold. Nothing was written.

    Examples
    --------
    >>> import chroma_nb, tempfile
    >>> with tempfile.TemporaryDirectory() as path, chroma_nb.EphemeralClient() as client:
    ...     print(chroma_nb.export_chroma(client, path))  # doctest: +SKIP
    exported 0 collections with 0 records to ...
    """
    target = Path(path)
    chromadb = _chromadb()
    if (target / "chroma_nb.sqlite3").exists():
        raise _AlreadyExistsError(
            f"expected a directory for Chroma, got {target}, which holds a chroma_nb database. Choose another directory"
        )
    collections = records = 0
    with ExitStack() as opened:
        held = [
            (tenant, database, opened.enter_context(Client.from_system(client._system, tenant, database)))
            for tenant, database in _places(client)
        ]
        for _, _, ours in held:
            for collection in ours.list_collections():
                _refuse_sparse_vectors(collection)
        theirs = opened.enter_context(_chroma_client(chromadb, target))
        admin = chromadb.AdminClient(theirs.get_settings())
        for tenant, database, ours in held:
            _make_place(admin, tenant, database)
            theirs.set_tenant(tenant, database)
            for collection in ours.list_collections():
                copied = copy(collection, theirs, batch_size=batch_size, progress=progress)
                collections, records = collections + 1, records + copied.records
    return ExportReport(target, collections, records)


def _chromadb() -> Any:
    chromadb = require(
        "chromadb", feature="writing Chroma's own files (or copy to a running Chroma server: chroma_nb.copy)"
    )
    if chromadb.PersistentClient is Client or chromadb.PersistentClient.__module__.startswith("chroma_nb."):
        raise RuntimeError(
            "chroma_nb has replaced chromadb in this process, so Chroma's own writer cannot be used. Call "
            "uninstall_as_chromadb() first, or export in another process."
        )
    return chromadb


def _refuse_sparse_vectors(collection: Collection) -> None:
    """Chroma's writer refuses an index of them and them in metadata; its tables have no column for one."""
    found = "an index of sparse vectors" if has_sparse_indexes(collection) else None
    for page in pages(collection, _READ, include=["metadatas"]) if found is None else ():
        for record, metadata in zip(page["ids"], page["metadatas"] or (), strict=False):
            for key, value in (metadata or {}).items():
                if isinstance(value, SparseVector):
                    found = found or f"a sparse vector in its record {record!r}, key {key!r}"
    if found is not None:
        raise InvalidArgumentError(
            f"{collection.name!r} has {found}, which Chroma's directories cannot hold; nothing was written. "
            "Save its records with to_jsonl() or to_parquet(): these files hold sparse vectors."
        )


@contextmanager
def _chroma_client(chromadb: Any, target: Path) -> Iterator[Any]:
    client = chromadb.PersistentClient(path=str(target))
    try:
        yield client
    finally:
        close = getattr(client, "close", None)
        if close is not None:
            close()


def _places(client: Client) -> list[tuple[str, str]]:
    """Tenants and their databases."""
    engine = getattr(client._system, "engine", None)
    tenants = [client.tenant] if engine is None else adoption.tenants(engine)
    admin = client._admin_client
    return [(tenant, database["name"]) for tenant in tenants for database in admin.list_databases(tenant=tenant)]


def _make_place(admin: Any, tenant: str, database: str) -> None:
    """The tenant and the database in Chroma, made where they are missing."""
    if not _found(admin.get_tenant, tenant):
        admin.create_tenant(tenant)
    if not _found(admin.get_database, database, tenant):
        admin.create_database(database, tenant)


def _found(find: Callable[..., object], *names: str) -> bool:
    try:
        find(*names)
    except Exception as error:
        # chromadb's own class, under the name it has there.
        if type(error).__name__ not in ("NotFoundError", "ValueError"):
            raise
        return False
    return True
