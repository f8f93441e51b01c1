"""Cache files of codes: ``<collection uuid>.<generation>.codes``, a header and whole blocks, mapped by all processes.

Derived data: if a file is lost, the vectors are coded again, so a file with any fault is dropped. A wrong code
would give a wrong result, unlike a wrong link of an HNSW index. So a block is used only if its checksum is right,
if it was written at no later seq than the collection is at (a restored backup goes back), if it was made from the
vectors whose checksums the records have now, and if its bounds hold for a sample of the vectors.

A file is written under another name and renamed. It grows by whole blocks, under its lock, and never shrinks: another
process may have mapped it. The rows behind the last whole block are coded in memory.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import warnings
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from itertools import count as numbers_from
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from chroma_nb.engine import locks
from chroma_nb.engine.arrays import Float64
from chroma_nb.engine.index.codes import BLOCK_ROWS, SLACK, Block, Codes, Frame, coded
from chroma_nb.engine.storage import cache_files
from chroma_nb.engine.storage.cache_files import CODES, OddFileError, demand, open_regular, path_of, unlink
from chroma_nb.types import Json, Matrix

_MAGIC: Final = b"chroma_nb codes\n"
_FORMAT: Final = 1
_PAGE: Final = 4096
#: The largest header: a rotation of 1,024 dimensions is 8 MB.
_HEADER_LIMIT: Final = 1 << 24
#: Rows of a block whose bounds are compared with the vectors.
_SAMPLE: Final = 64
#: crc32 of vectors.
Checksums: TypeAlias = npt.NDArray[np.uint32]
#: One record, as an array of one.
_Record: TypeAlias = npt.NDArray[np.void]
_PREFIX: Final = np.dtype([("magic", "S16"), ("length", "<u8"), ("sha256", "V32")])


# --- writing ----------------------------------------------------------------------------------------------
def save(
    codes: Codes,
    crcs: Checksums,
    directory: Path,
    collection_id: str,
    generation: int,
    seq: int,
    covers: int,
    stored: int = 0,
) -> None:
    """Write the whole blocks as they are at ``seq``, or append those that a file lacks; a failure is one warning.

    ``covers``: the slots below it belong to records or are dead for ever; later blocks are left out. ``crcs``:
    of the vectors, by slot; 0 without a record. ``stored``: the slot up to which the file has just been read:
    if there are no others, it is not read again.
    """
    blocks = [block for block in codes.blocks if len(block) == BLOCK_ROWS and block.end <= covers]
    path = path_of(directory, collection_id, generation, CODES)
    if not blocks or (blocks[-1].end <= stored and path.exists()):  # reading may have removed a damaged file
        return
    identity = _identity(collection_id, generation, codes.frame.space, codes.frame.dimension)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _append(path, identity, codes.frame, blocks, crcs, seq):
            _make(path, identity, codes.frame, blocks, crcs, seq)
    except OSError as error:
        warnings.warn(
            f"The codes for searching could not be saved in {directory} ({error}). They are created again when "
            "they are needed.",
            RuntimeWarning,
            stacklevel=2,
        )


def _make(path: Path, identity: Json, frame: Frame, blocks: list[Block], crcs: Checksums, seq: int) -> None:
    records = (_record(block, number, crcs, seq).tobytes() for number, block in enumerate(blocks))
    cache_files.make(path, chain([_header(identity, frame)], records))


def _append(path: Path, identity: Json, frame: Frame, blocks: list[Block], crcs: Checksums, seq: int) -> bool:
    """Append the blocks that are missing; False when there is no file of this frame and these vectors."""
    try:
        descriptor = open_regular(path, os.O_RDWR)
    except (OSError, OddFileError):
        return False
    with os.fdopen(descriptor, "rb+") as file:
        if not locks.claim(descriptor):
            return True  # another process is appending the same blocks
        try:
            stored, start = _read_header(file.read(_HEADER_LIMIT), identity)
        except OddFileError:
            return False
        if not _same(stored, frame):
            return False
        size = _record_type(frame.dimension).itemsize
        there = max(0, os.fstat(descriptor).st_size - start) // size
        for number, block in enumerate(blocks):
            found = _read_at(descriptor, start + number * size, frame.dimension)
            whole = number < there and _is_whole(found, number)
            if whole and not _is_of(found, crcs[block.first : block.end]):
                return False  # processes that mapped it may have another history: it is not changed
            if not whole:
                _write_at(descriptor, _record(block, number, crcs, seq).tobytes(), start + number * size)
        os.fsync(descriptor)
    return True


def share(
    directory: Path, collection_id: str, fork_id: str, generation: int, seq: int, space: str, dimension: int
) -> None:
    """Copy the blocks of a collection for a fork that was made at ``seq``. Not a link, since a file grows."""
    mine, its = (_identity(ident, generation, space, dimension) for ident in (collection_id, fork_id))
    with os.fdopen(open_regular(path_of(directory, collection_id, generation, CODES), os.O_RDONLY), "rb") as file:
        frame, start = _read_header(file.read(_HEADER_LIMIT), mine)
        blocks = _blocks_at(file.fileno(), start, dimension, seq)
        cache_files.make(path_of(directory, fork_id, generation, CODES), chain([_header(its, frame)], blocks))


def _blocks_at(descriptor: int, start: int, dimension: int, seq: int) -> Iterator[bytes]:
    """The blocks of a file, from ``start`` on, up to the first that is damaged or was written after ``seq``."""
    for number in numbers_from():
        record = _read_at(descriptor, start + number * _record_type(dimension).itemsize, dimension)
        if not _is_whole(record, number) or int(record["seq"][0]) > seq:
            return
        yield record.tobytes()


def _write_at(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def _read_at(descriptor: int, offset: int, dimension: int) -> _Record:
    kind = _record_type(dimension)
    data = os.pread(descriptor, kind.itemsize, offset)
    return np.frombuffer(data, kind) if len(data) == kind.itemsize else np.zeros(1, kind)


# --- reading ----------------------------------------------------------------------------------------------
def load(
    directory: Path,
    collection_id: str,
    generation: int,
    space: str,
    vectors: Matrix,
    crcs: Checksums,
    seq: int,
    *,
    mapped: bool = True,
    cancelled: Callable[[], bool] = lambda: False,
) -> Codes | None:
    """The codes in the cache, up to the first block that is not valid; None if there are none.

    ``vectors`` and their ``crcs`` by slot, at ``seq``; 0 without a record's vector. A damaged file is removed
    if that is allowed; one that is ahead of ``seq`` belongs to another process.
    """
    path = path_of(directory, collection_id, generation, CODES)
    try:
        with os.fdopen(open_regular(path, os.O_RDONLY), "rb") as file:
            size = os.fstat(file.fileno()).st_size
            whole = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if mapped and size else file.read()
        identity = _identity(collection_id, generation, space, vectors.shape[1])
        frame, start = _read_header(memoryview(whole), identity)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, OddFileError):
        unlink(path)
        return None
    kind = _record_type(frame.dimension)
    count = min(len(vectors) // BLOCK_ROWS, max(0, size - start) // kind.itemsize)
    if not count:
        return None
    records, blocks = np.frombuffer(whole, kind, count, start), []
    for number in range(count):
        if cancelled():
            return None
        record = records[number : number + 1]
        first = number * BLOCK_ROWS
        part = slice(first, first + BLOCK_ROWS)
        intact, block = _is_whole(record, number), _block(record, first)
        if intact and int(record["seq"][0]) > seq:
            break
        if not (intact and _is_of(record, crcs[part]) and _fits(frame, block, vectors[part], crcs[part])):
            unlink(path)
            break
        blocks.append(block)
    return Codes(frame, tuple(blocks)) if blocks else None


def _is_whole(record: _Record, number: int) -> bool:
    return int(record["number"][0]) == number and int(record["checksum"][0]) == _checksum(record)


def _checksum(record: _Record) -> int:
    """The checksum of all fields before the checksum, which is last."""
    return zlib.crc32(record.view(np.uint8)[:-8].data)


def _block(record: _Record, first: int) -> Block:
    return Block(
        record["codes"][0],
        record["scales"][0],
        record["biases"][0],
        residual=float(record["residual"][0]),
        length=float(record["length"][0]),
        longest=float(record["longest"][0]),
        first=first,
    )


def _is_of(record: _Record, crcs: Checksums) -> bool:
    """Whether a block is of the vectors with these checksums, if there are any."""
    live = crcs != 0
    return np.array_equal(record["crcs"][0][live], crcs[live])


def _fits(frame: Frame, block: Block, vectors: Matrix, crcs: Checksums) -> bool:
    """Whether the bounds hold for a sample of the vectors, which differs each time."""
    bounds = (block.residual, block.length, block.longest)
    if not (all(map(math.isfinite, bounds)) and bool(np.isfinite(block.scales).all())):
        return False
    there = np.flatnonzero(crcs)
    if not len(there):
        return True
    sample = np.sort(np.random.default_rng().choice(there, min(_SAMPLE, len(there)), replace=False))
    picked, made = block.pick(sample), coded(frame, vectors[sample])
    wrong = np.abs(picked.biases - made.biases) > 2 * SLACK * np.abs(made.biases)
    # One step more or less: a product of matrices is not rounded alike on every machine.
    far = np.abs(picked.codes.astype(np.int16) - made.codes).max(axis=1) > 1
    scaled = np.abs(picked.scales - made.scales) > 1e-6 * made.scales
    return not bool((wrong | far | scaled).any())


# --- the header, and the records behind it -------------------------------------------------------------------
def _identity(collection_id: str, generation: int, space: str, dimension: int) -> Json:
    """The fields that must be equal for a file to be used."""
    return {
        "format": _FORMAT,
        "collection": collection_id,
        "generation": generation,
        "space": space,
        "dimension": dimension,
        "block_rows": BLOCK_ROWS,
    }


def _header(identity: Json, frame: Frame) -> bytes:
    facts = orjson.dumps(
        {
            **identity,
            "exponent": frame.exponent,
            "rows": frame.rows,
            "centred": frame.centre is not None,
            "rotated": frame.rotation is not None,
        }
    )
    arrays = [np.ascontiguousarray(a, "<f8").tobytes() for a in (frame.centre, frame.rotation) if a is not None]
    body = b"".join([len(facts).to_bytes(8, "little"), facts, *arrays])
    prefix = np.array([(_MAGIC, len(body), np.void(hashlib.sha256(body).digest()))], _PREFIX).tobytes()
    data = prefix + body
    return data + bytes(-len(data) % _PAGE)


def _read_header(data: memoryview | bytes, identity: Json) -> tuple[Frame, int]:
    """The frame, and the offset of the records."""
    prefix = np.frombuffer(_part(data, 0, _PREFIX.itemsize), _PREFIX)[0]
    length = int(prefix["length"])
    demand(prefix["magic"] == _MAGIC and length <= _HEADER_LIMIT, "not a file of codes")
    body = _part(data, _PREFIX.itemsize, length)
    demand(hashlib.sha256(body).digest() == prefix["sha256"].tobytes(), "the header does not match its checksum")
    after = 8 + int.from_bytes(body[:8], "little")
    try:
        facts = orjson.loads(body[8:after])
    except ValueError as error:
        raise OddFileError(str(error)) from None
    demand(isinstance(facts, dict) and identity.items() <= facts.items(), "of another collection, or format")
    numbers_there = all(isinstance(facts.get(name), int) for name in ("exponent", "rows", "centred", "rotated"))
    demand(numbers_there, "the header lacks a fact")
    dimension = identity["dimension"]
    numbers = np.frombuffer(body[after : after + (len(body) - after) // 8 * 8], "<f8").astype(np.float64)
    centre = numbers[:dimension] if facts["centred"] else None
    rotation = numbers[len(numbers) - dimension**2 :].reshape(dimension, dimension) if facts["rotated"] else None
    demand(len(numbers) == facts["centred"] * dimension + facts["rotated"] * dimension**2, "arrays of a wrong length")
    end = _PREFIX.itemsize + length
    return Frame(identity["space"], dimension, facts["exponent"], centre, rotation, facts["rows"]), end + -end % _PAGE


def _part(data: memoryview | bytes, start: int, length: int) -> bytes:
    part = bytes(data[start : start + length])
    demand(len(part) == length, "too short")
    return part


def _same(one: Frame, other: Frame) -> bool:
    return (one.exponent, one.rows) == (other.exponent, other.rows) and all(
        np.array_equal(_or_nothing(mine), _or_nothing(its))
        for mine, its in ((one.centre, other.centre), (one.rotation, other.rotation))
    )


def _or_nothing(array: Float64 | None) -> Float64:
    return np.empty(0) if array is None else array


def _record_type(dimension: int) -> np.dtype[Any]:
    """A whole block; it ends with the checksum of the fields before it."""
    return np.dtype(
        [
            ("codes", "i1", (BLOCK_ROWS, dimension)),
            ("scales", "<f4", (BLOCK_ROWS,)),
            ("biases", "<f4", (BLOCK_ROWS,)),
            ("crcs", "<u4", (BLOCK_ROWS,)),
            ("residual", "<f8"),
            ("length", "<f8"),
            ("longest", "<f8"),
            ("number", "<u8"),
            ("seq", "<u8"),
            ("unused", "V16"),
            ("checksum", "<u8"),
        ]
    )


def _record(block: Block, number: int, crcs: Checksums, seq: int) -> _Record:
    record = np.zeros(1, _record_type(block.codes.shape[1]))
    record["codes"], record["scales"], record["biases"] = block.codes, block.scales, block.biases
    record["crcs"] = crcs[block.first : block.end]
    record["residual"], record["length"], record["longest"] = block.residual, block.length, block.longest
    record["number"], record["seq"] = number, seq
    record["checksum"] = _checksum(record)
    return record
