"""Deletions, changes, parts taken away and additions in one transaction, against an oracle."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_samples import agree, contents, create
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chroma_nb.engine.engine import Engine
from chroma_nb.engine.opening import SharedEngine
from chroma_nb.errors import InvalidArgumentError
from chroma_nb.records import Edited, Edits, Records

IDS = "abcdefgh"
TEXT = st.none() | st.sampled_from(["one", "two", ""])
METADATA = st.none() | st.dictionaries(st.sampled_from("kl"), st.none() | st.integers(0, 3), max_size=2)
VECTOR = st.tuples(st.integers(0, 9), st.integers(0, 9)).map(lambda pair: [float(one) for one in pair])
RECORD = st.fixed_dictionaries({"document": TEXT, "uri": TEXT, "metadata": METADATA, "vector": st.none() | VECTOR})
SOME = st.dictionaries(st.sampled_from(IDS), RECORD, max_size=5)
COUNTER = itertools.count()


@st.composite
def edits(draw: Any) -> Edits:
    update, add = draw(SOME), draw(SOME)
    known = st.lists(st.sampled_from(sorted(update)), unique=True) if update else st.just([])
    for record in add.values():
        record["vector"] = record["vector"] or draw(VECTOR)
        record["metadata"] = {key: one for key, one in (record["metadata"] or {}).items() if one is not None} or None
    return Edits(
        delete=draw(st.lists(st.sampled_from(IDS), unique=True, max_size=3)),
        update=as_records(update),
        add=as_records(add),
        without_document=draw(known),
        without_uri=draw(known),
    )


def as_records(given: dict[str, dict[str, Any]]) -> Records:
    """The records of a call, fields of which none has anything left out."""
    columns = {name: [one[name] for one in given.values()] for name in ("document", "uri", "metadata", "vector")}
    has = np.array([vector is not None for vector in columns["vector"]], np.bool_)
    vectors = np.array([vector or [0.0, 0.0] for vector in columns["vector"]], np.float32) if has.any() else None

    def said(values: list[Any]) -> list[Any] | None:
        return values if any(value is not None for value in values) else None

    return Records(
        ids=list(given),
        embeddings=vectors,
        documents=said(columns["document"]),
        uris=said(columns["uri"]),
        metadatas=said(columns["metadata"]),
        has_embedding=None if vectors is None or has.all() else has,
    )


def rows_of(given: Records) -> list[tuple[str, Any, Any, Any, Any]]:
    nothing = [None] * len(given)
    has = [given.embeddings is not None] * len(given) if given.has_embedding is None else given.has_embedding.tolist()
    vectors = [given.embeddings[row].tolist() if there else None for row, there in enumerate(has)]  # type: ignore[index]
    fields = (given.documents or nothing, given.uris or nothing, given.metadatas or nothing, vectors)
    return list(zip(given.ids, *fields, strict=True))


def applied(there: dict[str, list[Any]], done: Edits) -> tuple[dict[str, list[Any]], Edited]:
    """The oracle: vector, document, metadata and uri of every record afterwards."""
    now = {name: list(record) for name, record in there.items() if name not in done.delete}
    deleted, updated, added = len(there) - len(now), 0, 0
    for name, document, uri, metadata, vector in rows_of(done.update):
        if name not in now:
            continue
        updated += 1
        record = now[name]
        record[0] = record[0] if vector is None else vector
        record[1] = None if name in done.without_document else record[1] if document is None else document
        record[3] = None if name in done.without_uri else record[3] if uri is None else uri
        merged = {**(record[2] or {}), **(metadata or {})}
        record[2] = {key: value for key, value in merged.items() if value is not None}
    for name, document, uri, metadata, vector in rows_of(done.add):
        if name not in now:
            added += 1
            now[name] = [vector, document, dict(metadata or {}), uri]
    return now, Edited(deleted, updated, added)


@given(st.lists(edits(), min_size=1, max_size=6))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_edits_do_what_the_oracle_says_for_everybody(tmp_path: Path, many: list[Edits]) -> None:
    path = tmp_path / str(next(COUNTER))
    engine, memory = SharedEngine.open(path), SharedEngine.open(None)
    follower = Engine(path, durability="power")  # as another process has it
    collection, twin = create(engine), create(memory)
    there: dict[str, list[Any]] = {}
    for one in many:
        wanted, counts = applied(there, one)
        assert engine.edit(collection, one) == memory.edit(twin, one) == counts
        for who, which in ((engine, collection), (follower, collection), (memory, twin)):
            found = contents(who, which)
            assert [(name, [list(row[0]), row[1], row[2] or {}, row[3]]) for name, row in found.items()] == list(
                wanted.items()
            )
            assert all((row[2] is None) <= (row[3] is None) for row in found.values())  # {} beside a uri, as after add
            assert agree(who, which) == set(wanted)
            assert who.verify() == []
        there = wanted
    for who in (engine, memory, follower):
        who.close()


def test_an_edit_that_cannot_be_changes_nothing(engine: Engine) -> None:
    collection = create(engine)
    engine.edit(collection, Edits(add=Records(["a", "b"], np.eye(2, dtype=np.float32), ["x", "y"])))
    before = contents(engine, collection)
    wrong = Records(["a"], np.ones((1, 3), np.float32))
    without = Records(["c", "d"], np.eye(2, dtype=np.float32), has_embedding=np.array([True, False]))
    for edits in (
        Edits(delete=["b"], update=wrong),
        Edits(delete=["b"], add=replace_id(wrong)),
        Edits(delete=["b"], add=without),
    ):
        with pytest.raises(InvalidArgumentError):
            engine.edit(collection, edits)
        assert contents(engine, collection) == before
    assert engine.edit(collection, Edits()) == Edited()
    assert engine.edit(collection, Edits(delete=["nobody"])) == Edited()
    assert contents(engine, collection) == before


def replace_id(given: Records) -> Records:
    return Records(["new"], given.embeddings)
