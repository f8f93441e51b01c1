"""Random operations on chroma_nb and on Chroma itself, side by side. What may differ is written here, and nothing else:

1. Equal distances come in get() order from ours, in any order from Chroma.
2. Chroma's graph may miss live records after updates and deletes; ours answers what the oracle answers.
3. Vectors of a cosine collection lose their last digits in Chroma, not in ours.
4. An unknown id in query(ids=) is an InternalError of Chroma's, and simply not found by ours.
5. Ours may be restarted between any two calls.
6. Lists in the metadata of a deleted collection reappear in records of a later one in Chroma, not in ours.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from itertools import count
from typing import Any

import chromadb
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracle import matches, nearest
from strategies import documents, keys, metadatas, plain_numbers, values, where_documents, wheres

import chroma_nb
from chroma_nb.config import Settings

NUMBER = count()
IDS = [f"id{number}" for number in range(12)]
ALL = ["metadatas", "documents", "embeddings", "uris"]

some_ids = st.lists(st.sampled_from(IDS), min_size=1, max_size=6, unique=True)
#: No zero vector: the cosine of one is nobody's to define.
vectors = st.tuples(st.sampled_from((-3.0, -1.0, 1.0, 2.0)), st.integers(-2, 3).map(float), st.sampled_from((0.5, 1.0)))
spaces = st.sampled_from(("l2", "cosine", "ip"))
uris = st.none() | st.sampled_from(("u://1", "u://2"))
changes = st.none() | st.dictionaries(keys, st.none() | values(plain_numbers), min_size=1, max_size=3)
optional_where = st.none() | wheres(plain_numbers)
optional_document = st.none() | where_documents


@st.composite
def batches(draw: st.DrawFn, metadata: st.SearchStrategy[Any], with_vectors: bool) -> dict[str, Any]:
    """The arguments of a write: some ids, and the fields that go with them."""
    ids = draw(some_ids)

    def each(of: st.SearchStrategy[Any]) -> Any:
        return draw(st.lists(of, min_size=len(ids), max_size=len(ids)))

    batch: dict[str, Any] = {"ids": ids}
    if with_vectors or draw(st.booleans()):
        batch["embeddings"] = [list(vector) for vector in each(vectors)]
    for name, of in (("metadatas", metadata), ("documents", documents), ("uris", uris)):
        if draw(st.booleans()):
            batch[name] = each(of)
    # A document without a vector would be embedded; this machine has no embedding function.
    if "embeddings" not in batch:
        batch.pop("documents", None)
    return batch


def outcome(call: Callable[..., Any], **arguments: Any) -> tuple[Any, BaseException | None]:
    try:
        return call(**arguments), None
    except Exception as error:  # noqa: BLE001  # compared with the other side's
        return None, error


def plain(result: Any) -> Any:
    """An answer in a form that can be compared; vectors apart."""
    if not isinstance(result, dict):
        return result
    return {name: value for name, value in result.items() if name not in ("embeddings", "distances")}


@cache
def chroma_of_its_own() -> Any:
    """One store of Chroma's for all runs, in which no collection is ever deleted (difference 6).

    Chroma's clients in memory share one store with every other test of the process, and those do delete.
    """
    directory = tempfile.mkdtemp(prefix="congruence-chroma-")
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return chromadb.PersistentClient(directory)


class SideBySide(RuleBasedStateMachine):
    """One collection of ours and one of Chroma's, under the same calls."""

    @initialize(space=spaces, on_disk=st.booleans())
    def create(self, space: str, on_disk: bool) -> None:
        self.space, self.name = space, f"collection-{next(NUMBER)}"
        self.directory = tempfile.mkdtemp(prefix="congruence-") if on_disk else None
        self.client = self.open()
        self.chroma = chroma_of_its_own()
        arguments = {"configuration": {"hnsw": {"space": space}}, "embedding_function": None}
        self.ours = self.client.create_collection(self.name, **arguments)
        self.theirs = self.chroma.create_collection(self.name, **arguments)

    def open(self) -> Any:
        if self.directory is None:
            return chroma_nb.EphemeralClient(Settings())
        return chroma_nb.PersistentClient(self.directory)

    def teardown(self) -> None:
        if not hasattr(self, "ours"):
            return
        self.client.delete_collection(self.name)
        self.client.close()
        # Chroma's collection stays (difference 6).
        if self.directory is not None:
            shutil.rmtree(self.directory)

    def both(self, method: str, **arguments: Any) -> tuple[Any, Any]:
        """The answers of both, which fail together and for the same reason."""
        mine, my_error = outcome(getattr(self.ours, method), **arguments)
        theirs, their_error = outcome(getattr(self.theirs, method), **arguments)
        if my_error is None and their_error is None:
            return mine, theirs
        assert my_error is not None, f"only Chroma raised {their_error!r}"
        assert their_error is not None, f"only chroma_nb raised {my_error!r}"
        assert type(their_error).__name__ in [kind.__name__ for kind in type(my_error).__mro__], repr(my_error)
        return None, None

    # --- writing ---

    @rule(batch=batches(metadatas(plain_numbers), with_vectors=True))
    def add(self, batch: dict[str, Any]) -> None:
        self.both("add", **batch)

    @rule(batch=batches(changes, with_vectors=True))
    def upsert(self, batch: dict[str, Any]) -> None:
        self.both("upsert", **batch)

    @rule(batch=batches(changes, with_vectors=False))
    def update(self, batch: dict[str, Any]) -> None:
        self.both("update", **batch)

    @rule(ids=some_ids)
    def delete(self, ids: list[str]) -> None:
        mine, theirs = self.both("delete", ids=ids)
        assert mine == theirs == {"deleted": len(ids)}

    @rule(
        ids=st.none() | some_ids,
        where=optional_where,
        where_document=optional_document,
        limit=st.none() | st.integers(0, 3),
    )
    def delete_what_passes(self, ids: Any, where: Any, where_document: Any, limit: Any) -> None:
        mine, theirs = self.both("delete", ids=ids, where=where, where_document=where_document, limit=limit)
        assert mine == theirs

    @rule(batch=batches(metadatas(plain_numbers), with_vectors=True), width=st.sampled_from((1, 4)))
    def write_vectors_of_another_dimension(self, batch: dict[str, Any], width: int) -> None:
        if self.ours.count():
            batch["embeddings"] = [[1.0] * width for _ in batch["ids"]]
            self.both("upsert", **batch)

    @rule(metadata=st.dictionaries(keys, plain_numbers, min_size=1, max_size=2), rename=st.booleans())
    def modify(self, metadata: dict[str, Any], rename: bool) -> None:
        if rename:
            self.name = f"collection-{next(NUMBER)}"
        self.both("modify", name=self.name if rename else None, metadata=metadata)
        fresh, theirs = self.client.get_collection(self.name), self.chroma.get_collection(self.name)
        assert fresh.metadata == self.ours.metadata == theirs.metadata
        assert fresh.configuration_json == theirs.configuration_json

    @rule()
    @precondition(lambda self: self.directory is not None)
    def restart(self) -> None:
        self.client.close()
        self.client = self.open()
        self.ours = self.client.get_collection(self.name, embedding_function=None)

    # --- reading ---

    @invariant()
    @precondition(lambda self: hasattr(self, "ours"))
    def both_hold_the_same(self) -> None:
        mine, theirs = self.both("get", include=ALL)
        assert plain(mine) == plain(theirs)
        np.testing.assert_allclose(mine["embeddings"], theirs["embeddings"], rtol=1e-5)
        assert self.ours.count() == self.theirs.count() == len(mine["ids"])

    @rule(
        ids=st.none() | some_ids,
        where=optional_where,
        where_document=optional_document,
        limit=st.none() | st.integers(0, 5),
        offset=st.none() | st.integers(0, 5),
        include=st.lists(st.sampled_from(("metadatas", "documents", "uris")), unique=True),
    )
    def get(self, **arguments: Any) -> None:
        mine, theirs = self.both("get", **arguments)
        assert plain(mine) == plain(theirs)

    @rule(
        query=vectors,
        n_results=st.integers(1, 15),
        ids=st.none() | some_ids,
        where=optional_where,
        where_document=optional_document,
    )
    def query(self, query: tuple[float, ...], n_results: int, ids: Any, where: Any, where_document: Any) -> None:
        known = set(self.ours.get(include=[])["ids"])
        arguments = {
            "query_embeddings": [list(query)],
            "n_results": n_results,
            "ids": ids and [one for one in ids if one in known],
            "where": where,
            "where_document": where_document,
            "include": ["distances", "metadatas"],
        }
        mine, theirs = self.both("query", **arguments)
        if mine is None:
            return
        expected = self.expected(query, n_results, arguments["ids"], where, where_document)
        assert mine["ids"][0] == [one for one, _ in expected]
        np.testing.assert_allclose(mine["distances"][0], [far for _, far in expected], rtol=1e-5, atol=1e-5)
        self.chroma_is_no_better(theirs, expected)
        if ids is not None and known:  # difference 4
            arguments["ids"] = [*arguments["ids"], "unknown"]
            assert self.ours.query(**arguments)["ids"] == mine["ids"]

    def expected(
        self, query: Any, n_results: int, ids: Any, where: Any, where_document: Any
    ) -> list[tuple[str, float]]:
        """The oracle's answer: each record in turn, equal distances in get() order."""
        held = self.ours.get(include=["metadatas", "documents", "embeddings"])
        rows = [
            row
            for row, one in enumerate(held["ids"])
            if (ids is None or one in ids)
            and matches(where, where_document, held["metadatas"][row], held["documents"][row])
        ]
        found = nearest([held["embeddings"][row] for row in rows], query, n_results, self.space)
        return [(held["ids"][rows[row]], far) for row, far in found]

    def chroma_is_no_better(self, theirs: Any, expected: list[tuple[str, float]]) -> None:
        """Differences 1 and 2: Chroma may order ties its way and miss records, but never finds nearer ones."""
        found = theirs["distances"][0]
        assert len(found) <= len(expected)
        for mine, their in zip([far for _, far in expected], found, strict=False):
            assert mine <= their + 1e-4


TestSideBySide = SideBySide.TestCase
TestSideBySide.settings = settings(
    max_examples=20,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_chroma_answers_the_same_where_nothing_was_deleted(space: str) -> None:
    """Without updates and deletes the two agree on every neighbour, not only on distances."""
    random = np.random.default_rng(5)
    points, asked = random.normal(size=(200, 8)).astype(np.float32), random.normal(size=(10, 8)).astype(np.float32)
    answers = []
    for client in (chroma_nb.EphemeralClient(), chroma_of_its_own()):
        collection = client.create_collection(
            f"same-{space}", configuration={"hnsw": {"space": space}}, embedding_function=None
        )
        collection.add(
            ids=[str(row) for row in range(200)],
            embeddings=points,
            metadatas=[{"parity": row % 2, "row": row} for row in range(200)],
        )
        answers.append(collection.query(query_embeddings=asked, n_results=7, where={"parity": 1}))
    ours, theirs = answers
    assert ours["ids"] == theirs["ids"]
    assert ours["metadatas"] == theirs["metadatas"]
    np.testing.assert_allclose(ours["distances"], theirs["distances"], rtol=1e-4, atol=1e-5)
