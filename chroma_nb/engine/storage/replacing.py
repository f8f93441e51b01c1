"""Replace a database by a new one: build it beside the old one, switch at the end, undo that if it fails.

The names in the directory say how far it came, so that whoever opens it after a kill knows what counts:

``chroma_nb-importing-X``: being built, or given up; nothing in it counts.
``chroma_nb-switching-X``: complete, files are being moved. As long as its database is in it, the old one counts, and
``finish_switches`` puts it back. The move of the database, which comes last, is the switch; then only the folder is
left.
``chroma_nb-replaced-X``: what was there before. It is kept.

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

#: Where an import keeps its report, beside the database.
RECORD_FOLDER: Final = "chroma_nb-import"
REPLACED: Final = "chroma_nb-replaced-"
_BUILDING: Final = "chroma_nb-importing-"
SWITCHING: Final = "chroma_nb-switching-"
#: How the names of what is not finished begin.
UNFINISHED: Final = (_BUILDING, SWITCHING)

#: What is moved into the directory, all of it always there, the database last.
_NEW: Final = (RECORD_FOLDER, "vectors", FILE_NAME)
#: What is moved out of it, the database first: without it nobody takes the rest for a database.
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
    """Put the database in ``built`` into its parent directory; what was there goes to a folder of its own.

    Whatever fails, the old database is back in its place and ``built`` has its name again.
    """
    directory = built.parent
    ready, aside = _named(built, SWITCHING), _named(built, REPLACED)
    for name in _NEW[:-1]:
        (built / name).mkdir(mode=0o700, exist_ok=True)  # so that a name that is not there was moved
    _sync_below(built)
    try:
        # A loss of power may keep names in any order, but for the syncs: there is a folder aside only where the one
        # that is ready has its name, both are there before anything is moved, what is old has left before what is new
        # comes (SQLite would take an old log for that of the new database), and the database comes when all else is
        # there.
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
        with contextlib.suppress(OSError):  # what cannot be put back now, the next opening puts back
            if ready.exists() and not (ready / FILE_NAME).exists():
                (directory / FILE_NAME).rename(ready / FILE_NAME)
            _finish_switch(ready)
        raise
    shutil.rmtree(ready, ignore_errors=True)


def finish_switches(directory: Path) -> None:
    """End every switch that somebody did not live to end: the old database is back, or the new one is in place."""
    for folder in sorted(directory.glob(f"{SWITCHING}*")):
        if folder.is_dir() and not folder.is_symlink():
            _finish_switch(folder)


def _finish_switch(ready: Path) -> None:
    directory, aside = ready.parent, _named(ready, REPLACED)
    if (ready / FILE_NAME).exists():
        for name in _NEW[:-1]:
            if not os.path.lexists(ready / name) and os.path.lexists(directory / name):
                (directory / name).rename(ready / name)
        sync_directory(ready)  # else what is put back could be taken for what was to be moved away
        for name in reversed(_OLD):
            if os.path.lexists(aside / name):
                (aside / name).rename(directory / name)
        with contextlib.suppress(OSError):
            aside.rmdir()
        sync_directory(directory)
        ready.rename(_named(ready, _BUILDING))
        sync_directory(directory)  # before its database is removed: under the old name, without it, it is refused
    elif (directory / FILE_NAME).exists():
        sync_directory(directory)  # whoever moved it here may have died before
        shutil.rmtree(ready, ignore_errors=True)


def unfinished(directory: Path) -> list[Path]:
    """Folders of imports that are not finished: under way, or dead when the directory is locked."""
    with contextlib.suppress(OSError):
        return [folder for folder in directory.iterdir() if folder.name.startswith(UNFINISHED)]
    return []


def sweep(directory: Path) -> None:
    """Remove what dead imports had built; ``finish_switches`` comes first."""
    for folder in unfinished(directory):
        if folder.name.startswith(_BUILDING) and folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)


def _named(folder: Path, beginning: str) -> Path:
    """The folder of the same import whose name begins in another way."""
    return folder.with_name(beginning + folder.name.removeprefix(_BUILDING).removeprefix(SWITCHING))


def _sync_below(folder: Path) -> None:
    """See the files and names in ``folder`` on the disk; the database and the vectors have seen to themselves."""
    for file in (folder / RECORD_FOLDER).iterdir():
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    for below in (folder / RECORD_FOLDER, folder / "vectors", folder):
        sync_directory(below)
