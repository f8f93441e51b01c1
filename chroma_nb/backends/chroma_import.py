"""Import a Chroma directory into a directory of ours: by a call, or when it is first opened.

Chroma's files are only read. Ours are built in a separate directory and put into their place when they are complete
(``engine/storage/replacing.py``); until then the previous state counts. A fingerprint of Chroma's files is kept, so
that later changes to them are noticed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson

from chroma_nb import constraints
from chroma_nb.backends.reembedding import Reembedding
from chroma_nb.embedding_functions.progress import progress_bar, say
from chroma_nb.engine import adoption
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import directory, replacing, sqlite
from chroma_nb.engine.storage.replacing import RECORD_FOLDER
from chroma_nb.engine.storage.sqlite import FILE_NAME as OUR_FILE
from chroma_nb.errors import ChromaError, InternalError
from chroma_nb.interchange.chroma_contents import ChromaCollection, ChromaDirectory
from chroma_nb.interchange.chroma_directory import fingerprint
from chroma_nb.interchange.chroma_parquet import is_from_before_04, read_chroma
from chroma_nb.interchange.chroma_sqlite import FILE_NAME as CHROMA_FILE
from chroma_nb.interchange.chroma_sqlite import ChromaDirectoryError, NothingOfChromasError, is_uuid
from chroma_nb.records import Records
from chroma_nb.types import CollectionModel, Database

_BATCH: Final = 5000
#: Directories whose changed Chroma files this process has spoken of already.
_SPOKEN_OF: set[str] = set()


@dataclass(frozen=True)
class ImportReport:
    """What ``import_chroma`` did. ``print`` shows it as a text.

    Attributes
    ----------
    source
        The directory of Chroma.
    target
        The directory of chroma_nb.
    collections
        How many collections were imported.
    records
        How many records were imported with their vector. ``reembedded`` ones are included.
    lost
        How many records were imported without a vector, because it could not be read. ``get`` and filters
        find them, ``query`` does not. ``reembed`` embeds them again.
    complete
        Whether everything could be read. If False, ``text`` lists the damage.
    text
        What was damaged, per collection.
    folder
        A directory with details of the import. It has the records without a vector as JSON Lines, too.
    notes
        Remarks about the import that do not concern lost data.
    reembedded
        How many records got a new vector from their document.
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
    reembedded: int = 0

    def __str__(self) -> str:
        count = self.records + self.lost
        line = f"imported {self.collections:,} collections with {count:,} records from {_from_here(self.source)}"
        if self.complete:
            return "\n".join((f"{line}; Chroma's files are unchanged", *self.notes))
        said = [f"{line}; some of it was damaged"]
        if self.reembedded:
            said.append(f"{self.reembedded:,} records were embedded again from their documents")
        if self.lost:
            said.append(
                f"{self.lost:,} records have no vector any more. get() and filters find them by their documents "
                "and metadata, query() does not. To embed them, call chroma_nb.reembed(collection)"
            )
        return f"{', '.join(said)}:\n{self.text}"


def _from_here(path: Path) -> Path:
    """``path`` relative to the working directory, when it lies there and there is one."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):
        return path


def import_chroma(
    src: str | os.PathLike[str], dst: str | os.PathLike[str], *, replace: bool = False, reembed: bool = False
) -> ImportReport:
    """Import a directory that Chroma wrote.

    Directories of Chroma 0.3 to 1.5.9 can be imported. Tenants, databases, collections and records are
    imported, with their ids, their order and their exact vectors. The package chromadb is not needed,
    and the files in ``src`` are not changed. Damaged records are skipped and listed in the report. If
    the import fails or is interrupted, ``dst`` stays as it was.

    Parameters
    ----------
    src
        The directory of Chroma.
    dst
        The directory for chroma_nb. It can be the same as ``src``.
    replace
        Replace a database that ``dst`` holds already. The old one is moved to a directory beside it. By
        default an existing database is an error.
    reembed
        Embed records whose vector cannot be read from their documents. Only an embedding function that
        the collection stores is used.

    Returns
    -------
    ImportReport
        What was imported, and what was damaged.

    Raises
    ------
    ChromaDirectoryError
        ``src`` is not a directory of Chroma, or nothing in it can be read. The error is also a
        ``ValueError``.
    InternalError
        ``dst`` already holds a database and ``replace`` is False, or a client has it open.

    Examples
    --------
    >>> import chroma_nb
    >>> chroma_nb.import_chroma("no-such-place", "elsewhere")
    Traceback (most recent call last):
    chroma_nb.interchange.chroma_sqlite.ChromaDirectoryError: Expected a directory written by Chroma, ...
    """
    source, target = Path(src), Path(dst)
    with _in_words(source, target):
        with read_chroma(source):
            pass  # nothing is made when there is nothing to import
        directory.make(target)
        return SharedEngine.alone(target, lambda: _import_by_hand(source, target, replace=replace, reembed=reembed))


def _import_by_hand(source: Path, target: Path, *, replace: bool, reembed: bool) -> ImportReport:
    """What ``import_chroma`` does with ``target`` locked."""
    replacing.finish_switches(target)
    if not replace:
        directory.refuse_lost(target)
    if (target / OUR_FILE).exists():
        if not replace:
            raise InternalError(
                f"{target} already holds a chroma_nb database. Choose another directory, or pass replace=True."
            )
        _refuse_if_in_use(target)
    replacing.sweep(target)
    return _import(source, target, reembed=reembed)


@contextlib.contextmanager
def _in_words(source: Path, target: Path) -> Iterator[None]:
    """What the system refuses while files are imported is an InternalError that says so."""
    try:
        yield
    except OSError as error:
        if error.filename is None or isinstance(error, ChromaError):  # another's: an embedding function's, a provider's
            raise
        raise InternalError(
            f"cannot import {source} into {target} ({error.strerror}: {error.filename}); nothing was changed there"
        ) from error


def import_on_first_open(path: Path) -> None:
    """Bring a directory into the state in which it can be opened.

    An import that died is undone, Chroma's files are imported when there are none of ours, and it is said when they
    have changed since.
    """
    chromas = (path / CHROMA_FILE).exists() or is_from_before_04(path)
    if (path / OUR_FILE).exists():
        _tidy(path)
        if chromas:
            _notice_changes(path)
        return

    def work() -> ImportReport | None:
        """Import what is there, unless it was imported before; done while nobody else opens the directory."""
        writable = os.access(path, os.W_OK | os.X_OK)
        if writable:
            replacing.finish_switches(path)
        if (path / OUR_FILE).exists():  # put back, or another process was faster
            replacing.sweep(path)
            return None
        _refuse_unfinished(path, chromas)
        directory.refuse_lost(path)
        if not chromas:
            return None
        if not writable:
            raise InternalError(
                f"{path} was written by Chroma, and the directory is read-only. Import it into another directory: "
                "chroma_nb.import_chroma(path, other_directory)."
            )
        replacing.sweep(path)
        try:
            return _import(path, path)
        except NothingOfChromasError as error:
            _refuse_emptied(path, error)
            return None  # as in Chroma, a new database begins here; the file stays as it is

    with _in_words(path, path):
        report = SharedEngine.alone(path, work)
    if report is not None:
        say(f"chroma_nb: {report}")


def _refuse_emptied(path: Path, error: NothingOfChromasError) -> None:
    """Raise when the folders with Chroma's vectors say that its file was not empty."""
    folders = [entry.name for entry in path.iterdir() if is_uuid(entry.name) and entry.is_dir()]
    if folders:
        raise ChromaDirectoryError(
            f"{path / CHROMA_FILE} holds no data of Chroma, but next to it are {len(folders):,} folders with "
            f"vectors ({min(folders)}, ...). The file was lost: restore it from a backup. To start again with "
            "an empty database, move the folders away. Nothing was changed."
        ) from error


def _tidy(path: Path) -> None:
    """Remove what dead imports left beside a database, which none of it has anything to do with."""

    def work() -> None:
        """Finish or undo what an import that was broken off left behind."""
        if (path / OUR_FILE).exists():
            replacing.finish_switches(path)
            replacing.sweep(path)

    if replacing.unfinished(path) and os.access(path, os.W_OK | os.X_OK) and not SharedEngine.is_open(path):
        SharedEngine.alone(path, work)


def _refuse_unfinished(path: Path, chromas: bool) -> None:
    """Nothing but an unfinished import is not an empty directory."""
    if any(folder.name.startswith(replacing.SWITCHING) for folder in replacing.unfinished(path)):
        raise InternalError(
            f"An import into {path} was interrupted while it moved files. Open the directory once where it can "
            "be written; the files are then put back."
        )
    if not chromas and replacing.unfinished(path):
        raise InternalError(
            f"An import into {path} was interrupted. Run it again: chroma_nb.import_chroma(source, {str(path)!r})."
        )


def _notice_changes(path: Path) -> None:
    here = str(path.resolve())
    if here in _SPOKEN_OF:
        return
    try:
        known = orjson.loads((path / RECORD_FOLDER / "report.json").read_bytes())["fingerprint"]
    except (OSError, ValueError, KeyError, TypeError):
        changed = _holds_collections(path)  # it was begun beside an empty file of Chroma's
    else:
        changed = fingerprint(path) != known
    if changed:
        _SPOKEN_OF.add(here)
        warnings.warn(
            f"Chroma has written to {path} since its files were imported. You see the records that were "
            "imported and those that chroma_nb wrote. To import again (what is here is moved aside): "
            f"chroma_nb.import_chroma({str(path)!r}, {str(path)!r}, replace=True)",
            UserWarning,
            stacklevel=2,
        )


def _holds_collections(path: Path) -> bool:
    try:
        with read_chroma(path) as found:
            return bool(found.collections)
    except (ChromaError, OSError, sqlite3.Error):
        return False


def _refuse_if_in_use(target: Path) -> None:
    if not sqlite.alone_with(target / OUR_FILE):
        raise InternalError(f"{target} is in use by another process. End it or close its clients, and try again.")


# --- The import itself --------------------------------------------------------------------------------


def _import(source: Path, target: Path, *, reembed: bool = False) -> ImportReport:
    """Build in a folder apart, then put it in place; called with ``target`` locked."""
    staging = replacing.begin(target)
    try:
        with read_chroma(source) as found:
            reembedded = _fill(staging, found, reembed)
            changed = fingerprint(source) != found.fingerprint
            if changed:
                found.problems.append("Chroma wrote to its files while they were read. Stop Chroma and import again.")
            report = _report(found, target, reembedded)
            _write_record(staging / RECORD_FOLDER, report, found.fingerprint)
        if (target / OUR_FILE).exists():
            _refuse_if_in_use(target)
        replacing.switch(staging)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return report


def _fill(staging: Path, found: ChromaDirectory, reembed: bool) -> int:
    """Everything that was found, in a new database in ``staging``; returns how many records were embedded again."""
    engine = SharedEngine.open(staging)
    try:
        for tenant in found.tenants:
            adoption.adopt_tenant(engine, tenant)
        for database in found.databases:
            adoption.adopt_database(engine, Database(id=database.id, name=database.name, tenant=database.tenant))
        with progress_bar(len(found), description="importing Chroma's files", unit="record") as bar:
            return sum(_fill_collection(engine, staging, one, reembed, bar) for one in found.collections)
    finally:
        engine.close()


def _fill_collection(engine: Engine, staging: Path, collection: ChromaCollection, reembed: bool, bar: Any) -> int:
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
    without: list[str] = []
    reembedding = Reembedding(model, len(collection.lost)) if reembed and collection.lost else None
    for batch in collection.batches(_BATCH):
        if reembedding is not None:
            batch = reembedding.filled(batch)
        if batch.has_embedding is not None:
            lost = batch.take(np.flatnonzero(~batch.has_embedding))
            _write_lost(staging / RECORD_FOLDER, model, lost)
            without += lost.ids
        engine.adopt(model.id, batch)
        bar.update(len(batch))
    collection.lost[:] = without
    if reembedding is None:
        return 0
    collection.problems += reembedding.problems
    if reembedding.done and reembedding.variant is not None:
        engine.update_settings(model.id, {"embedding_model": reembedding.variant})
    return reembedding.done


def _embedding_model(collection: ChromaCollection) -> str | None:
    """The variant of the default model that made the vectors: Chroma has but one. None when it made none of them."""
    if collection.lost and len(collection.lost) == len(collection):
        return None
    stored = (collection.configuration or {}).get("embedding_function") or {}
    by_default = stored.get("name") in ("default", "onnx_mini_lm_l6_v2")
    return "fp32" if by_default and collection.dimension == 384 else None


def _allowed_name(collection: ChromaCollection) -> str:
    """The collection's name, or one by its id when a damaged or old file has one that could not be used."""
    try:
        return constraints.check_collection_name(collection.name)
    except ValueError:
        name = f"collection-{collection.id.hex[:8]}"
        collection.problems.append(
            f"its name {ascii(collection.name)[:60]} is not allowed; it was imported as {name!r}"
        )
        return name


def _write_lost(folder: Path, model: CollectionModel, records: Records) -> None:
    """Records whose vector is gone, in a file that ``collection.from_jsonl`` takes."""
    folder.mkdir(mode=0o700, exist_ok=True)
    with (folder / f"{model.id}.without-vectors.jsonl").open("ab") as file:
        for one in records.rows():
            line = {"id": one.id, "document": one.document, "metadata": one.metadata, "uri": one.uri}
            file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def _report(found: ChromaDirectory, target: Path, reembedded: int) -> ImportReport:
    lost = sum(len(one.lost) for one in found.collections)
    return ImportReport(
        source=found.path,
        target=target,
        collections=len(found.collections),
        records=len(found) - lost,
        lost=lost,
        complete=found.complete,
        text=found.report(),
        folder=target / RECORD_FOLDER,
        notes=tuple(found.notes),
        reembedded=reembedded,
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
        "reembedded": report.reembedded,
        "complete": report.complete,
        "report": report.text.splitlines(),
    }
    (folder / "report.json").write_bytes(orjson.dumps(content, option=orjson.OPT_INDENT_2))
