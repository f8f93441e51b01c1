"""Files in ``cache/`` that are named ``<collection uuid>.<generation>.<kind>``: create, open, find and drop them.

Derived data: a lost file can be built again, so a file with any fault is dropped. The contents are defined
in ``index/code_files.py``, ``memory/row_files.py`` and ``memory/word_files.py``. HNSW indexes have other names
(``index/graph_files.py``).

Files that are built from records and cannot be compared with them quickly (rows, words) are *noted*: the catalog holds
the checksum and the seq of the last one, so a file of another history, such as that of a restored backup, is not used.
"""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
import stat
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from chroma_nb.engine import locks
from chroma_nb.engine.storage.catalog import CollectionRow
from chroma_nb.engine.storage.vectors import TEMPORARY, sync_directory
from chroma_nb.types import Json

T = TypeVar("T")

CODES: Final = ".codes"
ROWS: Final = ".rows"
WORDS: Final = ".words"
_KINDS: Final = (CODES, ROWS, WORDS)
#: Kinds that hold ids or words of records, which may have been deleted.
_WITH_TEXT: Final = (ROWS, WORDS)


class OddFileError(Exception):
    """The file is not what we would have written."""


def demand(truth: Any, otherwise: str) -> None:
    """Raise OddFileError with the message ``otherwise``, unless ``truth`` is true."""
    if not truth:
        raise OddFileError(otherwise)


def path_of(directory: Path, collection_id: str, generation: int, kind: str) -> Path:
    """The path of the file of a kind, if there is one."""
    return directory / f"{collection_id}.{generation}{kind}"


def make(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Write a draft and rename it: there is either the complete new file or the previous one."""
    # Locked until it has its name: a sweep then sees that the file is being written.
    draft, descriptor = locks.create_claimed(lambda: path.with_name(f"{path.name}.{secrets.token_hex(8)}{TEMPORARY}"))
    try:
        with os.fdopen(descriptor, "rb+") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
            draft.rename(path)
        sync_directory(path.parent)
    except BaseException:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
        raise


def link(path: Path, other: Path) -> None:
    """Link a file that is never changed under a second name; OSError if the file system has no such links."""
    os.link(path, other, follow_symlinks=False)
    sync_directory(other.parent)


def open_regular(path: Path, flags: int) -> int:
    """Open a regular file; a link, pipe or device is refused."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OddFileError("not a file")
    return descriptor


def unlink(*paths: Path) -> None:
    """Remove invalid files, if that is allowed."""
    for path in paths:
        with suppress(OSError):  # a read-only directory: the file stays and is refused again
            path.unlink(missing_ok=True)


# --- files that the catalog notes ---------------------------------------------------------------------------------
def noted(row: CollectionRow, kind: str) -> Json | None:
    """The checksum and the seq of the latest file of a kind that was built from these records."""
    found = row.settings.get(kind.removeprefix("."))
    right = isinstance(found, dict) and isinstance(found.get("sha256"), str) and isinstance(found.get("seq"), int)
    return found if right else None


def note(row: CollectionRow, kind: str, seq: int, sha256: str) -> Json:
    """The settings that note a file of a collection."""
    name = kind.removeprefix(".")
    return {**row.settings, name: {"seq": seq, "generation": row.generation, "sha256": sha256}}


def save_to_be_noted(
    directory: Path, collection_id: str, generation: int, kind: str, pieces: Sequence[bytes], what: str
) -> str | None:
    """Write a file; returns its checksum, to be noted before the file is used. A failure is a warning and None."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        make(path_of(directory, collection_id, generation, kind), pieces)
    except OSError as error:
        warnings.warn(
            f"{what} could not be saved in {directory} ({error}). It is created again when it is needed.",
            RuntimeWarning,
            stacklevel=3,
        )
        return None
    return digest.hexdigest()


def share_noted(directory: Path, collection_id: str, fork_id: str, generation: int, kind: str) -> None:
    """Share the file of a collection with its fork, which has the same settings and so the same note."""
    link(*(path_of(directory, ident, generation, kind) for ident in (collection_id, fork_id)))


def load_noted(
    directory: Path, row: CollectionRow, kind: str, read: Callable[[memoryview], T], *, mapped: bool = True
) -> T | None:
    """What ``read`` returns for the file that the catalog names; None if there is no such file, or it is invalid.

    Another file stays: it may be about to be noted. A damaged one stays until the next is written.
    """
    expected = noted(row, kind)
    if expected is None or expected.get("generation") != row.generation or expected["seq"] > row.seq:
        return None
    try:
        with os.fdopen(open_regular(path_of(directory, row.id, row.generation, kind), os.O_RDONLY), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if mapped and size else file.read()
        data = memoryview(whole)
        return read(data) if hashlib.sha256(data).hexdigest() == expected["sha256"] else None
    except (OSError, ValueError, OddFileError):
        return None


# --- all files --------------------------------------------------------------------------------------------------
def exist(directory: Path) -> bool:
    """Whether there are files that ``sweep`` may have to remove."""
    return any(True for _ in _files(directory))


def sweep(directory: Path, generations: Mapping[str, int]) -> None:
    """Drop the files of deleted collections and of other generations, and the drafts of dead processes.

    ``generations``: by collection id. Only under the write lock, so that they are the latest.
    """
    known = {path_of(directory, *one, kind).name for one in generations.items() for kind in _KINDS}
    _remove(directory, lambda path: path.name not in known)


def drop(directory: Path, collection_id: str, *, before: int | None = None) -> bool:
    """Drop the files of a collection, or those of generations ``before`` one; returns whether there were any."""

    def unwanted(path: Path) -> bool:
        ident, generation, *_ = [*path.name.split("."), ""]
        return ident == collection_id and (before is None or not generation.isdigit() or int(generation) < before)

    return _remove(directory, unwanted)


def forget_texts(directory: Path) -> None:
    """Drop the files of rows and of words, which may have ids and words of deleted records."""
    _remove(directory, lambda path: path.suffix in _WITH_TEXT)


def clear(directory: Path) -> bool:
    """Drop all files to free space; returns whether there were any."""
    return _remove(directory, lambda path: True)


def _files(directory: Path) -> Iterator[Path]:
    for kind in _KINDS:
        for pattern in (f"*{kind}", f"*{kind}.*{TEMPORARY}"):
            yield from directory.glob(pattern)


def _remove(directory: Path, unwanted: Callable[[Path], bool]) -> bool:
    removed = False
    for path in list(_files(directory)):
        if path.suffix == TEMPORARY:
            _remove_abandoned(path)
        elif unwanted(path):
            unlink(path)
            removed = True
    return removed


def _remove_abandoned(path: Path) -> None:
    """Remove a draft, unless a process is writing it."""
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            if locks.claim(file.fileno()):
                path.unlink()
    except (OSError, OddFileError):
        pass  # another process was faster, or the file is not ours
