"""A directory that an earlier version wrote opens unchanged. The fixtures' maker: ``fixtures/make_format.py``."""

from __future__ import annotations

import json
import lzma
import sys
import tarfile
from pathlib import Path

import pytest

import chroma_nb

FIXTURES = Path(__file__).parent / "fixtures"
sys.path.insert(0, str(FIXTURES))
from make_format import expected  # noqa: E402  # what the earlier version said was made by the same function


@pytest.mark.parametrize("number", [3])
def test_a_directory_of_an_earlier_format_opens_unchanged(number: int, tmp_path: Path) -> None:
    with tarfile.open(FIXTURES / f"format-{number}.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    wanted = json.loads(lzma.decompress((FIXTURES / f"format-{number}.expected.json.xz").read_bytes()))
    for _ in range(2):  # as it was, and as it was brought up to date
        with chroma_nb.PersistentClient(tmp_path) as client:
            assert expected(client) == wanted
            assert client.verify() == []
    with chroma_nb.PersistentClient(tmp_path) as client:
        collection = client.get_collection("compacted", embedding_function=None)
        collection.add(ids=["today"], embeddings=[[1, 2, 3]])
        client.vacuum()
        assert collection.get(include=[])["ids"][-2:] == ["after", "today"]
        assert client.verify() == []
