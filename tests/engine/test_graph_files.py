"""Cache files of the graph: whole, stale, damaged and hostile."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import orjson
import pytest

from chroma_nb.engine import locks
from chroma_nb.engine.index import graph_files
from chroma_nb.engine.index.hnsw import HnswIndex
from chroma_nb.types import Space

hnswlib = pytest.importorskip("hnswlib")
if hasattr(hnswlib.Index, "persist_dirty"):
    pytest.skip("chroma-hnswlib's graphs are not stored", allow_module_level=True)

DIMENSION = 8
SLOTS = 600


@dataclass(frozen=True)
class Parameters:
    space: Space = "l2"
    max_neighbors: int = 8
    ef_construction: int = 50


def vectors(seed: int = 0) -> np.ndarray:
    matrix = np.random.default_rng(seed).normal(size=(SLOTS, DIMENSION)).astype(np.float32)
    matrix[500:] = matrix[np.arange(100) % 10]  # duplicates of the first ten
    return matrix


def built(space: Space = "l2") -> HnswIndex:
    matrix = vectors()
    index = HnswIndex.build(Parameters(space), lambda slots: matrix[slots], np.arange(SLOTS), DIMENSION)
    assert index is not None
    index.mark(np.array([0, 1, 2, 300, 510]))
    return index


def loaded(directory: Path, **changes) -> HnswIndex | None:
    facts = {
        "collection_id": "c",
        "generation": 1,
        "parameters": Parameters(),
        "dimension": DIMENSION,
        "slots_limit": SLOTS,
    }
    return graph_files.load(directory, **(facts | changes))


def test_a_graph_of_a_library_whose_files_cannot_be_examined_is_not_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(HnswIndex, "storable", False)

    graph_files.save(built(), tmp_path / "cache", "c", 1, 7, SLOTS)

    assert not (tmp_path / "cache").exists()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    directory = tmp_path / "cache"
    graph_files.save(built(), directory, "c", 1, 7, SLOTS)
    return directory


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
def test_a_loaded_graph_answers_as_the_saved_one(tmp_path, space):
    index = built(space)
    graph_files.save(index, tmp_path, "c", 1, 7, SLOTS)

    again = loaded(tmp_path, parameters=Parameters(space))

    assert again is not None
    assert (again.covers, again.count, again.dead) == (SLOTS, index.count, index.dead)
    assert again.slots().tolist() == index.slots().tolist()
    assert np.array_equal(index.query(vectors(1), 10, 100), again.query(vectors(1), 10, 100))


def test_a_loaded_graph_goes_on_growing(cache):
    index = loaded(cache)
    assert index is not None
    matrix = vectors(2)

    index.append(np.arange(SLOTS, 2 * SLOTS), matrix)
    index.append(np.array([2 * SLOTS]), vectors()[3:4])  # known already: stands behind an old label

    assert index.query(matrix[100:130], 1, 100)[:, 0].tolist() == list(range(SLOTS + 100, SLOTS + 130))
    assert {3, 2 * SLOTS} <= set(index.query(vectors()[3:4], 20, 100)[0].tolist())
    assert index._graph.get_current_count() == 500 + 500


def test_a_graph_saved_twice_leaves_one_pair_of_files(cache):
    first = {path.name for path in cache.iterdir()}
    index = loaded(cache)
    assert index is not None

    index.mark(index.slots()[:1])
    graph_files.save(index, cache, "c", 1, 8, SLOTS)
    graph_files.save(built(), cache, "other", 1, 3, SLOTS)

    assert len(first) == 2
    assert len(list(cache.iterdir())) == 4
    assert not first & {path.name for path in cache.iterdir()}
    assert loaded(cache).count == index.count


@pytest.mark.parametrize(
    "change",
    [
        {"collection_id": "another"},
        {"generation": 2},
        {"parameters": Parameters(max_neighbors=16)},
        {"parameters": Parameters(ef_construction=60)},
        {"parameters": Parameters(space="cosine")},
        {"dimension": 9},
        {"slots_limit": SLOTS - 1},
    ],
)
def test_a_file_of_something_else_is_not_used_and_stays(cache, change):
    assert loaded(cache, **change) is None
    assert loaded(cache) is not None


def test_the_newest_file_that_fits_is_used(cache, tmp_path):
    newer = built()
    newer.mark(newer.slots()[:1])
    graph_files.save(newer, tmp_path / "newer", "c", 1, 9, SLOTS)
    graph_files.save(built(), tmp_path / "older", "c", 1, 5, SLOTS)
    for path in [*(tmp_path / "newer").iterdir(), *(tmp_path / "older").iterdir()]:
        shutil.copy(path, cache)

    assert loaded(cache).count == newer.count


def test_dropping_takes_the_files_of_one_collection(cache):
    graph_files.save(built(), cache, "other", 1, 3, SLOTS)

    assert not graph_files.drop(cache, "c", before=1)
    assert loaded(cache) is not None
    assert graph_files.drop(cache, "c")
    assert loaded(cache) is None
    assert loaded(cache, collection_id="other") is not None


def test_sweeping_takes_what_is_of_no_collection_or_of_another_generation(cache):
    for name, generation in (("gone", 1), ("compacted", 3), ("kept", 4)):
        graph_files.save(built(), cache, name, generation, 3, SLOTS)

    graph_files.sweep(cache, {"c": 1, "compacted": 4, "kept": 4})

    assert loaded(cache) is not None
    assert loaded(cache, collection_id="kept", generation=4) is not None
    assert len(list(cache.iterdir())) == 4


def test_what_a_dead_process_left_is_swept_and_what_a_living_one_writes_stays(cache):
    written = (cache / "written.hnsw").open("wb")
    assert locks.claim(written.fileno())
    for name in ("written.part", "dead.hnsw", "dead.part", "alone.part"):
        (cache / name).write_bytes(b"half")
    (cache / "embeddings.sqlite3").write_bytes(b"not a graph")

    graph_files.sweep(cache, {"c": 1})

    assert not list(cache.glob("dead.*"))
    assert not list(cache.glob("alone.*"))
    assert len(list(cache.glob("written.*"))) == 2
    assert (cache / "embeddings.sqlite3").exists()
    assert loaded(cache) is not None
    written.close()
    graph_files.clear(cache)
    assert [path.name for path in cache.iterdir()] == ["embeddings.sqlite3"]


def test_a_graph_is_not_swept_while_it_is_saved(tmp_path, monkeypatch):
    index = built()
    whole = index.save

    def swept(path):
        graph_files.clear(tmp_path)
        answer = whole(path)
        graph_files.sweep(tmp_path, {})
        return answer

    monkeypatch.setattr(index, "save", swept)
    graph_files.save(index, tmp_path, "c", 1, 7, SLOTS)
    assert loaded(tmp_path) is not None


def test_a_graph_that_is_swept_before_it_is_claimed_is_saved_all_the_same(tmp_path, monkeypatch):
    claim, sweeps = locks.claim, iter([True, True, False])

    def claiming(descriptor: int) -> bool:
        if next(sweeps, False):
            with monkeypatch.context() as within:
                within.setattr(locks, "claim", claim)
                graph_files.sweep(tmp_path, {})
        return claim(descriptor)

    monkeypatch.setattr(locks, "claim", claiming)
    graph_files.save(built(), tmp_path, "c", 1, 7, SLOTS)
    monkeypatch.undo()
    assert next(sweeps, None) is None
    assert loaded(tmp_path) is not None


def test_no_directory_is_no_cache(tmp_path):
    assert loaded(tmp_path / "nowhere") is None
    graph_files.sweep(tmp_path / "nowhere", {})
    assert not graph_files.clear(tmp_path / "nowhere")


def test_failing_to_save_is_one_warning_and_leaves_nothing(tmp_path):
    (tmp_path / "cache").write_text("a file where the directory should be")

    with pytest.warns(RuntimeWarning, match="could not be saved") as caught:
        graph_files.save(built(), tmp_path / "cache", "c", 1, 7, SLOTS)

    assert len(caught) == 1


def test_a_graph_cut_short_by_a_full_disk_is_not_saved(tmp_path, monkeypatch):
    index = built()
    whole = index.save

    def cut_short(path):
        answer = whole(path)
        os.truncate(path, path.stat().st_size // 2)
        return answer

    monkeypatch.setattr(index, "save", cut_short)
    with pytest.warns(RuntimeWarning, match="could not be saved"):
        graph_files.save(index, tmp_path / "cache", "c", 1, 7, SLOTS)

    assert list((tmp_path / "cache").iterdir()) == []


def test_the_files_are_for_their_owner_alone(cache):
    assert {path.stat().st_mode & 0o777 for path in cache.iterdir()} == {0o600}


@pytest.mark.parametrize("suffix", [".hnsw", ".json"])
@pytest.mark.parametrize("damage", ["gone", "empty", "half", "flipped", "link", "directory"])
def test_damage_is_noticed_and_the_files_go(cache, tmp_path, suffix, damage):
    (path,) = cache.glob(f"*{suffix}")
    content = path.read_bytes()
    path.unlink()
    match damage:
        case "empty":
            path.write_bytes(b"")
        case "half":
            path.write_bytes(content[: len(content) // 2])
        case "flipped":
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
        case "link":
            (tmp_path / "elsewhere").write_bytes(content)
            path.symlink_to(tmp_path / "elsewhere")
        case "directory":
            path.mkdir()

    assert loaded(cache) is None
    assert loaded(cache) is None


# --- Strangers: every checksum is right, the numbers are not --------------------------------------------
_HOSTILE = """
import sys
from pathlib import Path
import numpy as np
from test_graph_files import SLOTS, forged, loaded, mutated, vectors

source, work, first, last = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
survived = 0
for seed in range(first, last):
    directory = work / str(seed)
    print("seed", seed, flush=True)
    forged(source, directory, mutated(seed))
    index = loaded(directory)
    if index is None:
        assert list(directory.iterdir()) == [], "a refused file is still there"
        continue
    survived += 1
    found = index.query(vectors(1)[:50], 10, 100)
    assert found is None or (found < SLOTS).all()
    index.mark(np.arange(0, SLOTS, 5))
    index.append(np.arange(SLOTS, 2 * SLOTS), vectors(5))
    index.query(vectors(1)[:50], 10, 100)
print("survived", survived)
"""


def forged(source: Path, directory: Path, mutate) -> None:
    """A copy of the cache whose graph file went through ``mutate``, with checksums to match."""
    directory.mkdir()
    (graph,) = source.glob("*.hnsw")
    (sidecar,) = source.glob("*.json")
    content = mutate(graph.read_bytes())
    facts = orjson.loads(sidecar.read_bytes())["facts"] | {"sha256": hashlib.sha256(content).hexdigest()}
    (directory / graph.name).write_bytes(content)
    checksum = hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
    (directory / sidecar.name).write_bytes(orjson.dumps({"sha256": checksum, "facts": facts}))


def mutated(seed: int):
    """One of many ways to spoil a graph file, chosen by ``seed``."""

    def mutate(content: bytes) -> bytes:
        random = np.random.default_rng(seed)
        spoiled = bytearray(content)
        element = 4 * (1 + 16) + 4 * DIMENSION + 8
        upper = 96 + element * 500
        match seed % 8:
            case 0:  # a field of the header
                at = int(random.integers(0, 12)) * 8
                spoiled[at : at + 8] = random.bytes(8) if seed % 16 else (2**63 - 1).to_bytes(8, "little")
            case 1:  # a link on the ground
                at = 96 + element * int(random.integers(500)) + 4 * int(random.integers(1, 17))
                spoiled[at : at + 4] = random.integers(500, 2**32, dtype=np.uint32).tobytes()
            case 2:  # the number of links
                at = 96 + element * int(random.integers(500))
                spoiled[at : at + 4] = random.integers(17, 2**32, dtype=np.uint32).tobytes()
            case 3:  # anything above the ground
                at = int(random.integers(upper, len(content) - 4))
                spoiled[at : at + 4] = random.bytes(4)
            case 4:  # a label
                at = 96 + element * int(random.integers(1, 501)) - 8
                spoiled[at : at + 8] = int(random.integers(0, 2**63)).to_bytes(8, "little")
            case 5:  # cut or prolonged
                cut = int(random.integers(1, len(content)))
                spoiled = spoiled[:cut] if seed % 16 < 8 else spoiled + bytearray(random.bytes(cut % 1000))
            case 6:  # bits anywhere
                for at in random.integers(0, len(content), 20).tolist():
                    spoiled[at] ^= 1 << int(random.integers(8))
            case 7:  # the entry point, or the number of levels
                at = 48 + 4 * int(random.integers(2))
                spoiled[at : at + 4] = random.integers(0, 600, dtype=np.uint32).tobytes()
        return bytes(spoiled)

    return mutate


def test_no_graph_file_of_a_stranger_ends_the_process(cache, tmp_path):
    work = tmp_path / "work"
    work.mkdir()

    done = subprocess.run(
        [sys.executable, "-c", _HOSTILE, str(cache), str(work), "0", "200"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])},
    )

    assert done.returncode == 0, (done.returncode, done.stdout[-200:], done.stderr[-2000:])
    # What survives changed a vector or swapped two links: wrong neighbours, none of them out of bounds.
    assert int(done.stdout.split()[-1]) < 60


def test_an_unspoiled_forgery_is_read(cache, tmp_path):
    forged(cache, tmp_path / "copy", lambda content: content)

    assert loaded(tmp_path / "copy") is not None


@pytest.mark.parametrize(
    "change",
    [
        {"twins": [5], "leaders": [7]},
        {"twins": [700], "leaders": [3]},
        {"twins": [550], "leaders": [599]},
        {"twins": [550, 551], "leaders": [3]},
        {"twins": ["x"], "leaders": [3]},
        {"twins": [2**62], "leaders": [3]},
        {"leaders_gone": [20]},
        {"covers": 20},
        {"covers": "600"},
        {"seq": None},
        {"sha256": 5},
    ],
)
def test_a_sidecar_that_contradicts_its_graph_is_refused(cache, change):
    (sidecar,) = cache.glob("*.json")
    facts = orjson.loads(sidecar.read_bytes())["facts"] | change
    checksum = hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()
    sidecar.write_bytes(orjson.dumps({"sha256": checksum, "facts": facts}))

    assert loaded(cache) is None
    assert list(cache.iterdir()) == []
