"""Cache files of HNSW indexes: ``<random>.hnsw`` and a sidecar ``<random>.json`` that is renamed last.

Derived data: it can be rebuilt, so a file with any fault is dropped. hnswlib follows the numbers in a
file wherever they point, and a checksum stops accidents, not attackers. So every number is checked before hnswlib
reads the file.
"""

from __future__ import annotations

import hashlib
import math
import os
import secrets
import warnings
from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
import numpy.typing as npt
import orjson

from chroma_nb.engine import locks
from chroma_nb.engine.arrays import Ints, Mask, Slots
from chroma_nb.engine.index.hnsw import Fingerprints, GraphParameters, Hashes, HnswIndex, breadth, links
from chroma_nb.engine.storage.cache_files import OddFileError, demand, open_regular, unlink
from chroma_nb.engine.storage.vectors import sync_directory
from chroma_nb.types import Array, Json

_FORMAT: Final = 1
#: The largest sidecar.
_SIDECAR_LIMIT: Final = 256 * 1024 * 1024
_OURS: Final = ("*.hnsw", "*.part", "*.json")
_BLOCK_BYTES: Final = 8 * 1024 * 1024

Facts = Json


def save(index: HnswIndex, directory: Path, collection_id: str, generation: int, seq: int, covers: int) -> None:
    """Write the index as it is at ``seq`` and drop the collection's older files; a failure is one warning.

    ``covers``: every slot below that is live at ``seq`` is in the graph.
    """
    if index.count == 0 or not index.storable:
        return
    unfinished: list[Path] = []
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Open and claimed until the sidecar has its name: a sweep then sees that the file is being written.
        graph, descriptor = locks.create_claimed(lambda: directory / f"{secrets.token_hex(16)}.hnsw")
        sidecar, draft = graph.with_suffix(".json"), graph.with_suffix(".part")
        unfinished = [draft, graph]
        with os.fdopen(descriptor, "rb+") as file:
            slots, labels = index.save(graph)
            os.fsync(file.fileno())
            # Read back: hnswlib says nothing when the disk was full.
            contents = _examine(file, index.parameters, index.dimension)
            facts = {
                **_identity(index.parameters, index.dimension, collection_id, generation),
                "seq": seq,
                "covers": covers,
                "sha256": contents.sha256,
                **_members(contents, slots, labels),
            }
            _write_sidecar(draft, facts)
            draft.rename(sidecar)
        sync_directory(directory)
    except (OSError, RuntimeError, OddFileError) as error:
        unlink(*unfinished)
        warnings.warn(
            f"The search index could not be saved in {directory} ({error}). It is built again when it is needed.",
            RuntimeWarning,
            stacklevel=2,
        )
        return
    _remove(directory, lambda path, facts: facts["collection"] == collection_id and path.stem != graph.stem)


def load(
    directory: Path,
    collection_id: str,
    generation: int,
    parameters: GraphParameters,
    dimension: int,
    slots_limit: int,
) -> HnswIndex | None:
    """The newest index that fits, with ``covers`` as it was saved; None if there is no such index.

    ``slots_limit``: all slots are below it. A damaged file is removed if that is allowed.
    """
    identity = _identity(parameters, dimension, collection_id, generation)
    fitting = [
        (facts["seq"], path, facts)
        for path, facts in _sidecars(directory)
        if identity.items() <= facts.items() and 0 <= facts["covers"] <= slots_limit
    ]
    for _, path, facts in sorted(fitting, key=lambda entry: entry[0], reverse=True):
        try:
            return _restore(path.with_suffix(".hnsw"), facts, parameters, dimension)
        except (OddFileError, OSError, RuntimeError):
            unlink(path, path.with_suffix(".hnsw"))
    return None


def share(directory: Path, collection_id: str, fork_id: str, generation: int, seq: int) -> None:
    """Link the newest index of a collection for a fork that was made at ``seq``."""
    of_source = [
        (facts["seq"], path, facts)
        for path, facts in _sidecars(directory)
        if (facts["collection"], facts["generation"]) == (collection_id, generation) and facts["seq"] <= seq
    ]
    if not of_source:
        return
    _, path, facts = max(of_source, key=lambda entry: entry[0])
    graph = directory / f"{secrets.token_hex(16)}.hnsw"
    with _open(path.with_suffix(".hnsw")) as file:
        locks.claim(file.fileno())  # until the sidecar has its name, as in ``save``
        os.link(path.with_suffix(".hnsw"), graph, follow_symlinks=False)
        try:
            _write_sidecar(graph.with_suffix(".part"), {**facts, "collection": fork_id})
            graph.with_suffix(".part").rename(graph.with_suffix(".json"))
            sync_directory(directory)
        except BaseException:
            unlink(graph.with_suffix(".part"), graph)
            raise


def exist(directory: Path) -> bool:
    """Whether there are files that ``sweep`` may have to remove."""
    return any(True for pattern in _OURS for _ in directory.glob(pattern))


def sweep(directory: Path, generations: Mapping[str, int]) -> None:
    """Drop the indexes of deleted collections and of other generations, and the drafts of dead processes.

    ``generations``: by collection id. Only under the write lock, so that they are the latest.
    """
    _remove(directory, lambda _, facts: generations.get(facts["collection"]) != facts["generation"])


def drop(directory: Path, collection_id: str, *, before: int | None = None) -> bool:
    """Drop the indexes of a collection, or those of generations ``before`` one; returns whether there were any."""

    def unwanted(_: Path, facts: Facts) -> bool:
        """Whether a file is of this collection, and of a generation below ``before`` if that is given."""
        return facts["collection"] == collection_id and (before is None or facts["generation"] < before)

    return _remove(directory, unwanted)


def clear(directory: Path) -> bool:
    """Drop all indexes to free space; returns whether there were any."""
    return _remove(directory, lambda _, facts: True)


# --- Sidecars -------------------------------------------------------------------------------------------
def _identity(parameters: GraphParameters, dimension: int, collection_id: str, generation: int) -> Facts:
    """The fields that must be equal for a file to be used."""
    return {
        "format": _FORMAT,
        "collection": collection_id,
        "generation": generation,
        "space": parameters.space,
        "max_neighbors": parameters.max_neighbors,
        "ef_construction": parameters.ef_construction,
        "dimension": dimension,
    }


def _members(contents: _Contents, slots: Slots, labels: Slots) -> Facts:
    """The slots of each label, unless that is just the slot of the same number."""
    twins = slots != labels
    alone = np.setdiff1d(contents.labels[~contents.marked], slots[~twins])
    return {"twins": slots[twins].tolist(), "leaders": labels[twins].tolist(), "leaders_gone": alone.tolist()}


def _write_sidecar(path: Path, facts: Facts) -> None:
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(orjson.dumps({"sha256": _checksum(facts), "facts": facts}))
        file.flush()
        os.fsync(file.fileno())


def _checksum(facts: Facts) -> str:
    return hashlib.sha256(orjson.dumps(facts, option=orjson.OPT_SORT_KEYS)).hexdigest()


def _sidecars(directory: Path) -> Iterator[tuple[Path, Facts]]:
    """The sidecars that are complete; a damaged one is removed with its index."""
    try:
        paths = sorted(directory.glob("*.json"))
    except OSError:
        return
    for path in paths:
        try:
            yield path, _read_sidecar(path)
        except OddFileError:
            unlink(path, path.with_suffix(".hnsw"))
        except OSError:
            continue  # swept by another process, or not readable


def _read_sidecar(path: Path) -> Facts:
    with _open(path) as file:
        if os.fstat(file.fileno()).st_size > _SIDECAR_LIMIT:
            raise OddFileError("sidecar too large")
        try:
            wrapped = orjson.loads(file.read())
            facts = wrapped["facts"]
            right = wrapped["sha256"] == _checksum(facts)
        except (ValueError, TypeError, KeyError) as error:
            raise OddFileError(str(error)) from None
    if not right:
        raise OddFileError("sidecar does not match its checksum")
    if not (isinstance(facts, dict) and all(isinstance(facts.get(key), kind) for key, kind in _FACTS.items())):
        raise OddFileError("sidecar lacks a fact")
    return facts


_FACTS: Final = {
    "format": int,
    "collection": str,
    "generation": int,
    "seq": int,
    "covers": int,
    "sha256": str,
    "twins": list,
    "leaders": list,
    "leaders_gone": list,
}


# --- The graph file: what hnswlib writes, read with numpy -------------------------------------------------
_HEADER: Final = np.dtype(
    [
        ("offset_level0", "<u8"),
        ("max_elements", "<u8"),
        ("count", "<u8"),
        ("element_size", "<u8"),
        ("label_offset", "<u8"),
        ("data_offset", "<u8"),
        ("max_level", "<i4"),
        ("enter_point", "<u4"),
        ("max_links", "<u8"),
        ("max_links0", "<u8"),
        ("links", "<u8"),
        ("multiplier", "<f8"),
        ("ef_construction", "<u8"),
    ]
)


@dataclass(frozen=True)
class _Contents:
    """The contents of an examined file, in the file's order."""

    labels: Slots
    marked: Mask
    fingerprints: Hashes
    sha256: str


def _restore(path: Path, facts: Facts, parameters: GraphParameters, dimension: int) -> HnswIndex:
    with _open(path) as file:
        contents = _examine(file, parameters, dimension)
    if contents.sha256 != facts["sha256"]:
        raise OddFileError("graph does not match its checksum")
    slots, labels = _live(contents, facts)
    index = HnswIndex.load(path, parameters, dimension, (contents.labels, contents.fingerprints), slots, labels)
    index.covers = facts["covers"]
    return index


def _live(contents: _Contents, facts: Facts) -> tuple[Slots, Slots]:
    """The live slots of a file and their labels; the inverse of ``_members``."""
    try:
        twins, leaders, gone = (np.array(facts[key], np.int64) for key in ("twins", "leaders", "leaders_gone"))
    except (ValueError, TypeError, OverflowError) as error:
        raise OddFileError(str(error)) from None
    unmarked = contents.labels[~contents.marked]
    slots = np.concatenate([np.setdiff1d(unmarked, gone), twins])
    labels = np.concatenate([np.setdiff1d(unmarked, gone), leaders])
    demand(twins.shape == leaders.shape and twins.ndim == 1, "twins without leaders")
    demand(len(np.unique(slots)) == len(slots), "a slot twice")
    demand(bool(((slots >= 0) & (slots < facts["covers"])).all()), "a slot beyond what the file covers")
    demand(bool((contents.labels < facts["covers"]).all()), "a label beyond what the file covers")
    demand(np.array_equal(np.unique(labels), np.unique(unmarked)), "a label without slots, or slots without label")
    return slots, labels


def _examine(file: BinaryIO, parameters: GraphParameters, dimension: int) -> _Contents:
    """Read an index from the start and check that every number in it is one that hnswlib can follow."""
    most = links(parameters)
    element = np.dtype([("links", "<u4", (1 + 2 * most,)), ("vector", "<f4", (dimension,)), ("label", "<u8")])
    size = os.fstat(file.fileno()).st_size
    digest = hashlib.sha256()

    def read(amount: int) -> bytes:
        """The next bytes; the file is refused if it has fewer."""
        data = file.read(amount)
        demand(len(data) == amount, "file too short")
        digest.update(data)
        return data

    file.seek(0)
    header = np.frombuffer(read(_HEADER.itemsize), _HEADER)[0]
    count = int(header["count"])
    demand(0 < count < 2**32 - 1 and count * element.itemsize <= size - _HEADER.itemsize, "count beyond the file")
    _demand_header(header, element, most, breadth(parameters))
    labels = np.zeros(count, np.uint64)
    marked = np.zeros(count, np.bool_)
    hashes = np.zeros(count, np.uint64)
    fingerprints = Fingerprints(dimension)
    at_once = max(1, _BLOCK_BYTES // element.itemsize)
    for first in range(0, count, at_once):
        part = slice(first, min(first + at_once, count))
        block = np.frombuffer(read((part.stop - first) * element.itemsize), element)
        marked[part] = _demand_level0(block["links"], count)
        demand(bool(np.isfinite(block["vector"]).all()), "a vector that is not finite")
        labels[part] = block["label"]
        hashes[part] = fingerprints.of(block["vector"])
    demand(bool((labels < 2**62).all()) and len(np.unique(labels)) == count, "labels twice or out of range")
    rest = size - _HEADER.itemsize - count * element.itemsize
    demand(rest % 4 == 0, "odd length")
    levels = _demand_upper(np.frombuffer(read(rest), "<u4"), count, most)
    top = int(levels.max())
    enter = int(header["enter_point"])
    demand(int(header["max_level"]) == top and enter < count and levels[enter] == top, "wrong entry point")
    return _Contents(labels.astype(np.int64), marked, hashes, digest.hexdigest())


def _demand_header(header: Any, element: np.dtype[Any], most: int, ef_construction: int) -> None:
    expected = {
        "offset_level0": 0,
        "element_size": element.itemsize,
        "label_offset": element.itemsize - 8,
        "data_offset": 4 * (1 + 2 * most),
        "max_links": most,
        "max_links0": 2 * most,
        "links": most,
        "ef_construction": ef_construction,
    }
    for name, value in expected.items():
        demand(int(header[name]) == value, f"{name} is {header[name]}")
    demand(int(header["max_elements"]) >= int(header["count"]), "more elements than room")
    demand(math.isclose(float(header["multiplier"]), 1 / math.log(most), rel_tol=1e-9), "wrong multiplier")


def _demand_level0(lists: npt.NDArray[np.uint32], count: int) -> Mask:
    """Ground-level links of some elements: (count and mark, link, …). Returns which are marked as deleted."""
    amounts, flags = lists[:, 0] & np.uint32(0xFFFF), lists[:, 0] >> np.uint32(16)
    demand(bool((flags <= 1).all()), "unknown flags")
    _demand_links(lists[:, 1:], amounts, count)
    return np.asarray(flags == 1)


def _demand_links(targets: npt.NDArray[np.uint32], amounts: Array, count: int) -> None:
    demand(bool((amounts <= targets.shape[1]).all()), "more links than room")
    used = np.arange(targets.shape[1]) < amounts[:, None]
    demand(bool((targets[used] < count).all()), "a link to nowhere")


def _demand_upper(words: npt.NDArray[np.uint32], count: int, most: int) -> Ints:
    """Links above the ground: per element the bytes of its lists (0 for most), then the lists. Returns the levels."""
    width = 1 + most
    levels = np.zeros(count, np.int64)
    starts: list[int] = []
    heights: list[int] = []
    nonzero = np.flatnonzero(words).tolist()
    element = position = 0
    while True:
        following = bisect_left(nonzero, position)
        if following == len(nonzero):
            break
        element += nonzero[following] - position  # the zeros in between are elements without lists
        position = nonzero[following]
        level, odd = divmod(int(words[position]), 4 * width)
        demand(element < count and not odd and level < 1024, "lists of a wrong length")
        demand(position + 1 + level * width <= len(words), "lists beyond the file")
        levels[element] = level
        starts += range(position + 1, position + 1 + level * width, width)
        heights += range(1, level + 1)
        position += 1 + level * width
        element += 1
    demand(element + len(words) - position == count, "too many or too few elements")
    if starts:
        lists = words[np.array(starts)[:, None] + np.arange(width)]
        _demand_links(lists[:, 1:], lists[:, 0], count)
        used = np.arange(most) < lists[:, :1]
        reached = levels[np.where(used, lists[:, 1:], 0)]
        demand(bool((reached >= np.array(heights)[:, None])[used].all()), "a link to an element that is not so high")
    return levels


# --- Files ------------------------------------------------------------------------------------------------
def _open(path: Path) -> BinaryIO:
    """Open a regular file for reading; a link, pipe or device is refused."""
    return os.fdopen(open_regular(path, os.O_RDONLY), "rb")


def _remove(directory: Path, unwanted: Callable[[Path, Facts], bool]) -> bool:
    """Remove the indexes that are ``unwanted`` by their sidecar, and files without one that no process is writing."""
    kept, removed = set(), False
    for path, facts in _sidecars(directory):
        if unwanted(path, facts):
            unlink(path, path.with_suffix(".hnsw"))
            removed = True
        else:
            kept.add(path.stem)
    for pattern in ("*.hnsw", "*.part"):
        for path in directory.glob(pattern):
            if path.stem not in kept:
                _remove_abandoned(path)
    return removed


def _remove_abandoned(path: Path) -> None:
    """Remove this index, or this draft of a sidecar, unless a process is writing it."""
    try:
        with _open(path.with_suffix(".hnsw")) as file:
            # Look for the sidecar after the claim, since its writer may have finished just now. The file is
            # removed while it is claimed.
            if locks.claim(file.fileno()) and not path.with_suffix(".json").exists():
                unlink(path)
    except FileNotFoundError:
        if path.suffix == ".part":  # an index is created before the draft of its sidecar, and removed after it
            unlink(path)
    except (OSError, OddFileError):
        pass  # another process was faster, or the file is not ours
