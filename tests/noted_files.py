"""Files in the cache that count once the catalog notes them: engines over such a file, and how it is damaged."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

from chroma_nb.engine.engine import Engine


@contextmanager
def opened(path: Path, durability: Any = "process") -> Iterator[Engine]:
    """An engine of a directory, which is made if need be."""
    path.mkdir(exist_ok=True)
    engine = Engine(path, durability=durability)
    try:
        yield engine
    finally:
        engine.close()


def its_id(engine: Engine) -> UUID:
    """The collection of these tests."""
    return engine.get_collection("words", "default_tenant", "default_database").id


def _holding(change: Callable[[bytes], bytes]) -> Callable[[Path, Path], object]:
    return lambda file, before: file.write_bytes(change(file.read_bytes()))


def _flipped(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


def _directory(file: Path, before: Path) -> None:
    file.unlink()
    file.mkdir()


def _link(file: Path, before: Path) -> None:
    file.unlink()
    file.symlink_to(before)


#: Name -> what is done to a file; the second path is a copy of the file that was noted before it.
DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda file, before: file.unlink(),
    "empty": _holding(lambda data: b""),
    "truncated": _holding(lambda data: data[:-1]),
    "longer": _holding(lambda data: data + b"\0"),
    "flipped": _holding(_flipped),
    "garbage": _holding(lambda data: os.urandom(len(data))),
    "directory": _directory,
    "link": _link,
    "of before": lambda file, before: shutil.copy(before, file),
}
