"""Chroma directories of seven versions, unpacked, and what Chroma itself said they hold."""

import json
import lzma
import tarfile
from pathlib import Path

FIXTURES = Path(__file__).parent / "fixtures"
SMALL = ["chroma-0.4.24", "chroma-0.5.3", "chroma-0.5.23", "chroma-1.0.20", "chroma-1.3.7"]
LARGE = ["chroma-0.x", "chroma-1.5.9"]


def unpack(name, into):
    """A fresh copy of the directory ``name`` in ``into``; the answer is its path."""
    with tarfile.open(FIXTURES / f"{name}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return Path(into) / name


def expected(name):
    """What Chroma answered about it."""
    with lzma.open(FIXTURES / f"{name}.expected.json.xz", "rt") as file:
        return json.load(file)
