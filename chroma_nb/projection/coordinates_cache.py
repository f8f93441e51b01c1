"""Coordinates kept between sessions, found by what they were made from. Numbers only: no ids, no text.

Derived data: whatever is odd about a file is a reason to forget it. ``.npz`` without pickle.
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
from chroma_nb.types import Matrix

#: Maps kept in one directory; the ones not used for longest go first.
MOST: Final = 32
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
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                coordinates: Matrix = stored["coordinates"]
            if coordinates.shape == shape and coordinates.dtype == np.float32 and np.isfinite(coordinates).all():
                _touch(path)
                return coordinates
        except UNREADABLE:
            continue
    return None


def _touch(path: Path) -> None:
    with contextlib.suppress(OSError):  # a directory that may only be read
        os.utime(path)


def save(places: Sequence[Path], name: str, coordinates: Matrix) -> Path | None:
    """Keep coordinates in the first place that can be written; None when none can."""
    for place in places:
        draft = place / f"map-{secrets.token_hex(8)}.part"
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                np.savez(file, coordinates=coordinates)
            draft.replace(place / f"map-{name}.npz")
            _forget_oldest(place)
            return place / f"map-{name}.npz"
        except OSError:
            with contextlib.suppress(OSError):
                draft.unlink()
    return None


def _forget_oldest(place: Path) -> None:
    kept = sorted(place.glob("map-*.npz"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[MOST:]:
        path.unlink(missing_ok=True)
