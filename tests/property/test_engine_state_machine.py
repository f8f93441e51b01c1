"""Random calls on the engine beside a dictionary; two engines on one directory, as two processes would have.

Restarts, compactions and graphs are rules of the machine; after each step everything is compared.
"""

from __future__ import annotations

import shutil
from typing import Any

import numpy as np
import pytest
from codes_for_few import codes_for_few
from engine_samples import EVERYTHING, create, quick_directory
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from oracle import matches, nearest
from strategies import documents, metadatas, plain_numbers, wheres

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.engine.memory import loading, row_files
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.engine.search import planner
from chroma_nb.engine.storage import changelog
from chroma_nb.engine.transactions import maintenance
from chroma_nb.query.parsing import parse_where
from chroma_nb.records import Records

Row = tuple[tuple[float, ...], str | None, dict[str, Any] | None]

ids = st.lists(st.sampled_from([f"r{number}" for number in range(12)]), min_size=1, max_size=6, unique=True)
coordinates = st.sampled_from((-1.0, 0.0, 0.5, 1.0, 2.0))
vectors = st.lists(coordinates, min_size=3, max_size=3).map(tuple)
some_metadata = metadatas(plain_numbers)
which = st.sampled_from((0, 1))


def merged(old: dict[str, Any] | None, new: dict[str, Any] | None) -> dict[str, Any] | None:
    if new is None:
        return old
    return {key: value for key, value in {**(old or {}), **new}.items() if value is not None} or None


class Machine(RuleBasedStateMachine):
    """The dictionary is in get() order, as the engine is: by first insertion."""

    place = "disk"

    @initialize(space=st.sampled_from(("l2", "cosine", "ip")))
    def open(self, space: str) -> None:
        self.space = space
        self.model: dict[str, Row] = {}
        self.directory = quick_directory("machine")
        if self.place == "memory":
            self.engines = [SharedEngine.open(None)] * 2
        else:
            self.engines = [
                SharedEngine.open(self.directory / "db"),
                Engine(self.directory / "db", durability="process"),
            ]
        self.collection = create(self.engines[0], space=space)

    def teardown(self) -> None:
        for engine in set(self.engines):
            engine.close()
        shutil.rmtree(self.directory)

    # --- Writing ------------------------------------------------------------------------------------------------

    def _records(self, data: st.DataObject, given: list[str], *, whole: bool) -> tuple[Records, list[Row]]:
        rows: list[Row] = [(data.draw(vectors), data.draw(documents), data.draw(some_metadata)) for _ in given]
        parts = {"embeddings", "documents", "metadatas"}
        if not whole:
            parts = data.draw(st.sets(st.sampled_from(sorted(parts)), min_size=1))
        records = Records(
            ids=given,
            embeddings=np.array([row[0] for row in rows], np.float32) if "embeddings" in parts else None,
            documents=[row[1] for row in rows] if "documents" in parts else None,
            metadatas=[row[2] for row in rows] if "metadatas" in parts else None,
        )
        return records, [
            (
                row[0] if "embeddings" in parts else (),
                row[1] if "documents" in parts else None,
                row[2] if "metadatas" in parts else None,
            )
            for row in rows
        ]

    def _update(self, ident: str, row: Row) -> None:
        old = self.model[ident]
        document = old[1] if row[1] is None else row[1]
        self.model[ident] = (row[0] or old[0], document, merged(old[2], row[2]))

    @rule(given=ids, data=st.data(), who=which)
    def add(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._records(data, given, whole=True)
        self.engines[who].add(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            self.model.setdefault(ident, row)

    @rule(given=ids, data=st.data(), who=which)
    def upsert(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._records(data, given, whole=True)
        self.engines[who].upsert(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            if ident in self.model:
                self._update(ident, row)
            else:
                self.model[ident] = row

    @rule(given=ids, data=st.data(), who=which)
    def update(self, given: list[str], data: st.DataObject, who: int) -> None:
        records, rows = self._records(data, given, whole=False)
        self.engines[who].update(self.collection, records)
        for ident, row in zip(given, rows, strict=True):
            if ident in self.model:
                self._update(ident, row)

    @rule(given=ids, who=which)
    def delete(self, given: list[str], who: int) -> None:
        assert self.engines[who].delete(self.collection, given, None) == len(given)
        for ident in given:
            self.model.pop(ident, None)

    @rule(where=wheres(plain_numbers), limit=st.none() | st.integers(1, 3), who=which)
    def delete_where(self, where: dict[str, Any], limit: int | None, who: int) -> None:
        chosen = self._matching(where)[:limit]
        assert self.engines[who].delete(self.collection, None, parse_where(where), limit) == len(chosen)
        for ident in chosen:
            del self.model[ident]

    # --- Living ---------------------------------------------------------------------------------------------------

    @rule(who=which)
    def compact(self, who: int) -> None:
        self.engines[who].compact(self.collection)

    @rule(who=which)
    def vacuum(self, who: int) -> None:
        self.engines[who].vacuum()

    @rule(who=which)
    def make_graph(self, who: int) -> None:
        if HnswIndex.available() and self.model:
            assert self.engines[who].build_graph(self.collection)

    @rule(who=which)
    def store_rows(self, who: int) -> None:
        assert self.engines[who].maintenance.store_rows(self.collection) is (self.place == "disk")

    @rule(who=which)
    def make_codes(self, who: int) -> None:
        self.engines[who].maintenance.build_codes(self.collection)

    @rule(damage=st.sampled_from((None, "flipped", "truncated", "gone")), data=st.data())
    def restart(self, damage: str | None, data: st.DataObject) -> None:
        if self.place == "disk":
            for engine in self.engines:
                engine.close()
            if damage is not None:
                self._damage_codes(damage, data)
            self.engines = [
                SharedEngine.open(self.directory / "db"),
                Engine(self.directory / "db", durability="process"),
            ]

    def _damage_codes(self, damage: str, data: st.DataObject) -> None:
        """Saved codes are derived: whatever happens to the file."""
        for path in (self.directory / "db" / "cache").glob("*.codes"):
            content = bytearray(path.read_bytes())
            place = data.draw(st.integers(0, len(content) - 1))
            if damage == "gone":
                path.unlink()
            elif damage == "truncated":
                path.write_bytes(content[:place])
            else:
                content[place] ^= 1 << data.draw(st.integers(0, 7))
                path.write_bytes(content)

    # --- Asking -----------------------------------------------------------------------------------------------------

    @rule(given=ids, limit=st.none() | st.integers(0, 4), offset=st.integers(0, 3), who=which)
    def get_some(self, given: list[str], limit: int | None, offset: int, who: int) -> None:
        for asked in (given, None):
            found = self.engines[who].get(self.collection, asked, None, limit, offset, ("documents",))
            right = [ident for ident in self.model if asked is None or ident in asked][offset:][:limit]
            assert found["ids"] == right
            assert found["documents"] == [self.model[ident][1] for ident in right]

    def _matching(self, where: dict[str, Any]) -> list[str]:
        return [ident for ident, (_, text, metadata) in self.model.items() if matches(where, None, metadata, text)]

    @rule(where=wheres(plain_numbers), limit=st.none() | st.integers(0, 4), offset=st.integers(0, 3), who=which)
    def get_where(self, where: dict[str, Any], limit: int | None, offset: int, who: int) -> None:
        found = self.engines[who].get(self.collection, None, parse_where(where), limit, offset, ())
        assert found["ids"] == self._matching(where)[offset:][:limit]

    @rule(where=wheres(plain_numbers), query=vectors, k=st.integers(1, 5), who=which)
    def query_where(self, where: dict[str, Any], query: tuple[float, ...], k: int, who: int) -> None:
        self._check_queries(who, [query], k, self._matching(where), where)

    @rule(queries=st.lists(vectors, min_size=2, max_size=5), k=st.integers(1, 5), who=which)
    def query_several(self, queries: list[tuple[float, ...]], k: int, who: int) -> None:
        self._check_queries(who, queries, k, list(self.model))

    def _check_queries(
        self,
        who: int,
        queries: list[tuple[float, ...]],
        k: int,
        allowed: list[str],
        where: dict[str, Any] | None = None,
    ) -> None:
        expression = None if where is None else parse_where(where)
        result = self.engines[who].query(
            self.collection, np.array(queries, np.float32), k, None, expression, ("distances", "documents")
        )
        for number, query in enumerate(queries):
            found = {name: result[name][number] for name in ("ids", "distances", "documents")}
            right = nearest([self.model[ident][0] for ident in allowed], query, k, self.space)
            assert np.allclose(found["distances"], [distance for _, distance in right], atol=1e-9)
            assert set(found["ids"]) <= set(allowed)
            assert found["documents"] == [self.model[ident][1] for ident in found["ids"]]
            if self.space != "cosine":  # whose rounding may part what the oracle holds for equal
                assert found["ids"] == [allowed[place] for place, _ in right]

    @invariant()
    def both_engines_tell_what_the_dictionary_tells(self) -> None:
        if not hasattr(self, "engines"):
            return
        for who, engine in enumerate(self.engines):
            found = engine.get(self.collection, None, None, None, None, EVERYTHING)
            assert found["ids"] == list(self.model)
            assert engine.count(self.collection) == len(self.model)
            if self.model:
                assert [tuple(row) for row in found["embeddings"].tolist()] == [row[0] for row in self.model.values()]
            assert found["documents"] == [row[1] for row in self.model.values()]
            assert found["metadatas"] == [row[2] for row in self.model.values()]
            self._check_queries(who, [(0.5, 1.0, -1.0)], max(1, len(self.model)), list(self.model))

    @invariant()
    def nothing_is_wrong(self) -> None:
        if hasattr(self, "engines"):
            assert self.engines[0].verify() == []


@pytest.fixture(autouse=True, params=["with hnswlib", "without hnswlib", "with codes"])
def _small_thresholds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "with codes":
        pytest.importorskip("numkong")
        codes_for_few(monkeypatch.setattr)
    if request.param != "with hnswlib":
        monkeypatch.setenv("CHROMA_NB_NO_HNSW", "1")
    elif not HnswIndex.available():
        pytest.skip("hnswlib is not installed")
    monkeypatch.setattr(changelog, "KEPT", 2)
    monkeypatch.setattr(maintenance, "SMALLEST_WASTE", 4 * 4 * 4)
    monkeypatch.setattr(planner, "LARGEST_SHARE", 1.0)
    monkeypatch.setattr(row_files, "FEWEST", 0)
    monkeypatch.setattr(loading, "_MOST_CHANGED", 1.0)


@pytest.mark.parametrize("place", ["memory", "disk"])
def test_engine_and_dictionary_agree(place: str) -> None:
    machine = type("Machine", (Machine,), {"place": place})
    run_state_machine_as_test(machine, settings=settings(max_examples=30, stateful_step_count=25, deadline=None))
