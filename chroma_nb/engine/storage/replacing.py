"""Replace a database by a new one: build it beside the old one, switch at the end, undo the switch if it fails.

The names in the directory show its progress, so that the next opening after a kill knows what counts:

``chroma_nb-importing-X``: being built, or given up; nothing in it counts.
``chroma_nb-switching-X``: complete, files are being moved. As long as its database is in it, the old one counts, and
``finish_switches`` puts it back. The move of the database, which comes last, is the switch; then only the folder is
left.
``chroma_nb-replaced-X``: the previous contents. They are kept.

Everything here is called with the directory locked (``SharedEngine.alone``).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import time
from pathlib import Path
from typing import Final

from chroma_nb.engine.storage.sqlite import FILE_NAME
from chroma_nb.engine.storage.vectors import sync_directory

#: The folder beside the database in which an import keeps its report.
RECORD_FOLDER: Final = "chroma_nb-import"
REPLACED: Final = "chroma_nb-replaced-"
_BUILDING: Final = "chroma_nb-importing-"
SWITCHING: Final = "chroma_nb-switching-"
#: The beginnings of the names of unfinished folders.
UNFINISHED: Final = (_BUILDING, SWITCHING)

#: The names that are moved into the directory; all of them exist, and the database is last.
_NEW: Final = (RECORD_FOLDER, "vectors", FILE_NAME)
#: The names that are moved out of it, the database first: without it the rest is not taken for a database.
_OLD: Final = (
    *(FILE_NAME + ending for ending in ("", "-wal", "-shm", "-journal")),
    "vectors",
    "cache",
    RECORD_FOLDER,
)


def begin(directory: Path) -> Path:
    """A new folder in ``directory`` to build a database in."""
    folder = directory / f"{_BUILDING}{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    return folder


def switch(built: Path) -> None:
    """Move the database in ``built`` into its parent directory; the previous contents go to another folder.

    If anything fails, the old database is back in its place and ``built`` has its name again.
    """
    directory = built.parent
    ready, aside = _named(built, SWITCHING), _named(built, REPLACED)
    for name in _NEW[:-1]:
        (built / name).mkdir(mode=0o700, exist_ok=True)  # so a name that is missing was moved
    _sync_below(built)
    try:
        # A loss of power may keep names in any order, except for the syncs. They ensure that the folder aside exists
        # only if the ready one has its name, that both exist before anything is moved, that old files leave before new
        # ones come (SQLite would take an old log for that of the new database), and that the database comes last.
        built.rename(ready)
        sync_directory(directory)
        old = [name for name in _OLD if os.path.lexists(directory / name)]
        if old:
            aside.mkdir(mode=0o700)
        sync_directory(directory)
        for name in old:
            (directory / name).rename(aside / name)
        if old:
            sync_directory(aside)
        for name in _NEW[:-1]:
            (ready / name).rename(directory / name)
        sync_directory(directory)
        (ready / FILE_NAME).rename(directory / FILE_NAME)
        sync_directory(directory)
    except BaseException:
        with contextlib.suppress(OSError):  # the next opening puts back what cannot be put back now
            if ready.exists() and not (ready / FILE_NAME).exists():
                (directory / FILE_NAME).rename(ready / FILE_NAME)
            _finish_switch(ready)
        raise
    shutil.rmtree(ready, ignore_errors=True)


def finish_switches(directory: Path) -> None:
    """Finish every switch of a process that died: either the old database is back, or the new one is in place."""
    for folder in sorted(directory.glob(f"{SWITCHING}*")):
        if folder.is_dir() and not folder.is_symlink():
            _finish_switch(folder)


def _finish_switch(ready: Path) -> None:
    directory, aside = ready.parent, _named(ready, REPLACED)
    if (ready / FILE_NAME).exists():
        for name in _NEW[:-1]:
            if not os.path.lexists(ready / name) and os.path.lexists(directory / name):
                (directory / name).rename(ready / name)
        sync_directory(ready)  # else files that are put back could be taken for files to be moved away
        for name in reversed(_OLD):
            if os.path.lexists(aside / name):
                (aside / name).rename(directory / name)
        with contextlib.suppress(OSError):
            aside.rmdir()
        sync_directory(directory)
        ready.rename(_named(ready, _BUILDING))
        sync_directory(directory)  # before its database is removed: the old name without a database would be refused
    elif (directory / FILE_NAME).exists():
        sync_directory(directory)  # the process that moved it here may have died before this
        shutil.rmtree(ready, ignore_errors=True)


def unfinished(directory: Path) -> list[Path]:
    """Folders of unfinished imports: running ones, or dead ones if the directory is locked."""
    with contextlib.suppress(OSError):
        return [folder for folder in directory.iterdir() if folder.name.startswith(UNFINISHED)]
    return []


def sweep(directory: Path) -> None:
    """Remove the databases of dead imports; call ``finish_switches`` first."""
    for folder in unfinished(directory):
        if folder.name.startswith(_BUILDING) and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _named(folder: Path, beginning: str) -> Path:
    """The folder of the same import with another beginning of its name."""
    return folder.with_name(beginning + folder.name.removeprefix(_BUILDING).removeprefix(SWITCHING))


def _sync_below(folder: Path) -> None:
    """Sync the files and names in ``folder``; the database and the vectors are synced already."""
    for file in (folder / RECORD_FOLDER).iterdir():
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for below in (folder / RECORD_FOLDER, folder / "vectors", folder):
        sync_directory(below)
