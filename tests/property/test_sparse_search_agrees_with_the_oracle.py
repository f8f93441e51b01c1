"""Sparse search over random changes, beside a dictionary that is searched one record at a time in float64.

Two engines on one directory, as two processes would have; restarts, compactions and records that come by pieces are
rules of the machine.
"""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from engine_samples import PLACE, quick_directory, sparse
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from oracle import matches, nearest, sparse_nearest

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import loading, row_files, sparse_indexes
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.storage import changelog
from chroma_nb.engine.transactions import maintenance
from chroma_nb.query.conditions import Key
from chroma_nb.query.ranking import Knn, Rank, Rrf
from chroma_nb.query.search import Search
from chroma_nb.records import Edits, Records
from chroma_nb.schema import Schema, SparseVectorIndexConfig
from chroma_nb.types import SparseVector

ids = st.lists(st.sampled_from([f"r{number}" for number in range(12)]), min_size=1, max_size=6, unique=True)
dimensions = st.sampled_from((0, 1, 2, 3, 70_000, 2**32 - 1))
values = st.sampled_from((0.0, 0.1, 0.5, 1.0, 1.5, -2.0, 3e19, 0.123456789012345))
entries = st.dictionaries(dimensions, values, max_size=4)
#: Of a record's two keys: a vector, None (in a change: the key goes), another value.
cells = entries | entries | st.none() | st.sampled_from(("text", 7, ["#type"]))
metadatas = st.none() | st.fixed_dictionaries({}, optional={"plain": cells, "words": cells, "n": st.integers(0, 3)})
vectors = st.lists(st.sampled_from((-1.0, 0.0, 0.5, 2.0)), min_size=2, max_size=2).map(tuple)
filters = st.none() | st.sampled_from(
    ({"n": {"$gt": 1}}, {"n": 2}, {"plain": {"$eq": 1}}, {"words": {"$ne": 1}}, {"words": "text"}, {"absent": 1})
)
which = st.sampled_from((0, 1))
#: Key of the machine's collection -> whether its queries are weighted by frequency.
KEYS = {"plain": False, "words": True}

EVERY_DIMENSION = {0: 1.0, 1: 0.5, 2: 0.25, 3: 0.125, 70_000: 2.0, 2**32 - 1: 3.0}

Row = tuple[tuple[float, ...], dict[str, Any]]


def stored(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    """Metadata as it is given to the engine."""
    if metadata is None:
        return None
    return {key: sparse(value) if isinstance(value, dict) else value for key, value in metadata.items()}


def shown(metadata: dict[str, Any]) -> dict[str, Any] | None:
    """Metadata as the engine returns it: of float32 the shortest form."""
    return {
        key: SparseVector(sorted(value), [float(str(np.float32(value[dimension]))) for dimension in sorted(value)])
        if isinstance(value, dict)
        else value
        for key, value in metadata.items()
    } or None


class Machine(RuleBasedStateMachine):
    """The dictionary is in get() order."""

    place = "disk"

    @initialize()
    def open(self) -> None:
        self.model: dict[str, Row] = {}
        self.directory = quick_directory("sparse")
        self.engines = [SharedEngine.open(None)] * 2 if self.place == "memory" else self._opened()
        schema = Schema()
        for key, by_frequency in KEYS.items():
            schema.create_index(SparseVectorIndexConfig(bm25=by_frequency), key=key)
        made = self.engines[0].create_collection("words", *PLACE, None, None, schema.serialize_to_json(), False)
        self.collection = made.id

    def _opened(self) -> list[Engine]:
        path = self.directory / "db"
        return [SharedEngine.open(path), Engine(path, durability="process")]

    def teardown(self) -> None:
        for engine in set(self.engines):
            engine.close()
        shutil.rmtree(self.directory)

    # --- Writing --------------------------------------------------------------------------------------------------

    def _drawn(self, data: st.DataObject, given: list[str], *, new: bool) -> tuple[Records, list[Row]]:
        found: list[Row] = []
        for _ in given:
            metadata = data.draw(metadatas) or {}
            found.append(
                (data.draw(vectors), {key: value for key, value in metadata.items() if not (new and value is None)})
            )
        embeddings = np.array([vector for vector, _ in found], np.float32)
        return Records(given, embeddings, None, [stored(metadata) or None for _, metadata in found]), found

    def _put(self, ident: str, row: Row) -> None:
        old = self.model.get(ident, ((), {}))[1]
        merged = {key: value for key, value in {**old, **row[1]}.items() if value is not None}
        self.model[ident] = (row[0], merged)

    @rule(given=ids, data=st.data(), who=which)
    def add(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._drawn(data, given, new=True)
        self.engines[who].add(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            if ident not in self.model:
                self._put(ident, row)

    @rule(given=ids, data=st.data(), who=which)
    def upsert(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._drawn(data, given, new=False)
        self.engines[who].upsert(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            self._put(ident, row)

    @rule(given=ids, data=st.data(), who=which)
    def update(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._drawn(data, given, new=False)
        self.engines[who].update(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            if ident in self.model:
                self._put(ident, row)

    @rule(given=ids, who=which)
    def delete(self, given: list[str], who: int) -> None:
        self.engines[who].delete(self.collection, given, None)
        for ident in given:
            self.model.pop(ident, None)

    @rule(given=ids, data=st.data(), who=which, update=st.booleans())
    def come_by_pieces(self, given: list[str], data: st.DataObject, who: int, update: bool) -> None:
        engine = self.engines[who]
        session = engine.begin_staging(self.collection)
        if session is None:  # in memory
            return
        records, rows = self._drawn(data, given, new=False)
        for piece in records.pieces(2):
            engine.stage(session, piece)
        engine.publish(session, Edits(), update=update)
        for ident, row in zip(given, rows, strict=True):
            if update or ident not in self.model:
                self._put(ident, row)

    # --- Living ---------------------------------------------------------------------------------------------------

    @rule(who=which)
    def compact(self, who: int) -> None:
        self.engines[who].compact(self.collection)

    @rule(who=which)
    def store_rows(self, who: int) -> None:
        self.engines[who].maintenance.store_rows(self.collection)

    @rule()
    def restart(self) -> None:
        if self.place == "disk":
            for engine in self.engines:
                engine.close()
            self.engines = self._opened()

    # --- Asking ---------------------------------------------------------------------------------------------------

    def _found(self, who: int, rank: Rank, where: dict[str, Any] | None, limit: int | None) -> list[tuple[str, float]]:
        search = Search(where=where, rank=rank).limit(limit or 1_000).select(Key.SCORE)
        result = self.engines[who].search(self.collection, [Search.sent(search.to_dict())])
        return list(zip(result["ids"][0], result["scores"][0], strict=True))

    def _nearest(
        self, key: str, query: dict[int, float], k: int, where: dict[str, Any] | None
    ) -> list[tuple[int, float]]:
        held = [metadata.get(key) for _, metadata in self.model.values()]
        return sparse_nearest(
            [one if isinstance(one, dict) else None for one in held],
            query,
            k,
            allowed=self._allowed(where),
            by_frequency=KEYS[key],
        )

    def _allowed(self, where: dict[str, Any] | None) -> list[int]:
        rows = enumerate(self.model.values())
        return [row for row, (_, metadata) in rows if matches(where, None, metadata, None)]

    @rule(key=st.sampled_from(sorted(KEYS)), query=entries, k=st.integers(1, 6), where=filters, who=which)
    def search(self, key: str, query: dict[int, float], k: int, where: dict[str, Any] | None, who: int) -> None:
        self._check_search(key, query, k, where, who)

    def _check_search(self, key: str, query: dict[int, float], k: int, where: dict[str, Any] | None, who: int) -> None:
        right = self._nearest(key, query, k, where)
        names = list(self.model)
        found = self._found(who, Knn(query=sparse(query), key=key, limit=k), where, None)
        assert found == [(names[row], float(str(np.float32(score)))) for row, score in right]
        places = self._found(who, Knn(query=sparse(query), key=key, limit=k, return_rank=True), where, 3)
        assert places == [(names[row], float(place)) for place, (row, _) in enumerate(right)][:3]

    @rule(query=entries, vector=vectors, k=st.integers(1, 6), where=filters, who=which)
    def fuse(
        self, query: dict[int, float], vector: tuple[float, ...], k: int, where: dict[str, Any] | None, who: int
    ) -> None:
        allowed = self._allowed(where)
        held = list(self.model.values())
        dense = [allowed[row] for row, _ in nearest([held[row][0] for row in allowed], vector, k, "l2")]
        words = [row for row, _ in self._nearest("words", query, k, where)]
        scores = {}
        for row in {*dense, *words}:
            places = [np.float32(found.index(row) if row in found else 9) for found in (dense, words)]
            total = sum((np.float32(1) / (np.float32(60) + place) for place in places), np.float32(0))
            scores[row] = float(str(np.float32(-total)))
        rank = Rrf(
            [
                Knn(query=list(vector), limit=k, default=9, return_rank=True),
                Knn(query=sparse(query), key="words", limit=k, default=9, return_rank=True),
            ]
        )
        names = list(self.model)
        right = sorted(scores, key=lambda row: (scores[row], row))
        assert self._found(who, rank, where, None) == [(names[row], scores[row]) for row in right]

    @invariant()
    def both_engines_return_what_was_stored(self) -> None:
        for engine in getattr(self, "engines", ()):
            found = engine.get(self.collection, None, None, None, None, ("metadatas",))
            assert found["ids"] == list(self.model)
            assert found["metadatas"] == [shown(metadata) for _, metadata in self.model.values()]
            assert engine.verify() == []

    @invariant()
    def both_engines_find_what_was_stored(self) -> None:
        for who in range(len(getattr(self, "engines", ()))):
            for key in KEYS:
                self._check_search(key, EVERY_DIMENSION, 100, None, who)


@pytest.fixture(autouse=True)
def _small_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "KEPT", 3)
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 4 * 4 * 4)
    monkeypatch.setattr(sparse_indexes, "_MOST_BEHIND", 2)
    monkeypatch.setattr(row_files, "FEWEST", 0)
    monkeypatch.setattr(loading, "_MOST_CHANGED", 1.0)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_sparse_search_and_dictionary_agree(place: str) -> None:
    machine = type("Machine", (Machine,), {"place": place})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
