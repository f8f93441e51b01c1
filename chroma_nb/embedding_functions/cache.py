"""Vectors kept from one run of a cell to the next: a SQLite file of text hash and vector, for any model.

It holds no text. It may be deleted at any time, is shared by kernels, and never fails a call: what it cannot give
is embedded.
"""

from __future__ import annotations

import copy
import hashlib
import os
import sqlite3
import warnings
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from chroma_nb import _locks
from chroma_nb._reentry import is_running
from chroma_nb.embedding_functions.base import AnyEmbeddingFunction, Config, EmbeddingFunction
from chroma_nb.embedding_functions.batches import distinct, in_batches, items_of
from chroma_nb.embedding_functions.progress import progress_bar
from chroma_nb.types import Embeddings, Json, Matrix, Space

D = TypeVar("D", contravariant=True)

#: Vectors kept, by default: some 800 MB of 384 numbers each.
MAX_VECTORS = 500_000
#: "emb1", so that neither is taken for the other: a cache and another program's file.
APPLICATION_ID = 0x656D6231
BUSY_SECONDS = 10.0
#: SQLite's codes for a file that cannot be written now (full, or not ours to write), and may be read all the same ...
_UNWRITTEN = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}
#: ... and for one that is damaged or something else.
_NO_DATABASE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
#: Texts embedded before their vectors are kept: what an interrupt may lose.
KEPT_AT_ONCE = 1024

SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    number INTEGER PRIMARY KEY,   -- order of arrival
    model BLOB NOT NULL,          -- hash
    text BLOB NOT NULL,           -- hash
    vector BLOB NOT NULL,         -- little-endian float32
    UNIQUE (model, text)
)
"""
FIND = "SELECT vector FROM vectors WHERE model = ? AND text = ?"
KEEP = "INSERT OR IGNORE INTO vectors (model, text, vector) VALUES (?, ?, ?)"
#: Numbers are given in order and taken away from below, so the span is the count; counting would read the file.
SPAN = "SELECT coalesce(max(number), 0) - coalesce(min(number), 1) + 1, coalesce(max(number), 0) FROM vectors"
DROP = "DELETE FROM vectors WHERE number <= ?"

_Vector = Matrix


def default_path() -> Path:
    """Where ``cached`` keeps vectors when no path is given."""
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "chroma_nb" / "embeddings.sqlite3"


def cached(
    ef: EmbeddingFunction[D], path: str | os.PathLike[str] | None = None, *, max_vectors: int = MAX_VECTORS
) -> EmbeddingFunction[D]:
    """Let an embedding function remember its vectors in a file.

    Texts that are in the file are not embedded again. The file holds hashes of the texts and the vectors, no texts.
    Several notebooks may use it at the same time, and you can delete it at any time.

    Parameters
    ----------
    ef
        The embedding function. It needs a name and a configuration, which identify the model.
    path
        The file, an SQLite database. The default is ``embeddings.sqlite3`` in ``~/.cache/chroma_nb``
        (``$XDG_CACHE_HOME/chroma_nb``, if that variable is set).
    max_vectors
        How many vectors to keep. When there are more, the oldest are dropped. 500,000 vectors of 384 dimensions
        take about 800 MB.

    Returns
    -------
    EmbeddingFunction
        A function that you can use like ``ef``. A collection stores it as it would store ``ef``.

    Raises
    ------
    ValueError
        ``ef`` has no name or no configuration, ``path`` is another kind of file, or ``max_vectors`` is less than 1.

    Notes
    -----
    Documents and queries are remembered separately if the model treats them differently. Images are not remembered.
    If the file cannot be read or written, a warning says so and the vectors are computed.

    Examples
    --------
    >>> import tempfile
    >>> from chroma_nb.embedding_functions import DefaultEmbeddingFunction
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     ef = cached(DefaultEmbeddingFunction(), path=f"{folder}/vectors.sqlite3")
    ...     len(ef(["a cat", "a dog"]))
    2
    """
    if max_vectors < 1:
        raise ValueError(f"Expected max_vectors to be at least 1, got {max_vectors}")
    if ef.is_legacy():
        raise ValueError(
            f"cached() recognizes a model by its name and configuration, and {type(ef).__name__} does not have "
            "both. Define name(), get_config() and build_from_config()."
        )
    vectors = VectorCache(default_path() if path is None else Path(path).expanduser(), max_vectors)
    # A class of its own, so that type(result).name() is that of ``ef`` wherever a class is asked.
    names: Json = {"registered_class": type(ef)}
    for name in ("name", "build_from_config", "validate_config"):
        names[name] = staticmethod(getattr(type(ef), name))
    made: type[CachedEmbeddingFunction[D]] = type("CachedEmbeddingFunction", (CachedEmbeddingFunction,), names)
    return made(ef, vectors)


def cached_if_possible(ef: EmbeddingFunction[D], path: Path, max_vectors: int = MAX_VECTORS) -> EmbeddingFunction[D]:
    """As ``cached``, for a file that nobody names now: if the file is something else, warn and do without."""
    try:
        return cached(ef, path=path, max_vectors=max_vectors)
    except ValueError as error:
        warnings.warn(str(error), stacklevel=2)
        return ef


class CachedEmbeddingFunction(EmbeddingFunction[D]):
    """The embedding function that ``cached`` returns.

    It behaves like the function inside (``embedding_function``), but looks into its file before it embeds a text.
    """

    def __init__(self, ef: EmbeddingFunction[D], vectors: VectorCache) -> None:
        self.embedding_function = ef
        self._vectors = vectors

    def __call__(self, input: D) -> Embeddings:
        return self._through(input, "document")

    def embed_query(self, input: D) -> Embeddings:
        """Embed queries. They are remembered separately from documents if the model treats the two differently."""
        return self._through(input, "query")

    def _through(self, input: D, kind: str) -> Embeddings:
        inner: Any = self.embedding_function
        ask = inner if kind == "document" or _same_for_questions(inner) else inner.embed_query
        items = items_of(input)
        if not items or not all(isinstance(item, str) for item in items):
            return ask(items)  # type: ignore[no-any-return]
        texts, places = distinct(items)
        model = model_hash(inner, "document" if ask is inner else kind)
        found = self._vectors.get(model, texts)
        missing = [text for text in texts if text not in found]
        with progress_bar(len(missing), description="embedding", unit="text"):
            for some in in_batches(missing, KEPT_AT_ONCE):
                made = dict(zip(some, ask(list(some)), strict=True))
                self._vectors.put(model, made)
                found |= made
        rows = [found[text] for text in texts]
        return rows if places is None else [rows[place].copy() for place in places]

    def for_collection(self, embedding_model: str | None, *, cache: Path | None = None) -> EmbeddingFunction[D]:
        """Return the function inside bound to a collection, with the same file."""
        inner: object = self.embedding_function
        if not hasattr(inner, "for_collection"):
            return self
        return type(self)(inner.for_collection(embedding_model), self._vectors)

    @property
    def embedding_model(self) -> str | None:
        """The variant of the model inside; None for a model that has only one."""
        return getattr(self.embedding_function, "embedding_model", None)

    def get_config(self) -> Config:
        """Return the configuration of the function inside."""
        return self.embedding_function.get_config()

    def default_space(self) -> Space:
        """Return the default distance of the function inside."""
        return self.embedding_function.default_space()

    def supported_spaces(self) -> list[Space]:
        """Return the distances that suit the vectors of the function inside."""
        return self.embedding_function.supported_spaces()

    def validate_config_update(self, old_config: Config, new_config: Config) -> None:
        """Raise a ValueError if the function inside does not allow the change."""
        self.embedding_function.validate_config_update(old_config, new_config)

    def __repr__(self) -> str:
        return f"cached({self.embedding_function!r})"

    # --- Copies: the file is shared ---

    def __copy__(self) -> EmbeddingFunction[D]:
        return type(self)(self.embedding_function, self._vectors)

    def __deepcopy__(self, memo: dict[int, Any]) -> EmbeddingFunction[D]:
        return type(self)(copy.deepcopy(self.embedding_function, memo), self._vectors)

    def __reduce__(self) -> tuple[Any, ...]:
        vectors = self._vectors
        return cached_if_possible, (self.embedding_function, vectors.path.absolute(), vectors.max_vectors)


def _same_for_questions(ef: object) -> bool:
    """Whether ``ef`` embeds a question as it does a document, so that one vector serves both."""
    return getattr(type(ef), "embed_query", None) is EmbeddingFunction.embed_query


def model_hash(ef: AnyEmbeddingFunction, kind: str) -> bytes:
    """What tells one model from another: name, configuration, and the variant where a name covers several."""
    # numpy's and Python's own reprs are stable; JSON would refuse what a class may have in its configuration
    described = (ef.name(), sorted(ef.get_config().items()), getattr(ef, "embedding_model", None), kind)
    return hashlib.blake2b(repr(described).encode(), digest_size=16).digest()


def text_hash(text: str) -> bytes:
    """The key of a text; any str has one."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


class VectorCache:
    """The file. A failure of it is said once, and from then on it is as if it were empty.

    On a full disk it is read on, and written again when there is room.
    """

    def __init__(self, path: Path, max_vectors: int) -> None:
        self.path = path
        self.max_vectors = max_vectors
        self._lock = _locks.RLock()  # a debugger that ends a call may leave it held: this thread goes on
        self._connection: sqlite3.Connection | None = None
        self._inherited: list[sqlite3.Connection] = []
        self._process = os.getpid()
        self._given_up = self._warned = False
        _refuse_other_files(path)

    def get(self, model: bytes, texts: Sequence[str]) -> dict[str, _Vector]:
        """The vectors there are."""
        found: dict[str, _Vector] = {}

        def find(connection: sqlite3.Connection) -> None:
            """Look up every text."""
            for text in texts:
                row = connection.execute(FIND, (model, text_hash(text))).fetchone()
                if row is not None:
                    found[text] = np.frombuffer(row[0], "<f4").astype(np.float32)

        self._work(find)
        return found

    def put(self, model: bytes, vectors: Mapping[str, object]) -> None:
        """Keep ``vectors``, and drop the oldest when there are too many."""
        rows = [(model, text_hash(text), np.asarray(vector, "<f4").tobytes()) for text, vector in vectors.items()]

        def keep(connection: sqlite3.Connection) -> None:
            """Insert the rows and drop the oldest, in one transaction."""
            with connection:
                connection.executemany(KEEP, rows)
                count, last = connection.execute(SPAN).fetchone()
                if count > self.max_vectors:
                    connection.execute(DROP, (last - self.max_vectors,))

        self._work(keep)

    def _work(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do ``work`` with the connection, for one thread at a time; not when the file cannot be used.

        Nor in the middle of other work of this thread (a signal handler that embeds, a callback): the lock is held
        and a transaction may be open, so that call computes its vectors and keeps none.
        """
        if not is_running(VectorCache._work_alone.__code__):
            self._work_alone(work)

    def _work_alone(self, work: Callable[[sqlite3.Connection], None]) -> None:
        self._leave_parents_connection()
        with self._lock:
            connection = None if self._given_up else self._connected()
            try:
                if connection is not None:
                    work(connection)
            except sqlite3.Error as error:
                if _code(error) not in _UNWRITTEN:
                    self._give_up(error)
                elif not self._warned:
                    self._warned = True
                    self._warn(f"cannot be written now: {error}. Vectors that are not in it are computed each time")

    def _connected(self) -> sqlite3.Connection | None:
        if self._connection is None:
            try:
                self._connection = _connect(self.path)
            except (sqlite3.Error, OSError) as error:
                self._give_up(error)
            else:
                weakref.finalize(self, _close, self._connection, self._process)
        return self._connection

    def _give_up(self, error: Exception) -> None:
        self._given_up = True
        self._warn(f"is not used: {error}. Vectors are computed instead. You can delete the file")

    def _warn(self, what: str) -> None:
        warnings.warn(f"The cache of embeddings {self.path} {what}.", stacklevel=7)

    def _leave_parents_connection(self) -> None:
        """In a forked child: SQLite's connections and a lock that may be held do not survive a fork."""
        if self._process != os.getpid():
            self._lock = _locks.RLock()
            if self._connection is not None:
                self._inherited.append(self._connection)
            self._connection = None
            self._process = os.getpid()  # last: an interrupt before leaves all of it to the next call


def _connect(path: Path) -> sqlite3.Connection:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Readable by its owner alone, as the database; SQLite gives its journals the mode of the file.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, check_same_thread=False)
    try:
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA synchronous = NORMAL")
        # One transaction, and before anything else that writes: another process sees an empty file or a cache.
        with connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(SCHEMA)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:  # others are at work; the mode is the file's, and one of them sets it
            pass
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _code(error: sqlite3.Error) -> int:
    """SQLite's result code without its extension; 0 for an error of Python's own module."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def _close(connection: sqlite3.Connection, process: int) -> None:
    if os.getpid() == process:
        connection.close()


def _refuse_other_files(path: Path) -> None:
    """Raise ValueError when ``path`` is a file of something else."""
    if not path.is_file() or path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA application_id").fetchone()[0]
    except sqlite3.Error as error:
        if _code(error) not in _NO_DATABASE:
            return  # not to be read now, as on a full disk: its users get the error
        raise ValueError(
            f"Expected {path} to be a cache of embeddings, got a file that SQLite cannot read ({error}). "
            "Choose a new file name."
        ) from error
    if found != APPLICATION_ID:
        raise ValueError(f"Expected {path} to be a cache of embeddings, got another database. Choose a new file name.")
