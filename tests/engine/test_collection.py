"""A collection in memory: applying changes gives what loading would."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from engine_samples import create, numbered

from chroma_nb.engine.arrays import Mask
from chroma_nb.engine.engine import Engine
from chroma_nb.engine.memory.collection import UNKNOWN, CollectionInMemory, Delta, enlarged
from chroma_nb.engine.memory.columns import INT, TRUE, Cells
from chroma_nb.engine.opening import SharedEngine


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def never(ids: Sequence[str]) -> np.ndarray:
    raise AssertionError("the ids are in a map")


@pytest.fixture
def memory() -> CollectionInMemory:
    """Records a, b, c at positions 0, 1, 2 and slots 0, 1, 2."""
    memory = CollectionInMemory(1)
    memory.apply(
        Delta(seq=1, next_slot=3, positions=ints(0, 1, 2), ids=["a", "b", "c"], slots=ints(0, 1, 2), norms=np.ones(3))
    )
    return memory


def test_rows_are_in_the_order_of_insertion(memory: CollectionInMemory) -> None:
    assert memory.find(["c", "nobody", "a"], never).tolist() == [2, UNKNOWN, 0]
    assert memory.live_rows().tolist() == [0, 1, 2]
    assert memory.dead_mask() is None


def test_a_replaced_vector_leaves_a_hole(memory: CollectionInMemory) -> None:
    memory.apply(Delta(seq=2, next_slot=4, moved_rows=ints(1), moved_slots=ints(3), moved_norms=np.ones(1)))
    assert memory.slots.tolist() == [0, 3, 2]
    assert memory.row_of_slot.tolist() == [0, UNKNOWN, 2, 1]
    assert memory.dead_mask().tolist() == [False, True, False, False]


def test_a_removed_record_keeps_its_row(memory: CollectionInMemory) -> None:
    memory.apply(Delta(seq=2, next_slot=3, removed_rows=ints(1)))
    assert memory.live_rows().tolist() == [0, 2]
    assert memory.find(["b"], never).tolist() == [UNKNOWN]
    assert memory.rows_at(ints(0, 1, 2, 3)).tolist() == [0, UNKNOWN, 2, UNKNOWN]


def test_what_a_write_costs_does_not_grow_with_the_writes_since_the_last_filter(
    memory: CollectionInMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory.columns(["n"], lambda: [[{"n": 0}] * 3])
    counted, length = [], Delta.__len__
    monkeypatch.setattr(Delta, "__len__", lambda delta: counted.append(delta) or length(delta))
    for number in range(200):
        slot = 3 + number
        one = {"positions": ints(slot), "ids": [str(slot)], "slots": ints(slot), "norms": np.ones(1)}
        memory.apply(Delta(seq=2 + number, next_slot=slot + 1, metadatas=[{"n": number}], **one))
    assert len(counted) <= 3 * 200
    assert memory.columns(["n"], list).names() == ["n"]
    assert len(memory.columns(["n"], list)) == 203


@pytest.mark.parametrize("piece", [1, 2, 5])
@pytest.mark.parametrize("gone", [(), (0,), (3, 4), (1, 2, 5)])
def test_the_columns_are_those_of_the_records_whatever_the_pieces_and_the_holes(
    piece: int, gone: tuple[int, ...]
) -> None:
    memory = CollectionInMemory(1)
    six = {"positions": ints(*range(6)), "slots": ints(*range(6)), "norms": np.ones(6)}
    memory.apply(Delta(seq=1, next_slot=6, ids=list("abcdef"), **six))
    memory.apply(Delta(seq=2, next_slot=6, removed_rows=ints(*gone)))
    kept = [row for row in range(6) if row not in gone]
    stored = [{"n": row, **({"odd": True} if row % 2 else {})} for row in kept]
    columns = memory.columns(
        ["n", "odd"], lambda: [stored[start : start + piece] for start in range(0, len(stored), piece)]
    )
    assert len(columns) == 6
    for row in range(6):
        found = columns.test("n", lambda cells, row=row: (cells.tags == INT) & (cells.ints == row), row, row + 1)
        odd = columns.test("odd", lambda cells: cells.tags == TRUE, row, row + 1)
        assert found.tolist() == [row in kept]
        assert odd.tolist() == [row in kept and row % 2 == 1]


def test_columns_are_made_by_key_and_those_that_are_there_follow_what_changes() -> None:
    memory, stored = CollectionInMemory(1), [{"n": row, "odd": row % 2 == 1, "other": "x"} for row in range(4)]
    four = {"positions": ints(*range(4)), "slots": ints(*range(4)), "norms": np.ones(4)}
    memory.apply(Delta(seq=1, next_slot=4, ids=list("abcd"), **four))
    read: list[int] = []

    def pieces() -> list[list[dict[str, object]]]:
        read.append(memory.seq)
        return [stored]

    def rows_where(key: str, test: Callable[[Cells], Mask]) -> list[int]:
        return np.flatnonzero(memory.columns([key], pieces).test(key, test, 0, 4)).tolist()

    assert rows_where("n", lambda cells: cells.ints == 2) == [2]
    assert memory.columns(["n"], pieces).lack(["n", "odd", "other"]) == {"odd", "other"}
    stored[2] = {"n": 9, "odd": True}
    memory.apply(Delta(seq=2, next_slot=4, rewritten_rows=ints(2), rewritten_metadatas=[stored[2]]))
    assert rows_where("n", lambda cells: cells.ints == 9) == [2]
    assert rows_where("odd", lambda cells: cells.tags == TRUE) == [1, 2, 3]
    stored[1] = {"n": 7}
    memory.apply(Delta(seq=3, next_slot=4, rewritten_rows=ints(1), rewritten_metadatas=[stored[1]]))
    assert rows_where("odd", lambda cells: cells.tags == TRUE) == [2, 3]
    assert rows_where("n", lambda cells: cells.ints == 7) == [1]
    assert rows_where("nowhere", lambda cells: cells.tags == TRUE) == []
    assert memory.columns(["n", "odd", "nowhere"], pieces).lack(["other"]) == {"other"}
    assert read == [1, 2, 3]


def test_an_id_may_be_removed_and_added_in_one_change(memory: CollectionInMemory) -> None:
    memory.apply(
        Delta(
            seq=3,
            next_slot=4,
            positions=ints(3),
            ids=["a"],
            slots=ints(3),
            norms=np.ones(1),
            metadatas=[None],
            removed_rows=ints(0),
        )
    )
    assert memory.find(["a"], never).tolist() == [3]
    assert memory.live == 3


def test_slots_that_no_record_names_belong_to_nobody(memory: CollectionInMemory) -> None:
    memory.apply(Delta(seq=2, next_slot=9, positions=ints(7), ids=["d"], slots=ints(8), norms=np.ones(1)))
    assert memory.row_of_slot.tolist() == [0, 1, 2, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, 3]
    assert (memory.next_slot, memory.live) == (9, 4)


def test_a_change_that_is_interrupted_leaves_nothing_known(memory: CollectionInMemory) -> None:
    broken = Delta(seq=2, next_slot=4, positions=ints(3), ids=["d", "e"], slots=ints(3), norms=np.ones(1))
    with pytest.raises(ValueError, match="zip"):
        memory.apply(broken)
    assert memory.seq == UNKNOWN


def test_arrays_grow_by_half() -> None:
    array = np.arange(10)
    assert enlarged(array, 10) is array
    larger = enlarged(array, 11)
    assert len(larger) == 15
    assert larger[:10].tolist() == array.tolist()


def test_following_and_loading_come_to_the_same(tmp_path) -> None:
    """One engine follows the other's changes, a third loads everything."""
    writer, follower = SharedEngine.open(tmp_path / "db"), Engine(tmp_path / "db", durability="process")
    collection = create(writer)
    writer.add(collection, numbered(0, 10))
    for turn in range(6):
        follower.get(collection, None, None, None, None, ())
        writer.upsert(collection, numbered(5 + turn, 4, version=turn))
        writer.delete(collection, [f"r{turn}"], None)
        writer.add(collection, numbered(turn, 1, version=9))
    follower.get(collection, None, None, None, None, ())
    loader = Engine(tmp_path / "db", durability="process")
    loader.get(collection, None, None, None, None, ())
    (followed,), (loaded,) = follower.transactions.memories.values(), loader.transactions.memories.values()
    live = followed.live_rows()
    assert [followed.ids[row] for row in live] == [loaded.ids[row] for row in loaded.live_rows()]
    assert followed.slots[live].tolist() == loaded.slots[loaded.live_rows()].tolist()
    assert (followed.seq, followed.next_slot, followed.live) == (loaded.seq, loaded.next_slot, loaded.live)
    for engine in (writer, follower, loader):
        engine.close()
