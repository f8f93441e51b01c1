"""Takes a Chroma directory over into a directory of ours: by hand, or when it is first opened.

Chroma's files are only read. Ours are built in a folder apart and moved to their place when they are
complete, the database last: an import that was killed leaves nothing that could be taken for one, and the
next one begins anew. What Chroma's files looked like is kept, so that later changes to them are noticed.
"""

from __future__ import annotations

import os
import secrets
import shutil
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from chroma_nb.embedding_functions.progress import progress_bar, say
from chroma_nb.engine import adoption
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.locks import first_open
from chroma_nb.engine.sqlite import FILE_NAME as OUR_FILE
from chroma_nb.errors import InternalError
from chroma_nb.interchange.chroma_directory import ChromaCollection, ChromaDirectory, fingerprint
from chroma_nb.interchange.chroma_parquet import is_from_before_04, read_chroma
from chroma_nb.interchange.chroma_sqlite import FILE_NAME as CHROMA_FILE
from chroma_nb.operations import validate
from chroma_nb.types import CollectionModel, Database, Records

#: Where the report of an import and the records without a vector are kept, beside our database.
RECORD_FOLDER: Final = "chroma_nb-import"
_STAGING: Final = "chroma_nb-importing-"
_REPLACED: Final = "chroma_nb-replaced-"
_BATCH: Final = 5000
#: What makes up a database of ours: moved there in this order, the one that counts last.
_OUR_FILES: Final = (RECORD_FOLDER, "vectors", OUR_FILE)
#: Directories whose changed Chroma files this process has spoken of already.
_SPOKEN_OF: set[str] = set()


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    ``records`` were imported whole; ``lost`` had no readable vector any more: their documents and metadata are
    in ``folder``, as JSON Lines. ``complete`` is True when nothing at all was damaged; else ``text`` says
    what was, per collection. ``notes`` are worth knowing though nothing is lost.
    """

    source: Path
    target: Path
    collections: int
    records: int
    lost: int
    complete: bool
    text: str
    folder: Path
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        line = f"imported {self.collections:,} collections with {self.records:,} records from {self.source}"
        if self.complete:
            return "\n".join((f"{line}; Chroma's files are as they were", *self.notes))
        return f"{line}; some of it was damaged, {self.lost:,} records have lost their vector:\n{self.text}"


def import_chroma(src: str | os.PathLike[str], dst: str | os.PathLike[str], *, replace: bool = False) -> ImportReport:
    """Import the Chroma directory ``src`` (of 0.3 to 1.5.9) into the directory ``dst``, which may be the same.

    Tenants, databases, collections with their ids, and records in Chroma's order, vectors bit for bit. chromadb
    is not needed, and ``src`` is not changed. What is damaged is left out and named in the answer. With ``replace``
    what ``dst`` holds already goes to a folder beside; without, that is an InternalError. Raises
    ChromaDirectoryError (also a ValueError) when nothing in ``src`` can be read.

    >>> import_chroma("no-such-place", "elsewhere")
    Traceback (most recent call last):
    chroma_nb.interchange.chroma_sqlite.ChromaDirectoryError: expected a directory written by Chroma, ...
    """
    source, target = Path(src), Path(dst)
    _check_source(source)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if (target / OUR_FILE).exists():
        if not replace:
            raise InternalError(f"{target} holds a chroma_nb database already; give another directory, or replace=True")
        _refuse_if_in_use(target)

    def work() -> ImportReport:
        _clear_staging(target)
        _put_aside(target)
        return _import(source, target)

    return first_open(target, work)


def import_on_first_open(path: Path) -> None:
    """Import Chroma's files when ``path`` holds them and none of ours; say so when they have changed since."""
    if not (path / CHROMA_FILE).exists() and not is_from_before_04(path):
        _refuse_half_imported(path)
        return
    if (path / OUR_FILE).exists():
        _notice_changes(path)
        return
    if not os.access(path, os.W_OK | os.X_OK):
        raise InternalError(
            f"{path} was written by Chroma and nothing can be written beside its files; "
            "import it to another place: chroma_nb.import_chroma(path, elsewhere)"
        )

    def work() -> ImportReport | None:
        if (path / OUR_FILE).exists():  # another process was faster
            return None
        _clear_staging(path)
        return _import(path, path)

    report = first_open(path, work)
    if report is not None:
        say(f"chroma_nb: {report}")


def _refuse_half_imported(path: Path) -> None:
    if not (path / OUR_FILE).exists() and any(path.glob(f"{_STAGING}*")):
        raise InternalError(
            f"an import into {path} was broken off; run it again: chroma_nb.import_chroma(source, {str(path)!r})"
        )


def _notice_changes(path: Path) -> None:
    try:
        known = orjson.loads((path / RECORD_FOLDER / "report.json").read_bytes())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        return
    here = str(path.resolve())
    if fingerprint(path) != known and here not in _SPOKEN_OF:
        _SPOKEN_OF.add(here)
        warnings.warn(
            f"Chroma has written to {path} since its files were imported; what you see is what was imported and what "
            "chroma_nb wrote. To import again (what is here is put aside): "
            f"chroma_nb.import_chroma({str(path)!r}, {str(path)!r}, replace=True)",
            UserWarning,
            stacklevel=2,
        )


def _check_source(source: Path) -> None:
    with read_chroma(source):
        pass


def _refuse_if_in_use(target: Path) -> None:
    engine = Engine.open(target)
    shared = engine._references > 1
    engine.close()
    if shared:
        raise InternalError(f"{target} is in use in this process; close its clients, then import with replace=True")


def _put_aside(target: Path) -> None:
    """Move a database of ours, where there is one, into a folder of its own."""
    if not (target / OUR_FILE).exists():
        return
    aside = target / f"{_REPLACED}{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
    aside.mkdir(mode=0o700)
    # The database first: without it nothing of the rest counts.
    for name in (OUR_FILE, f"{OUR_FILE}-wal", "vectors", "cache", RECORD_FOLDER):
        if (target / name).exists():
            (target / name).rename(aside / name)


def _clear_staging(target: Path) -> None:
    """Remove what a killed import left behind; called with the directory locked."""
    left = [entry for entry in target.glob(f"{_STAGING}*") if entry.is_dir() and not entry.is_symlink()]
    if left and not (target / OUR_FILE).exists():
        for name in _OUR_FILES:
            shutil.rmtree(target / name, ignore_errors=True)
    for entry in left:
        shutil.rmtree(entry)


# --- The import itself --------------------------------------------------------------------------------


def _import(source: Path, target: Path) -> ImportReport:
    """Build in a folder apart, then move; called with ``target`` locked."""
    staging = target / f"{_STAGING}{secrets.token_hex(4)}"
    staging.mkdir(mode=0o700)
    try:
        with read_chroma(source) as directory:
            lost = _fill(staging, directory)
            changed = fingerprint(source) != directory.fingerprint
            if changed:
                directory.problems.append("Chroma wrote to its files while they were read; import again when it rests")
            report = _report(directory, target, lost)
            _write_record(staging / RECORD_FOLDER, report, directory.fingerprint)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    _move_in(staging, target)
    return report


def _fill(staging: Path, directory: ChromaDirectory) -> int:
    """Everything in ``directory``, in a new database in ``staging``; answers how many records have no vector."""
    engine = Engine.open(staging)
    try:
        for tenant in directory.tenants:
            adoption.adopt_tenant(engine, tenant)
        for database in directory.databases:
            adoption.adopt_database(engine, Database(id=database.id, name=database.name, tenant=database.tenant))
        with progress_bar(len(directory), description="importing Chroma's files", unit="record") as bar:
            return sum(_fill_collection(engine, staging, one, bar) for one in directory.collections)
    finally:
        engine.close()


def _fill_collection(engine: Engine, staging: Path, collection: ChromaCollection, bar: Any) -> int:
    model = CollectionModel(
        id=collection.id,
        name=_allowed_name(collection),
        configuration_json=collection.configuration,
        serialized_schema=collection.schema,
        metadata=collection.metadata,
        dimension=collection.dimension,
        tenant=collection.tenant,
        database=collection.database,
        embedding_model=_embedding_model(collection),
    )
    adoption.adopt_collection(engine, model, ef_search_is_set=collection.ef_search_set)
    lost = 0
    for batch in collection.batches(_BATCH):
        whole = batch
        if batch.has_embedding is not None:
            whole, without = _parted(batch)
            _write_lost(staging / RECORD_FOLDER, model, without)
            lost += len(without)
        if len(whole):
            engine.add(model.id, whole)
        bar.update(len(batch))
    return lost


def _embedding_model(collection: ChromaCollection) -> str | None:
    """The variant of the default model that made the vectors: Chroma has but one. None when it made none of them."""
    stored = (collection.configuration or {}).get("embedding_function") or {}
    by_default = stored.get("name") in ("default", "onnx_mini_lm_l6_v2")
    return "fp32" if by_default and collection.dimension == 384 else None


def _allowed_name(collection: ChromaCollection) -> str:
    """The collection's name, or one by its id when a damaged or old file has one that could not be used."""
    try:
        return validate.check_collection_name(collection.name)
    except ValueError:
        name = f"collection-{collection.id.hex[:8]}"
        collection.problems.append(f"its name {ascii(collection.name)[:60]} cannot be used; it is called {name!r}")
        return name


def _parted(batch: Records) -> tuple[Records, Records]:
    """The records with a vector, and those without."""
    there = np.asarray(batch.has_embedding)
    return _some(batch, np.flatnonzero(there)), replace(_some(batch, np.flatnonzero(~there)), embeddings=None)


def _some(batch: Records, places: np.ndarray[Any, np.dtype[np.intp]]) -> Records:
    def chosen(values: Any) -> Any:
        return None if values is None else [values[place] for place in places.tolist()]

    return Records(
        ids=chosen(batch.ids),
        embeddings=None if batch.embeddings is None else batch.embeddings[places],
        documents=chosen(batch.documents),
        metadatas=chosen(batch.metadatas),
        uris=chosen(batch.uris),
    )


def _write_lost(folder: Path, model: CollectionModel, records: Records) -> None:
    """Records whose vector is gone, in a file that ``collection.from_jsonl`` takes."""
    folder.mkdir(mode=0o700, exist_ok=True)
    nothing = [None] * len(records)
    columns = (records.ids, records.documents or nothing, records.metadatas or nothing, records.uris or nothing)
    with (folder / f"{model.id}.without-vectors.jsonl").open("ab") as file:
        for one, document, metadata, uri in zip(*columns, strict=True):
            line = {"id": one, "document": document, "metadata": metadata, "uri": uri}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _report(directory: ChromaDirectory, target: Path, lost: int) -> ImportReport:
    return ImportReport(
        source=directory.path,
        target=target,
        collections=len(directory.collections),
        records=len(directory) - lost,
        lost=lost,
        complete=directory.complete,
        text=directory.report(),
        folder=target / RECORD_FOLDER,
        notes=tuple(directory.notes),
    )


def _write_record(folder: Path, report: ImportReport, mark: str) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    content = {
        "fingerprint": mark,
        "imported_at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "source": str(report.source.resolve()),
        "collections": report.collections,
        "records": report.records,
        "lost": report.lost,
        "complete": report.complete,
        "report": report.text.splitlines(),
    }
    (folder / "report.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))


def _move_in(staging: Path, target: Path) -> None:
    """Put the finished files into their place; from the last rename on the import is there, before it is not."""
    for name in _OUR_FILES:
        if (staging / name).exists():
            (staging / name).rename(target / name)
    _sync(target)
    shutil.rmtree(staging)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
