"""A directory that an earlier version wrote opens unchanged. The fixtures' maker: ``fixtures/make_format.py``."""

from __future__ import annotations

import json
import lzma
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest

import chroma_nb
from chroma_nb.engine.memory.snapshot import Snapshot
from chroma_nb.engine.storage import directory

FIXTURES = Path(__file__).parent / "fixtures"
sys.path.insert(0, str(FIXTURES))
from make_format import expected  # noqa: E402  # what the earlier version said was made by the same function


def unpacked(number: int, into: Path) -> Any:
    """The directory, unpacked, and what its version said of it."""
    with tarfile.open(FIXTURES / f"format-{number}.tar.xz") as archive:
        archive.extractall(into, filter="data")
    return json.loads(lzma.decompress((FIXTURES / f"format-{number}.expected.json.xz").read_bytes()))


@pytest.mark.parametrize("number", [3, 5])
def test_whoever_may_only_read_it_reads_it_too(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = unpacked(number, tmp_path)
    monkeypatch.setattr(directory, "is_writable", lambda path: False)
    before = (tmp_path / "chroma_nb.sqlite3").read_bytes()
    with chroma_nb.PersistentClient(tmp_path) as client:
        assert expected(client) == wanted
        assert client.verify() == []
        ids = {one.name: one.get(include=[])["ids"] for one in client.list_collections()}
    with chroma_nb.PersistentClient(tmp_path) as client:  # which has read nothing yet
        for name, every in ids.items():
            some = client.get_collection(name, embedding_function=None).get(ids=[*every[1::2], "nobody"], include=[])
            assert some["ids"] == every[1::2]
    assert any(ids.values())
    assert (tmp_path / "chroma_nb.sqlite3").read_bytes() == before


@pytest.mark.parametrize("number", [3, 5])
def test_a_directory_of_an_earlier_format_opens_unchanged(number: int, tmp_path: Path) -> None:
    wanted = unpacked(number, tmp_path)
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


@pytest.mark.parametrize("number", [3, 5])
def test_its_collections_are_forked(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked(number, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(directory, "is_writable", lambda path: False)
        with chroma_nb.PersistentClient(tmp_path) as client:  # which may only read it
            before = {one.name: (one.get_indexing_status(), one.fork_count()) for one in client.list_collections()}
    with chroma_nb.PersistentClient(tmp_path) as client:
        for one in client.list_collections():
            status = one.get_indexing_status()
            assert (status, one.fork_count()) == before[one.name] == (status, 0)
            assert status.num_indexed_ops == status.total_ops >= one.count()
            fork = client.get_collection(one.name, embedding_function=None).fork(f"{one.name}-fork")
            assert fork.get(include=["documents", "metadatas", "uris"]) == one.get(
                include=["documents", "metadatas", "uris"]
            )
            assert fork.get_indexing_status() == status
        assert client.verify() == []


@pytest.mark.parametrize("number", [3])
def test_a_call_in_the_middle_of_another_reads_it_too(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unpacked(number, tmp_path)
    monkeypatch.setattr(directory, "is_writable", lambda path: False)
    with chroma_nb.PersistentClient(tmp_path) as client:
        collection = client.get_collection("mixed", embedding_function=None)
        whole, inner = Snapshot.get_result, []

        def interrupted(*arguments: Any) -> Any:
            monkeypatch.setattr(Snapshot, "get_result", whole)
            inner.append(collection.get(ids=["r7", "nobody"], include=[])["ids"])
            inner.append(collection.get(limit=1, include=[])["ids"])
            return whole(*arguments)

        monkeypatch.setattr(Snapshot, "get_result", interrupted)
        assert collection.get(ids=["r8"], include=[])["ids"] == ["r8"]
        assert inner == [["r7"], ["r0"]]
