"""Coordinates kept between sessions, found by what they were made from. Numbers only: no ids, no text.

Derived data: a file with anything wrong is dropped. ``.npz`` without pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from chroma_nb.collection import Collection, directory
from chroma_nb.types import Array, Matrix

#: Maps kept in one directory; the ones not used for longest go first.
MOST: Final = 32
#: How the names of the maps begin that collections have (``kept_map.py``), and how many of them are kept.
KEPT: Final = "map-of-"
MOST_KEPT: Final = 256
_VERSION: Final = 1


def key(ids: Sequence[str], embeddings: Matrix, **parameters: object) -> str:
    """What names a map: its records, their vectors and how it is made.

    >>> vectors = np.zeros((1, 2), np.float32)
    >>> key(["a"], vectors, dims=2) == key(["a"], vectors, dims=3)
    False
    """
    content = hashlib.sha256(repr((_VERSION, embeddings.shape, sorted(parameters.items()))).encode())
    names = [id_.encode("utf-8", "surrogatepass") for id_ in ids]
    content.update(np.fromiter(map(len, names), np.int64, len(names)).tobytes())
    content.update(b"".join(names))
    content.update(np.ascontiguousarray(embeddings).data)
    return content.hexdigest()


def directories(collection: Collection) -> list[Path]:
    """Where a map of this collection may be kept: beside it if it is ours and on disk, else for the user."""
    own = directory(collection)
    return [_user_directory()] if own is None else [own / "cache", _user_directory()]


def _user_directory() -> Path:
    if root := os.environ.get("XDG_CACHE_HOME"):
        return Path(root) / "chroma_nb" / "maps"
    caches = Path("Library") / "Caches" if sys.platform == "darwin" else Path(".cache")
    return Path.home() / caches / "chroma_nb" / "maps"


#: What numpy raises for files that are damaged, or no archives of arrays.
UNREADABLE: Final = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)


def load(places: Sequence[Path], name: str, shape: tuple[int, int]) -> Matrix | None:
    """The coordinates of that name and shape, or None."""
    for place in places:
        path = place / f"map-{name}.npz"
        coordinates = (read(path) or {}).get("coordinates")
        if coordinates is None or coordinates.shape != shape or coordinates.dtype != np.float32:
            continue
        found: Matrix = coordinates.astype(np.float32)
        if np.isfinite(found).all():
            touch(path)
            return found
    return None


def save(places: Sequence[Path], name: str, coordinates: Matrix) -> Path | None:
    """Keep coordinates in the first place that can be written; None when none can."""
    return write(places, f"map-{name}.npz", coordinates=coordinates)


# --- Files ----------------------------------------------------------------------------------------------
def read(path: Path) -> dict[str, Array] | None:
    """The arrays of a file, or None where it is not there or cannot be read."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except UNREADABLE:
        return None


def touch(path: Path) -> None:
    """Note that a file was used."""
    with contextlib.suppress(OSError):  # a directory that may only be read
        os.utime(path)


def write(places: Sequence[Path], name: str, **arrays: Array) -> Path | None:
    """Write a file of arrays, whole or not at all, in the first place that can be written; None when none can."""
    for place in places:
        draft = place / f"map-{secrets.token_hex(8)}.part"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's stub takes allow_pickle for one
            draft.replace(place / name)
            _forget_oldest(place)
            return place / name
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
    return None


def newest_first(place: Path, pattern: str) -> list[Path]:
    """The files of these names, the one that was used last first."""
    dated: list[tuple[int, Path]] = []
    with contextlib.suppress(OSError):
        for path in place.glob(pattern):
            with contextlib.suppress(OSError):  # another process may have removed it
                dated.append((path.stat().st_mtime_ns, path))
    return [path for _, path in sorted(dated, key=lambda one: (-one[0], one[1].name))]


def _forget_oldest(place: Path) -> None:
    kept = newest_first(place, f"{KEPT}*.npz")
    others = [path for path in newest_first(place, "map-*.npz") if not path.name.startswith(KEPT)]
    for path in (*others[MOST:], *kept[MOST_KEPT:]):
        path.unlink(missing_ok=True)
