"""Cache files of codes: written, mapped, grown; and damaged, stale or foreign, which makes them forgotten."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from chroma_nb.engine import locks
from chroma_nb.engine.index import code_files, codes
from chroma_nb.engine.index.certified import CertifiedIndex
from chroma_nb.engine.index.codes import Codes, Frame, sample_of
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.vectors import checksums_of, norms_of

ROWS, SLOTS, DIMENSION = 256, 1000, 40
ME = "11111111-2222-3333-4444-555555555555"


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (codes, code_files):
        monkeypatch.setattr(module, "BLOCK_ROWS", ROWS)


def vectors(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(3, 1, size=(SLOTS, DIMENSION)).astype(np.float32)


def crcs_of(matrix: np.ndarray) -> np.ndarray:
    return np.array(checksums_of(matrix), np.uint32)


def made(space: str = "l2", slots: int = SLOTS, of: np.ndarray | None = None) -> Codes:
    matrix = vectors() if of is None else of
    frame = Frame.chosen_for(space, sample_of(matrix, np.arange(SLOTS)), SLOTS)
    return Codes(frame).extended(matrix[:slots])


def save(directory: Path, some: Codes, *, seq: int = 7, covers: int = SLOTS, of: np.ndarray | None = None) -> None:
    code_files.save(some, crcs_of(vectors() if of is None else of), directory, ME, 2, seq, covers)


def load(directory: Path, *, of: np.ndarray | None = None, live: np.ndarray | None = None, **changes) -> Codes | None:
    matrix = vectors() if of is None else of
    facts = {"collection_id": ME, "generation": 2, "space": "l2", "seq": 9} | changes
    crcs = crcs_of(matrix)
    if live is not None:
        crcs[~live] = 0
    return code_files.load(directory, vectors=matrix, crcs=crcs, **facts)


def the_file(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def equal(some: Codes, others: Codes) -> bool:
    """As far as the shorter go."""
    pairs = zip(some.blocks, others.blocks, strict=False)
    return all(
        (mine.codes == its.codes).all()
        and (mine.scales == its.scales).all()
        and (mine.biases == its.biases).all()
        and (mine.residual, mine.length, mine.longest) == (its.residual, its.length, its.longest)
        for mine, its in pairs
    )


@pytest.mark.parametrize("space", ["l2", "cosine", "ip"])
@pytest.mark.parametrize("mapped", [True, False])
def test_whole_blocks_come_back_and_the_rest_is_coded_again(space: str, mapped: bool, tmp_path: Path) -> None:
    saved = made(space)
    save(tmp_path / "cache", saved)
    found = load(tmp_path / "cache", space=space, mapped=mapped)
    assert found is not None
    assert found.end == 3 * ROWS
    assert equal(found, saved)
    assert equal(found.extended(vectors()), saved)
    assert (os.stat(the_file(tmp_path / "cache")).st_mode & 0o777) == 0o600


def test_a_rotation_comes_back_with_it(tmp_path: Path) -> None:
    matrix = vectors()
    matrix[:, :2] *= 60
    saved = made(of=matrix)
    assert saved.frame.rotation is not None
    save(tmp_path, saved, of=matrix)
    found = load(tmp_path, of=matrix)
    assert found is not None
    np.testing.assert_array_equal(found.frame.rotation, saved.frame.rotation)


def test_an_index_takes_them_where_it_has_none(tmp_path: Path) -> None:
    save(tmp_path, made())
    index, found = CertifiedIndex("l2", DIMENSION), load(tmp_path)
    assert found is not None
    assert not index.adopt(found), "more than the index knows of"
    index.extend(np.arange(SLOTS), norms_of(vectors()), SLOTS)
    assert index.adopt(found)
    assert not index.adopt(found)
    assert index.make_codes(vectors())
    assert equal(index.codes, made())


def test_a_file_grows_by_the_blocks_that_it_lacks(tmp_path: Path) -> None:
    save(tmp_path, made(slots=300))
    before = the_file(tmp_path).read_bytes()
    early = load(tmp_path, of=vectors()[:300])
    save(tmp_path, made(), seq=8)
    assert the_file(tmp_path).read_bytes()[: len(before)] == before
    found = load(tmp_path)
    assert found is not None
    assert found.end == 3 * ROWS
    assert early is not None
    assert equal(early, found), "a map of the shorter file stays as it was"


def test_another_frame_makes_another_file(tmp_path: Path) -> None:
    save(tmp_path, made(slots=300))
    moved = vectors() + np.float32(100)
    save(tmp_path, made(of=moved), of=moved)
    found = load(tmp_path, of=moved)
    assert found is not None
    assert equal(found, made(of=moved))


def test_slots_that_are_not_settled_are_left_out(tmp_path: Path) -> None:
    save(tmp_path, made(), covers=2 * ROWS + 10)
    found = load(tmp_path)
    assert found is not None
    assert found.end == 2 * ROWS


def test_nothing_is_written_for_less_than_a_block(tmp_path: Path) -> None:
    save(tmp_path, made(slots=ROWS - 1))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changes", [{"collection_id": ME.replace("1", "9")}, {"generation": 3}, {"space": "ip"}, {"seq": 6}], ids=str
)
def test_codes_of_something_else_are_not_used(changes: dict[str, object], tmp_path: Path) -> None:
    """Another collection, generation or space; or a collection that a backup has taken back to an earlier seq."""
    save(tmp_path, made())
    assert load(tmp_path, **changes) is None


def test_codes_of_other_vectors_are_not_used(tmp_path: Path) -> None:
    save(tmp_path, made())
    assert load(tmp_path, of=vectors(1)) is None


def test_one_vector_that_is_another_is_noticed(tmp_path: Path) -> None:
    save(tmp_path, made())
    matrix = vectors()
    matrix[ROWS + 17] += 1
    found = load(tmp_path, of=matrix)
    assert found is not None
    assert found.end == ROWS


def test_codes_of_other_vectors_with_the_same_norms_are_not_used(tmp_path: Path) -> None:
    save(tmp_path, made())
    assert load(tmp_path, of=np.ascontiguousarray(vectors()[:, ::-1])) is None


def test_one_vector_that_is_another_of_the_same_length_is_noticed(tmp_path: Path) -> None:
    """Of equal length: as after a backup was restored without cache/, and the slot was given out again."""
    save(tmp_path, made())
    matrix = vectors()
    matrix[5] = matrix[5, ::-1]
    for _ in range(20):  # a sample would miss it most times
        assert load(tmp_path, of=matrix) is None
        save(tmp_path, made())


def test_a_file_of_other_vectors_is_not_extended_but_made_anew(tmp_path: Path) -> None:
    save(tmp_path, made(slots=600))
    matrix = vectors()
    matrix[5] = matrix[5, ::-1]
    mapped = the_file(tmp_path).read_bytes()
    others = made(of=matrix)
    save(tmp_path, others, of=matrix, seq=8)
    assert the_file(tmp_path).read_bytes()[: len(mapped)] != mapped
    found = load(tmp_path, of=matrix)
    assert found is not None
    assert equal(found, others)


def test_a_file_that_is_ahead_of_a_reader_stays(tmp_path: Path) -> None:
    save(tmp_path, made(), seq=7)
    before = the_file(tmp_path).read_bytes()
    assert load(tmp_path, seq=6) is None
    assert the_file(tmp_path).read_bytes() == before


def test_vectors_of_deleted_records_may_be_gone(tmp_path: Path) -> None:
    save(tmp_path, made())
    matrix, live = vectors(), np.ones(SLOTS, np.bool_)
    live[10:20] = False
    matrix[10:20] = 0
    assert load(tmp_path, of=matrix, live=live) is not None


@pytest.mark.parametrize("block", [0, 1, 2])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.9999])
def test_a_damaged_block_and_those_behind_it_are_made_again(block: int, share: float, tmp_path: Path) -> None:
    saved = made()
    save(tmp_path, saved)
    path, size = the_file(tmp_path), code_files._record_type(DIMENSION).itemsize
    data = bytearray(path.read_bytes())
    place = len(data) - (3 - block) * size + int(share * (size - 1))
    data[place] ^= 0x10
    path.write_bytes(data)
    found = load(tmp_path)
    assert (0 if found is None else found.end) == block * ROWS
    assert not path.exists()
    again = (found or Codes(saved.frame)).extended(vectors())
    assert equal(again, saved)
    save(tmp_path, again)
    assert (whole := load(tmp_path)) is not None
    assert whole.end == 3 * ROWS


@pytest.mark.parametrize("kept", [0, 1, 55, 56, 60, 4095, 4096, 5000])
def test_a_file_that_was_cut_short_is_forgotten(kept: int, tmp_path: Path) -> None:
    save(tmp_path, made())
    path = the_file(tmp_path)
    path.write_bytes(path.read_bytes()[:kept])
    assert load(tmp_path) is None
    save(tmp_path, made())
    assert load(tmp_path) is not None


def test_every_bit_of_the_header_counts(tmp_path: Path) -> None:
    save(tmp_path, made())
    path = the_file(tmp_path)
    whole = path.read_bytes()
    length = 56 + int.from_bytes(whole[16:24], "little")
    for place in range(0, length, 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x40]) + whole[place + 1 :])
        assert load(tmp_path) is None


def test_a_block_that_was_half_written_is_written_again(tmp_path: Path) -> None:
    save(tmp_path, made(slots=600))
    path, size = the_file(tmp_path), code_files._record_type(DIMENSION).itemsize
    with open(path, "ab") as file:
        file.write(b"\x07" * (size // 2))
    assert load(tmp_path).end == 2 * ROWS
    save(tmp_path, made())
    assert load(tmp_path).end == 3 * ROWS


def test_who_finds_another_appending_lets_it(tmp_path: Path) -> None:
    save(tmp_path, made(slots=300))
    path = the_file(tmp_path)
    before = path.read_bytes()
    with open(path, "rb") as other:
        assert locks.claim(other.fileno())
        save(tmp_path, made())
        assert path.read_bytes() == before
    save(tmp_path, made())
    assert load(tmp_path).end == 3 * ROWS


@pytest.mark.parametrize("kind", ["link", "pipe", "folder"])
def test_what_is_no_file_is_not_opened(kind: str, tmp_path: Path) -> None:
    save(tmp_path / "elsewhere", made())
    path = tmp_path / "cache" / the_file(tmp_path / "elsewhere").name
    path.parent.mkdir()
    if kind == "link":
        path.symlink_to(the_file(tmp_path / "elsewhere"))
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    assert load(tmp_path / "cache") is None
    assert the_file(tmp_path / "elsewhere").exists()


def test_a_folder_that_cannot_be_written_is_one_warning(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("in the way")
    with pytest.warns(RuntimeWarning, match="could not be saved") as caught:
        save(tmp_path / "cache", made())
    assert len(caught) == 1


def test_what_belongs_to_no_collection_is_swept(tmp_path: Path) -> None:
    save(tmp_path, made())
    kept = the_file(tmp_path)
    (tmp_path / f"{ME}.1.codes").write_bytes(b"older generation")
    (tmp_path / f"{ME.replace('1', '9')}.2.codes").write_bytes(b"collection deleted")
    (tmp_path / "graph.hnsw").write_bytes(b"not ours")
    abandoned, written = tmp_path / f"{ME}.2.codes.aa.new", tmp_path / f"{ME}.2.codes.bb.new"
    abandoned.write_bytes(b"")
    with open(written, "wb") as file:
        assert locks.claim(file.fileno())
        assert cache_files.exist(tmp_path)
        cache_files.sweep(tmp_path, {ME: 2})
        assert sorted(tmp_path.iterdir()) == sorted([kept, written, tmp_path / "graph.hnsw"])
    assert cache_files.drop(tmp_path, ME)
    assert not cache_files.drop(tmp_path, ME)
    save(tmp_path, made())
    assert cache_files.clear(tmp_path)
    assert not cache_files.exist(tmp_path)


WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
import test_code_files as own
for module in (own.codes, own.code_files):
    module.BLOCK_ROWS = own.ROWS
for turn in range(40):
    own.save(Path(sys.argv[1]), own.made(slots=300 + 10 * turn))
"""


def test_processes_write_and_read_one_file(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-c", WRITER, str(tmp_path), str(Path(__file__).parent)]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    right = made()
    while any(writer.poll() is None for writer in writers):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save(tmp_path, made(slots=520))
        found = load(tmp_path)
        assert found is None or equal(found, right)
    for writer in writers:
        assert writer.communicate()[1] == b""
    assert load(tmp_path) is not None


def test_a_file_that_reading_removed_is_written_again_though_nothing_is_new(tmp_path: Path) -> None:
    save(tmp_path, made())
    path = the_file(tmp_path)
    damaged = bytearray(path.read_bytes())
    damaged[-100] ^= 1
    path.write_bytes(damaged)
    found = load(tmp_path)
    assert found is not None
    assert not path.exists()
    code_files.save(made(), crcs_of(vectors()), tmp_path, ME, 2, 7, found.end, found.end)
    assert load(tmp_path) is not None
