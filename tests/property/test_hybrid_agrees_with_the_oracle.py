"""Hybrid search over random changes, beside plain Python that ranks all records by vector and by words each time.

Two engines on one directory, as two processes would have; restarts, compactions, saved words and records that come by
pieces are rules of the machine.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from typing import Any

import bm25
import numpy as np
import pytest
from engine_samples import PLACE, quick_directory
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from oracle import matches, nearest

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory import loading, row_files, snapshot, word_files, word_index
from chroma_nb.engine.memory.collection import CollectionInMemory
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import fusion
from chroma_nb.engine.search.index_builder import IndexBuilder
from chroma_nb.engine.storage import changelog
from chroma_nb.engine.transactions import maintenance
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Edits, Records

WORDS = "the of and run running kite Größe 東京都 京 bird x9"
ids = st.lists(st.sampled_from([f"r{number}" for number in range(12)]), min_size=1, max_size=6, unique=True)
texts = st.lists(st.sampled_from(WORDS.split()), max_size=6).map(" ".join)
vectors = st.lists(st.sampled_from((-1.0, 0.0, 0.5, 2.0)), min_size=2, max_size=2)
filters = st.none() | st.sampled_from(({"n": {"$gt": 1}}, {"n": 2}, {"absent": 1}))
which = st.sampled_from((0, 1))


@dataclass(frozen=True)
class Row:
    """A record; in a change, None leaves the document and the number as they are."""

    vector: list[float]
    document: str | None
    n: int | None


rows = st.builds(Row, vectors, st.none() | texts, st.none() | st.integers(0, 3))


def records(given: list[str], found: list[Row]) -> Records:
    return Records(
        given,
        np.array([row.vector for row in found], np.float32),
        [row.document for row in found],
        [None if row.n is None else {"n": row.n} for row in found],
    )


class Machine(RuleBasedStateMachine):
    """The dictionary is in get() order."""

    place = "disk"

    @initialize()
    def open(self) -> None:
        self.model: dict[str, Row] = {}
        self.directory = quick_directory("hybrid")
        self.engines = [SharedEngine.open(None)] * 2 if self.place == "memory" else self._opened()
        made = self.engines[0].create_collection("words", *PLACE, None, None, None, False)
        self.collection = made.id

    def _opened(self) -> list[Engine]:
        path = self.directory / "db"
        return [SharedEngine.open(path), Engine(path, durability="process")]

    def teardown(self) -> None:
        for engine in set(self.engines):
            engine.close()
        shutil.rmtree(self.directory)

    # --- Writing --------------------------------------------------------------------------------------------------

    def _put(self, ident: str, row: Row) -> None:
        old = self.model.get(ident)
        if old is not None:
            kept = {name: getattr(old, name) for name in ("document", "n") if getattr(row, name) is None}
            row = replace(row, **kept)
        self.model[ident] = row

    @rule(given=ids, data=st.data(), who=which, call=st.sampled_from(("add", "update", "upsert")))
    def call(self, given: list[str], data: st.DataObject, who: int, call: str) -> None:
        self.write(given, data, who, call)

    def write(self, given: list[str], data: st.DataObject, who: int, call: str) -> None:
        found = [data.draw(rows) for _ in given]
        getattr(self.engines[who], call)(self.collection, records(given, found))
        for ident, row in zip(given, found, strict=True):
            if call == "upsert" or (ident in self.model) is (call == "update"):
                self._put(ident, row)

    @rule(given=ids, who=which)
    def call_delete(self, given: list[str], who: int) -> None:
        self.delete(given, who)

    def delete(self, given: list[str], who: int) -> None:
        self.engines[who].delete(self.collection, given, None)
        for ident in given:
            self.model.pop(ident, None)

    @rule(given=ids, who=which)
    def take_documents_away(self, given: list[str], who: int) -> None:
        there = [ident for ident in given if ident in self.model]
        changed = Records(there, None, None, None)
        self.engines[who].edit(self.collection, Edits(update=changed, without_document=there))
        for ident in there:
            self.model[ident] = replace(self.model[ident], document=None)

    @rule(given=ids, data=st.data(), who=which, update=st.booleans())
    def come_by_pieces(self, given: list[str], data: st.DataObject, who: int, update: bool) -> None:
        engine = self.engines[who]
        session = engine.begin_staging(self.collection)
        if session is None:  # in memory
            return
        found = [data.draw(rows) for _ in given]
        for piece in records(given, found).pieces(2):
            engine.stage(session, piece)
        engine.publish(session, Edits(), update=update)
        for ident, row in zip(given, found, strict=True):
            if update or ident not in self.model:
                self._put(ident, row)

    # --- Living ---------------------------------------------------------------------------------------------------

    @rule(who=which)
    def compact(self, who: int) -> None:
        self.engines[who].compact(self.collection)

    def store_words(self, who: int) -> None:
        self.engines[who].maintenance.store_words(self.collection)

    @rule(who=which)
    def store_rows(self, who: int) -> None:
        self.engines[who].maintenance.store_rows(self.collection)

    @rule(given=ids, data=st.data(), stored=st.booleans())
    def restart(self, given: list[str], data: st.DataObject, stored: bool) -> None:
        if stored:  # and changed since
            self.store_words(0)
            self.delete(given[1:], 1)
            self.write(given, data, 1, "upsert")
        if self.place == "disk":
            for engine in self.engines:
                engine.close()
            self.engines = self._opened()

    # --- Asking ---------------------------------------------------------------------------------------------------

    @rule(text=texts, vector=vectors, k=st.integers(1, 6), where=filters, who=which)
    def search(self, text: str, vector: list[float], k: int, where: Any, who: int) -> None:
        self._check(text, vector, k, where, who)

    def _check(self, text: str, vector: list[float], k: int, where: Any, who: int) -> None:
        condition = None if where is None else parse_where(where)
        query = np.array([vector], np.float32)
        result = self.engines[who].hybrid(self.collection, [text], query, k, condition, ("distances",))
        names, held = list(self.model), list(self.model.values())
        metadatas = [None if row.n is None else {"n": row.n} for row in held]
        allowed = [row for row, metadata in enumerate(metadatas) if matches(where, None, metadata, None)]
        distances = dict(nearest([held[row].vector for row in allowed], vector, len(held), "l2"))
        by_meaning = [allowed[place] for place in list(distances)[: fusion.depth_for(k)]]
        documents = {row: one.document for row, one in enumerate(held) if one.document is not None}
        by_words = [row for row, _ in bm25.best(documents, text, fusion.depth_for(k), allowed)]
        ranks = {
            row: [found.index(row) + 1 if row in found else None for found in (by_meaning, by_words)]
            for row in {*by_meaning, *by_words}
        }
        scores = {row: sum(1 / (60 + rank) for rank in both if rank) for row, both in ranks.items()}
        right = sorted(scores, key=lambda row: (-scores[row], row))[:k]
        assert result["ids"] == [[names[row] for row in right]]
        assert result["scores"] == [[scores[row] for row in right]]
        assert result["meaning_ranks"] == [[ranks[row][0] for row in right]]
        assert result["word_ranks"] == [[ranks[row][1] for row in right]]
        assert result["distances"] == [[distances[allowed.index(row)] for row in right]]
        assert [bool(words) for words in result["words"][0]] == [row in by_words for row in right]

    @invariant()
    def both_engines_find_what_was_stored(self) -> None:
        for who in range(len(getattr(self, "engines", ()))):
            self._check(WORDS, [0.5, 0.0], 100, None, who)


@pytest.fixture(autouse=True)
def _small_thresholds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changelog, "KEPT", 8)
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 4 * 4 * 4)
    monkeypatch.setattr(row_files, "FEWEST", 0)
    monkeypatch.setattr(word_files, "FEWEST", 0)
    monkeypatch.setattr(loading, "_MOST_CHANGED", 1.0)
    monkeypatch.setattr(word_index, "PIECE", 3)
    monkeypatch.setattr(fusion, "_LEAST_DEPTH", 4)
    monkeypatch.setattr(snapshot, "_MOST_CHANGED", 100.0)
    # Words are saved by a rule alone, so that files are behind.
    monkeypatch.setattr(IndexBuilder, "consider_words", lambda *_: None)
    monkeypatch.setattr(CollectionInMemory, "lacks_stored_words", lambda _: False)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_hybrid_search_and_dictionary_agree(place: str) -> None:
    machine = type("Machine", (Machine,), {"place": place})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
